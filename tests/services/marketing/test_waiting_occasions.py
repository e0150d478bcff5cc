"""Occasions that wait while something else happens, and which occasions count as missed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaign_world import (
    LATE,
    MEMBER_DAY,
    CampaignWorld,
    birthday,
    by_hand,
    campaign,
    skipped,
)
from chain_data import FakeClock, item
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.campaigns.models import CampaignStepRequest
from huitou.marketing.runs.models import Run
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.runtime.database import Database
from merging import merged


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    return CampaignWorld(chain, clock)


# --- occasions that wait --------------------------------------------------------------------------


def waiting_birthday(world: CampaignWorld, born: str = "1990-03-10", days: int = 0) -> str:
    """Let Ann's birthday wait: on that day she gets the member day's message, which goes first."""
    ann = world.guest("ann", birthday=born)
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign(**MEMBER_DAY, priority=95))
    world.run(birthday(trigger={"kind": "birthday", "days": days}))
    world.tick("2026-03-10 10:05")
    found = world.database.collection("campaign_waiting").find({"campaign_id": "birthday"})
    assert [row["member_id"] for row in found] == [ann]
    return ann


@pytest.mark.parametrize(
    ("born", "before", "after", "title"),
    [("1990-03-10", 0, 7, "补祝生日快乐"), ("1990-03-17", 7, 0, "生日快乐")],
)
def test_a_later_revision_does_not_change_until_when_a_waiting_occasion_is_worth_a_message(
    world: CampaignWorld, born: str, before: int, after: int, title: str
) -> None:
    waiting_birthday(world, born, before)
    world.at("2026-03-10 12:00")
    world.stop("birthday")
    world.run(birthday(trigger={"kind": "birthday", "days": after}, revision=2))
    world.tick("2026-03-11 10:05")
    assert [row["title"] for row in world.exposures(campaign_id="birthday")] == [title]


def test_a_merge_moves_waiting_occasions_and_an_erasure_deletes_them(world: CampaignWorld) -> None:
    ann, bob = waiting_birthday(world), world.guest("bob")
    merged(world.database, world.clock, ann, bob)
    assert world.database.collection("campaign_waiting").count_documents({"member_id": bob}) == 1
    world.tick("2026-03-11 10:05")
    assert [member for member, *_ in world.messages("birthday")] == [bob]
    eve = world.guest("eve")
    world.run(campaign(trigger={"kind": "by_hand"}))
    by_hand(world, eve)
    erase = EraseMemberRequest(member_id=eve, actor="小王", reason="本人要求")
    Erasures(world.database, world.clock, "huitou").erase_member(erase)
    assert world.database.collection("campaign_waiting").count_documents({"member_id": eve}) == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_waiting_occasion_of_another_trigger_or_an_older_version_stops_no_message(
    world: CampaignWorld, known: bool
) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign(trigger={"kind": "by_hand"}))
    by_hand(world, ann)
    if not known:  # As older versions stored it.
        gone = dict.fromkeys(("day", "met_at", "over", "late_over"), "")
        world.database.collection("campaign_waiting").update_one(
            {"member_id": ann}, {"$unset": gone}
        )
    world.stop("day-3")
    audience = {"feature": "orders", "at_least": 1}
    world.run(campaign(trigger={"kind": "daily"}, revision=2, audience=audience))
    world.tick("2026-03-03 10:05")
    assert {member for member, *_ in world.messages()} == {ann, bob}


def test_an_ended_campaign_leaves_nothing_waiting(world: CampaignWorld) -> None:
    waiting_birthday(world)
    world.stop("birthday", "end")
    world.tick("2026-03-10 12:00")
    waiting = world.database.collection("campaign_waiting")
    assert waiting.count_documents({"campaign_id": "birthday"}) == 0


def test_a_birthday_on_a_campaigns_last_day_still_gets_late_words(world: CampaignWorld) -> None:
    ann = world.guest("ann", birthday="1990-03-10")
    world.run(birthday(valid_until="2026-03-10"))
    world.tick("2026-03-13 12:00")  # The timer was out since the 2nd.
    assert [member for member, *_ in world.messages("birthday")] == [ann]


def test_a_tier_that_rose_twice_in_a_night_gets_one_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "tier_change", "direction": "up"}))
    world.at("2026-03-02 22:00")
    tiers = Tiers(world.database, world.clock)
    for number in range(2):
        order_id = world.orders(ann, f"2026-03-02 22:0{number}", items=[item(40)])
        world.clock.advance(minutes=2)
        assert tiers.evaluate_member(ann) == "raised"
        if number == 0:
            world.shop.refund(world.shop.orders.get_order(order_id))
            world.shop.settlement.settle_order(order_id)
            world.clock.advance(minutes=2)
            assert tiers.evaluate_member(ann) == "lowered"
    world.tick_through("2026-03-04 12:00", timedelta(minutes=30))
    assert len(world.messages()) == 1


def test_a_coupon_that_has_ended_gets_no_message_that_it_ends_soon(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())
    world.tick("2026-03-05 10:00")  # Her coupon ends on 3 April.
    world.stop("day-3")
    message = {"title": "今天到期", "body": "最后一天"}
    world.run(
        campaign(
            _id="ending",
            trigger={"kind": "coupon_expiring", "days": 0},
            send_at="19:00",
            variants=[{"message": message}],
        )
    )
    world.tick("2026-04-04 09:05")  # Fourteen hours late.
    assert world.messages("ending") == []


def test_points_that_have_ended_get_no_message_that_they_end_soon(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "points_expiring"}))
    world.tick("2026-03-02 21:00")
    world.database.collection("notices").insert_one(
        {
            "_id": f"points-expiring:{ann}:2026-03-06",
            "schema": 1,
            "member_id": ann,
            "kind": "points-expiring",
            "for_day": "2026-03-06",
            "data": {"points": 5},
            "at": world.clock.now(),
        }
    )
    world.database.collection("accounts").update_one(
        {"_id": ann}, {"$set": {"lots": {"2026-03-05": 5}}}
    )
    world.tick("2026-03-08 10:00")
    assert world.messages() == []


def test_a_late_message_whose_coupon_has_ended_is_withheld(world: CampaignWorld) -> None:
    ends = CouponTemplate.model_validate(
        {
            "_id": "ends",
            "name": "生日券",
            "terms": {"off_fen": 100},
            "valid_until": "2026-03-10",
        }
    )
    Coupons(world.database, world.clock).put_templates([ends], [])
    world.guest("ann", birthday="1990-03-10")
    message = {"title": "生日快乐", "body": "送您{gift}", "late": LATE}
    gift = {"kind": "coupon", "template_id": "ends"}
    world.run(birthday(valid_until="2026-03-10", variants=[{"gift": gift, "message": message}]))
    world.tick("2026-03-11 12:00")
    assert [row["delivery"] for row in world.exposures()] == ["withheld"]


# --- occasions that count as missed ---------------------------------------------------------------


def test_what_falls_into_a_pause_or_after_the_end_does_not_count_as_missed(
    world: CampaignWorld,
) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "by_hand"}))
    by_hand(world, ann)
    world.stop("day-3")
    world.at("2026-03-12 12:00")
    world.campaigns.start_campaign(CampaignStepRequest(campaign_id="day-3", actor="小王"))
    world.tick()
    assert (world.messages(), skipped(world, "day-3")) == ([], [])
    world.run(campaign(_id="new", trigger={"kind": "registered"}, valid_until="2026-03-13"))
    world.at("2026-03-14 12:00")
    world.guest("bob")
    world.tick("2026-03-18 12:00")
    assert skipped(world, "new") == []


def test_an_interrupted_run_counts_as_missed_in_part(world: CampaignWorld) -> None:
    world.orders(world.guest("ann"), "2026-03-02 12:00")
    world.run(campaign())
    world.tick("2026-03-05 09:55")
    runs = world.database.collection("campaign_runs")
    run = Run(
        id="day-3:2026-03-05:0",
        campaign_id="day-3",
        day="2026-03-05",
        part=0,
        low="",
        high="z",
        cursor="m5",
        due_at=world.clock.now(),
    )
    runs.insert_one(run.document())
    world.tick("2026-03-08 12:00")
    assert ("2026-03-05", False, 0) in skipped(world, "day-3")


def test_a_supper_is_in_time_by_the_members_own_clock(world: CampaignWorld) -> None:
    hours = [OpeningHours(opens="00:00", closes="00:00")]
    paris = Store(id="paris", brand_id="huitou", name="巴黎店", zone="Europe/Paris", hours=hours)
    Stores(world.database, world.clock).put_store(paris)
    world.database.collection("store_dishes").insert_one(
        {
            "_id": "paris:milk-tea",
            "schema": 1,
            "store_id": "paris",
            "dish_id": "milk-tea",
            "listed": True,
            "sold_out": False,
        }
    )
    world.database.cache.clear()
    ann = world.guest("ann")
    for late in ("2026-03-02 04:30", "2026-03-03 04:30"):
        world.orders(ann, late, store_id="paris")  # 21:30 in Paris.
    world.at("2026-03-04 12:00")
    world.run(
        campaign(
            _id="supper",
            trigger={"kind": "daily"},
            send_at="21:30",
            audience={"feature": "night_guest", "is_so": True},
            window={"since": "21:00", "until": "02:00"},
        )
    )
    world.tick_through("2026-03-05 12:00", timedelta(minutes=30))
    assert world.messages("supper") == [(ann, "2026-03-04", "03-05 04:00")]
    assert skipped(world, "supper") == []
