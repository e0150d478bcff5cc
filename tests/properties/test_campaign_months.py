"""Months of a chain with outages and crashes, compared with a simple model of the rules."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import date, timedelta

import pytest

from at_once import at_once
from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.campaigns.models import CampaignStepRequest
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.members.messaging.models import MessageRules
from huitou.runtime.database import Database

SILVER = "silver-30-8"


class Killed(BaseException):
    """The worker's process is killed: no code under test may catch this."""


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    often = MessageRules(per_day=10, per_week=50)
    chain.collection("rules").replace_one({"_id": "messages"}, often.document(), upsert=True)
    return CampaignWorld(chain, clock)


@pytest.mark.parametrize("seed", range(4))
def test_each_occasion_of_a_month_gets_one_message_and_none_is_stale(
    world: CampaignWorld, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The month has a 29 February. The timer may fail to fire, die, or fire twice."""
    dice = random.Random(seed)
    first = date(2028, 2, 15)
    world.at(f"{first} 08:00")
    guests = [
        world.guest(f"g{n}", birthday=f"1992-{dice.choice(['02-29', '02-28', '03-01'])}")
        for n in range(12)
    ]
    world.run(campaign(valid_from="2028-02-01", valid_until="2028-12-31"))
    world.run(
        campaign(
            _id="birthday",
            trigger={"kind": "birthday", "days": 0},
            priority=90,
            valid_from="2028-02-01",
            valid_until="2028-12-31",
        )
    )
    ordered: dict[str, set[date]] = {guest: set() for guest in guests}
    up: dict[date, bool] = {}
    for number in range(32):
        day = first + timedelta(days=number)
        up[day] = number == 31 or dice.random() > 0.25
        if up[day]:
            for hour in (10, 13):
                world.at(f"{day} {hour}:05")
                _tick(world, dice, monkeypatch)
        world.at(f"{day} 18:00")
        for guest in guests:
            if dice.random() < 0.25:
                world.orders(guest, f"{day} {dice.choice(['15:00', '23:30'])}")
                ordered[guest].add(day)
    world.clock.advance(minutes=5)
    world.tick()
    sent = Counter((member, occasion) for member, occasion, _ in world.messages("day-3"))
    assert set(sent.values()) <= {1}
    expected = {
        (guest, last.isoformat())
        for guest, days in ordered.items()
        for last in days
        if _is_due(last, days, up, first + timedelta(days=31))
    }
    assert set(sent) == expected
    birthdays = {guest: _birthday(world, guest) for guest in guests}
    met = {member for member, *_ in world.messages("birthday")}
    assert met == {guest for guest, day in birthdays.items() if up[day]}
    assert all(
        world.coupons(guest)[SILVER] == sum(m == guest for m, *_ in world.messages())
        for guest in guests
    )


def _is_due(last: date, days: set[date], up: dict[date, bool], end: date) -> bool:
    """Tell whether the day-3 campaign must have sent a message for this absence.

    It is due three days later at 10:00. The first tick after that sends it, if it comes less than
    two days late, and if the guest hasn't ordered again.
    """
    due = last + timedelta(days=3)
    for late in range(3):
        day = due + timedelta(days=late)
        if day > end:
            return False
        if any(last < other < day for other in days):
            return False  # The guest came back before the timer fired.
        if up.get(day, False):
            return late < 2
    return False


def _birthday(world: CampaignWorld, guest: str) -> date:
    found = world.database.collection("members").find_one({"_id": guest})
    assert found
    return date.fromisoformat("2028" + found["birthday"][4:])


def _tick(world: CampaignWorld, dice: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    how = dice.choice(["plain", "plain", "twice", "killed"])
    if how == "plain":
        world.tick()
    elif how == "twice":
        at_once([world.tick, world.tick])
    else:
        _kill_at_a_random_step(world, dice, monkeypatch)
        _release_leases(world)
        world.tick()


def _kill_at_a_random_step(
    world: CampaignWorld, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = dice.choice(
        [
            (ExposureRepository, "insert"),
            (ExposureRepository, "begin"),
            (ExposureRepository, "end"),
            (Coupons, "issue_coupons"),
        ]
    )
    real = getattr(owner, name)
    before = dice.random() < 0.5

    def dies(*args: object, **kwargs: object) -> object:
        if not before:
            real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dies)
        with suppress(Killed):
            world.tick()


def _release_leases(world: CampaignWorld) -> None:
    # A killed worker's leases end by themselves only after a minute of real time.
    world.database.collection("leases").delete_many({})


def test_a_new_revision_of_a_campaign_writes_to_nobody_again(world: CampaignWorld) -> None:
    guests = [world.guest(f"g{n}") for n in range(6)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign())
    world.at("2026-03-05 10:00")
    world.tick()
    world.stop("day-3")
    world.run(
        campaign(revision=2, name="三天没见了", audience={"feature": "orders", "at_least": 1})
    )
    world.tick_through("2026-03-06 18:00")
    assert Counter(member for member, *_ in world.messages()) == dict.fromkeys(guests, 1)
    world.stop("day-3", "end")
    with pytest.raises(Exception, match="CAMPAIGN_NOT_AT_THIS_STEP"):
        world.campaigns.start_campaign(CampaignStepRequest(campaign_id="day-3", actor="x"))


@pytest.mark.parametrize("name", ["insert", "begin", "end"])
@pytest.mark.parametrize("before", [True, False])
def test_after_a_worker_is_killed_at_any_step_each_guest_gets_one_message_and_one_coupon(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, name: str, *, before: bool
) -> None:
    guests = [world.guest(f"g{n}") for n in range(8)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign())
    world.at("2026-03-05 10:00")
    real = getattr(ExposureRepository, name)

    def dies(*args: object, **kwargs: object) -> object:
        if not before:
            real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ExposureRepository, name, dies)
        with pytest.raises(Killed):
            world.tick()
    _release_leases(world)
    world.clock.advance(minutes=5)
    world.tick()
    assert Counter(member for member, *_ in world.messages()) == dict.fromkeys(guests, 1)
    assert all(world.coupons(guest) == {SILVER: 1} for guest in guests)
    assert list(world.database.collection("deliveries").find({"_id": {"$gt": ""}})) == []
