"""Whom campaigns write to, and when: one message for each occasion, within the limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from at_once import at_once
from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from huitou.marketing.campaigns.models import CampaignStepRequest
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.marketing.runs.models import ByHandRequest
from huitou.marketing.runs.service import CampaignRuns
from huitou.members.messaging.models import MessageRules
from huitou.runtime import leases
from huitou.runtime.database import Database
from localcloud.mongod import Mongod
from merging import merged
from watching import watched

SILVER = "silver-30-8"


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    return CampaignWorld(chain, clock)


def test_each_absence_of_three_days_gets_one_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.tick_through("2026-03-08 23:00")
    assert world.messages() == [(ann, "2026-03-02", "03-05 10:00")]
    assert world.coupons(ann) == {SILVER: 1}
    world.orders(ann, "2026-03-08 19:00")
    world.tick_through("2026-03-14 12:00")
    assert world.messages() == [
        (ann, "2026-03-02", "03-05 10:00"),
        (ann, "2026-03-08", "03-11 10:00"),
    ]
    assert world.coupons(ann) == {SILVER: 2}


def test_a_guest_who_came_back_in_time_gets_no_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.orders(ann, "2026-03-05 09:59")
    world.tick("2026-03-05 10:00")
    assert world.messages() == []


def test_the_message_names_the_gift_and_its_last_day(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.tick("2026-03-05 10:00")
    (exposure,) = world.exposures()
    assert exposure["body"] == "送您白银礼 满30减8，4 月 3 日前可用"
    assert exposure["delivery"] == "done"


@pytest.mark.parametrize("why", ["never asked", "withdrew", "minor", "merged"])
@pytest.mark.parametrize(
    "trigger",
    [{"kind": "absent", "days": 3}, {"kind": "birthday", "days": 0}, {"kind": "registered"},
     {"kind": "first_order"}, {"kind": "by_hand"}],
    ids=lambda trigger: str(trigger["kind"]),
)  # fmt: skip
def test_a_member_who_must_not_get_messages_gets_nothing(
    world: CampaignWorld, why: str, trigger: dict[str, object]
) -> None:

    world.run(campaign(trigger=trigger))
    ann = world.guest("ann", consents=why != "never asked", birthday="1990-03-05")
    if why == "minor":  # A guardian consented, or the version before let them say it.
        world.database.collection("members").update_one(
            {"_id": ann}, {"$set": {"birthday": "2015-03-05"}}
        )
    bob = world.guest("bob", birthday="1990-03-05")
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:30")
    if why == "withdrew":
        world.consent(ann, given=False)
    if why == "merged":
        merged(world.database, world.clock, ann, bob)
    if trigger["kind"] == "by_hand":
        CampaignRuns(world.database, world.clock).send_by_hand(
            ByHandRequest(campaign_id="day-3", batch="b1", member_ids=[ann, bob], actor="x")
        )
    world.tick_through("2026-03-06 12:00")
    assert {member for member, *_ in world.messages()} == {bob}
    assert world.coupons(ann) == {}


def test_the_hold_out_gets_nothing_but_its_places_of_the_day_are_taken(
    world: CampaignWorld,
) -> None:
    guests = [world.guest(f"g{number}") for number in range(60)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign(holdout_bp=3_000))
    world.tick("2026-03-05 10:00")
    groups = {row["member_id"]: row["group"] for row in world.exposures()}
    assert set(groups) == set(guests)
    held = [guest for guest, group in groups.items() if group == "holdout"]
    assert 6 <= len(held) <= 32
    assert all(world.coupons(guest) == {} for guest in held)
    assert all(world.coupons(g) == {SILVER: 1} for g in guests if g not in held)
    assert all(row["place"] == "2026-03-05#1" for row in world.exposures())
    # Another revision leaves every member in the same group.
    world.stop("day-3")
    world.run(campaign(holdout_bp=3_000, revision=2, name="三天没见了"))
    for guest in guests:
        world.orders(guest, "2026-03-05 12:00")
    world.tick("2026-03-08 10:00")
    again = {row["member_id"]: row["group"] for row in world.exposures(revision=2)}
    assert again == groups


def test_if_two_campaigns_want_the_same_day_the_higher_priority_goes_first(
    world: CampaignWorld,
) -> None:
    ann = world.guest("ann", birthday="1990-03-05")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.run(campaign(_id="birthday", priority=90, trigger={"kind": "birthday", "days": 0}))
    world.tick("2026-03-05 10:00")
    assert world.messages() == [(ann, "2026", "03-05 10:00")]


def test_a_member_gets_three_messages_a_week_at_most(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "daily"}, audience={"feature": "orders", "at_least": 1}))
    world.orders(ann, "2026-03-02 12:00")
    world.tick_through("2026-03-16 12:00")
    assert [when for *_, when in world.messages()] == [
        "03-03 10:00",
        "03-04 10:00",
        "03-05 10:00",
        "03-10 10:00",
        "03-11 10:00",
        "03-12 10:00",
    ]


def test_after_an_outage_stale_runs_are_skipped(world: CampaignWorld) -> None:
    guests = [world.guest(f"g{number}") for number in range(7)]
    for number, guest in enumerate(guests):
        world.orders(guest, f"2026-03-0{number + 2} 12:00")
    world.run(campaign())
    world.tick("2026-03-09 15:00")  # The timer was out since the 2nd.
    # Due on 5, 6, 7, 8 and 9 March at 10:00. Those of the last two days are still worth a message.
    assert sorted(guests.index(member) for member, *_ in world.messages()) == [3, 4]
    runs = {
        row["day"]: row["status"]
        for row in world.database.collection("campaign_runs").find({"_id": {"$gt": ""}})
    }
    assert runs == {
        "2026-03-03": "skipped",
        "2026-03-04": "skipped",
        "2026-03-05": "skipped",
        "2026-03-06": "skipped",
        "2026-03-07": "skipped",
        "2026-03-08": "done",
        "2026-03-09": "done",
    }


def test_nobody_gets_a_message_at_night(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "registered"}))
    world.at("2026-03-03 23:10")
    ann = world.guest("ann")
    world.tick_through("2026-03-04 08:55", timedelta(minutes=5))
    assert world.messages() == []
    world.tick("2026-03-04 09:00")
    assert world.messages() == [(ann, "registered", "03-04 09:00")]


def test_what_fell_into_a_pause_is_not_sent_later(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    world.orders(ann, "2026-03-02 12:00")
    world.orders(bob, "2026-03-03 12:00")
    world.run(campaign())
    world.stop("day-3")
    world.tick("2026-03-05 11:00")

    world.campaigns.start_campaign(CampaignStepRequest(campaign_id="day-3", actor="小王"))
    world.tick_through("2026-03-07 12:00")
    assert world.messages() == [(bob, "2026-03-03", "03-06 10:00")]


def test_four_timers_at_once_write_to_everybody_once(world: CampaignWorld) -> None:
    guests = [world.guest(f"g{number}") for number in range(40)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign())
    world.at("2026-03-05 10:00")
    at_once([world.tick] * 4)
    world.tick()
    assert sorted(member for member, *_ in world.messages()) == sorted(guests)
    assert all(world.coupons(guest) == {SILVER: 1} for guest in guests)


def test_29_february_is_celebrated_on_the_28th_in_most_years(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "birthday", "days": 0}, limits={"every_days": 1}))
    ann = world.guest("ann", birthday="1992-02-29")
    bob = world.guest("bob", birthday="1992-02-28")
    world.at("2027-02-27 12:00")
    world.tick_through("2027-03-02 12:00")
    assert {(m, when) for m, _, when in world.messages()} == {
        (ann, "02-28 10:00"),
        (bob, "02-28 10:00"),
    }
    world.stop("day-3", "end")
    world.at("2028-02-27 09:00")
    world.run(
        campaign(_id="next", trigger={"kind": "birthday", "days": 0}, valid_until="2028-12-31")
    )
    world.tick_through("2028-03-02 12:00")
    assert world.messages("next") == [(bob, "2028", "02-28 10:00"), (ann, "2028", "02-29 10:00")]


def test_supper_is_offered_to_night_guests_only(world: CampaignWorld) -> None:
    owl, lark = world.guest("owl"), world.guest("lark")
    for day in (2, 4, 6):
        world.orders(owl, f"2026-03-0{day} 23:10")
        world.orders(lark, f"2026-03-0{day} 12:10")
    supper = campaign(
        trigger={"kind": "daily"},
        send_at="21:45",
        window={"since": "21:00", "until": "23:30"},
        audience={"feature": "night_guest", "is_so": True},
    )
    world.at("2026-03-07 12:00")
    world.run(supper)
    world.tick_through("2026-03-08 12:00", timedelta(minutes=15))
    assert world.messages() == [(owl, "2026-03-07", "03-07 21:45")]
    # The window of the evening of the 8th is over: no message for it any more.
    world.tick("2026-03-09 00:10")
    assert len(world.messages()) == 1


def test_a_worker_waits_for_another_one_that_has_a_run_of_higher_priority(
    world: CampaignWorld,
) -> None:
    ann = world.guest("ann", birthday="1990-03-05")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.run(campaign(_id="birthday", priority=90, trigger={"kind": "birthday", "days": 0}))
    world.at("2026-03-05 10:00")
    other = leases.acquire(world.database, "campaign-run:birthday:0", until_ms=1_000)
    assert other is not None
    world.tick_service.run_tick(2)
    assert world.messages() == []  # Nor from the day-3 campaign, which nobody was working on.
    leases.release(world.database, other)
    world.tick()
    assert world.messages() == [(ann, "2026", "03-05 10:00")]


def test_a_message_that_loses_its_place_to_another_campaign_gets_the_next_place(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = MessageRules(per_day=2)
    world.database.collection("rules").replace_one(
        {"_id": "messages"}, twice.document(), upsert=True
    )
    ann = world.guest("ann", birthday="1990-03-05")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.run(campaign(_id="birthday", priority=90, trigger={"kind": "birthday", "days": 0}))
    real = ExposureRepository.recent
    looks: list[int] = []

    def late(self: ExposureRepository, *args: Any) -> list[tuple[str, str, str, str]]:
        looks.append(1)
        # The second campaign looks before the first one has written.
        return [] if len(looks) == 2 else real(self, *args)

    monkeypatch.setattr(ExposureRepository, "recent", late)
    world.tick("2026-03-05 10:00")
    assert sorted(row["place"] for row in world.exposures()) == ["2026-03-05#1", "2026-03-05#2"]


def test_an_occasion_that_was_served_long_ago_is_not_served_again(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "by_hand"}))
    runs = CampaignRuns(world.database, world.clock)
    batch = ByHandRequest(campaign_id="day-3", batch="b1", member_ids=[ann], actor="x")
    for day in ("02", "20", "21"):
        world.at(f"2026-03-{day} 12:00")
        runs.send_by_hand(batch)
        world.tick()
    assert world.messages() == [(ann, "b1", "03-02 12:00")]
    assert world.coupons(ann) == {SILVER: 1}


@pytest.mark.parametrize("kind", ["absent", "coupon_expiring", "by_hand"])
def test_a_tick_without_work_costs_the_same_for_any_number_of_campaigns(
    world: CampaignWorld, mongod: Mongod, kind: str
) -> None:
    trigger = {"kind": kind} | ({} if kind == "by_hand" else {"days": 3})
    counts = []
    with watched(mongod.uri, world.database.name) as (database, commands):
        other = CampaignWorld(database, world.clock)
        for number in range(3):
            world.run(campaign(_id=f"c{number}", trigger=trigger))
            other.tick()  # Plans the new campaign's days.
            commands.names.clear()
            other.tick()
            counts.append(len(commands.names))
    assert len(set(counts)) == 1
    assert counts[0] <= 14
