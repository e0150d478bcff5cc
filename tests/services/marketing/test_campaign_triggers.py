"""Each trigger finds the members whom it is for, and each occasion gets one message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock, item
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.growth.geofence.models import PositionRequest
from huitou.growth.geofence.service import Geofence
from huitou.integrations.weather import Forecast
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.features.models import TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.runs.models import ByHandRequest, EventRequest, RunsRequest
from huitou.marketing.runs.service import CampaignRuns
from huitou.members.messaging.models import MessageRules
from huitou.runtime.database import Database

MINUTES = timedelta(minutes=5)


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    made = CampaignWorld(chain, clock)
    often = MessageRules(per_day=10, per_week=50)
    chain.collection("rules").replace_one({"_id": "messages"}, often.document(), upsert=True)
    return made


def times_of(world: CampaignWorld, campaign_id: str = "day-3") -> list[tuple[str, str]]:
    return [(member, moment) for member, _, moment in world.messages(campaign_id)]


def test_a_member_is_overdue_by_their_own_usual_interval(world: CampaignWorld) -> None:
    often, seldom, new = (world.guest(name) for name in ("often", "seldom", "new"))
    for day in (2, 4, 6, 8):
        world.orders(often, f"2026-03-0{day} 12:00")
    for day in ("02", "09", "16", "23"):
        world.orders(seldom, f"2026-03-{day} 12:00")
    world.orders(new, "2026-03-02 12:00")
    world.at("2026-03-08 13:00")
    world.run(campaign(trigger={"kind": "overdue"}))
    world.tick_through("2026-04-10 12:00")
    # One comes every 2 days: overdue 3 days after the last order. The other every 7 days: 11 days.
    assert times_of(world) == [(often, "03-11 10:00"), (seldom, "04-03 10:00")]


def test_a_birthday_message_may_come_days_before(world: CampaignWorld) -> None:
    ann = world.guest("ann", birthday="1990-03-10")
    world.run(campaign(trigger={"kind": "birthday", "days": 7}))
    world.tick_through("2027-03-12 12:00", timedelta(hours=12))
    assert [(m, o) for m, o, _ in world.messages()] == [(ann, "2026"), (ann, "2027")]
    assert times_of(world)[0][1].startswith("03-03")


def test_a_birthday_in_january_is_found_in_december(world: CampaignWorld) -> None:
    ann = world.guest("ann", birthday="1990-01-02")
    world.at("2026-12-20 12:00")
    world.run(campaign(trigger={"kind": "birthday", "days": 7}))
    world.tick_through("2027-01-03 12:00")
    assert world.messages() == [(ann, "2027", "12-26 10:00")]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_tier_that_rises_or_falls_gets_a_message(world: CampaignWorld, direction: str) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "tier_change", "direction": direction}))
    order_id = world.orders(ann, "2026-03-02 12:00", items=[item(40)])
    tiers = Tiers(world.database, world.clock)
    tiers.evaluate_member(ann)
    world.tick("2026-03-02 12:30")
    if direction == "up":
        assert times_of(world) == [(ann, "03-02 12:30")]
        return
    assert times_of(world) == []
    world.shop.refund(world.shop.orders.get_order(order_id))
    world.shop.settlement.settle_order(order_id)
    tiers.evaluate_member(ann)
    world.tick("2026-03-02 13:00")
    assert times_of(world) == [(ann, "03-02 13:00")]


def test_registering_and_the_first_order_get_a_message_after_a_delay(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "registered", "after_minutes": 60}))
    world.run(campaign(_id="first", trigger={"kind": "first_order", "after_minutes": 30}))
    world.at("2026-03-02 13:00")
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 13:10")
    world.orders(ann, "2026-03-02 13:20")
    world.tick_through("2026-03-02 18:00", MINUTES)
    assert world.messages("day-3") == [(ann, "registered", "03-02 14:00")]
    assert world.messages("first") == [(ann, "first-order", "03-02 13:40")]


def test_an_imported_member_gets_no_message_for_registering(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "registered"}))
    world.at("2026-03-02 13:00")
    ann = world.guest("ann")
    world.database.collection("members").update_one(
        {"_id": ann}, {"$set": {"registered_channel": "import"}}
    )
    world.tick("2026-03-02 14:00")
    assert world.messages() == []


def test_each_completed_order_gets_a_message(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "order_completed", "after_minutes": 120}))
    ann = world.guest("ann")
    orders = []
    for day in (2, 3):
        orders.append(world.orders(ann, f"2026-03-0{day} 13:00"))
        world.at(f"2026-03-0{day} 13:30")
        world.database.collection("orders").update_one(
            {"_id": orders[-1]},
            {"$set": {"status": "completed", "completed_at": world.clock.now()}},
        )
        world.tick_through(f"2026-03-0{day} 18:00", MINUTES)
    assert world.messages() == [(ann, orders[0], "03-02 15:30"), (ann, orders[1], "03-03 15:30")]


def test_a_test_order_brings_no_message_and_hides_no_later_order(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huitou.marketing.runs.service.PAGE", 2)
    world.run(campaign(trigger={"kind": "order_completed"}))
    guests = [world.guest(name) for name in ("of-the-shop", "ann", "bob")]
    for minute, guest in enumerate(guests):
        order_id = world.orders(guest, f"2026-03-02 13:0{minute}")
        world.at(f"2026-03-02 13:1{minute}")
        done = {"status": "completed", "completed_at": world.clock.now()}
        world.database.collection("orders").update_one(
            {"_id": order_id}, {"$set": {**done, "is_test": guest == guests[0]}}
        )
    world.tick("2026-03-02 13:30")
    assert sorted(member_id for member_id, _, _ in world.messages()) == sorted(guests[1:])


def test_a_reported_review_gets_one_message(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "review"}))
    ann = world.guest("ann")
    runs = CampaignRuns(world.database, world.clock)
    review = EventRequest(kind="review", member_id=ann, cause="review-1")
    assert runs.report_event(review) == {"campaigns": 1}
    assert runs.report_event(review) == {"campaigns": 1}
    world.tick("2026-03-02 12:05")
    runs.report_event(review)
    world.tick("2026-03-02 12:10")
    assert world.messages() == [(ann, "review-1", "03-02 12:05")]


def test_rain_at_the_usual_store_gets_a_message(world: CampaignWorld) -> None:
    here, there = world.guest("here"), world.guest("there")
    world.orders(here, "2026-03-02 12:00", store_id="jingan")
    world.orders(there, "2026-03-02 12:00", store_id="xujiahui")
    for store in ("xujiahui", "wujiaochang"):
        world.database.collection("stores").update_one({"_id": store}, {"$unset": {"place": ""}})
    world.run(campaign(trigger={"kind": "weather", "weather": "rain"}))
    world.weather = [Forecast("2026-03-03", 9.5, 20, 10), Forecast("2026-03-04", 10.0, 20, 10)]
    world.tick_through("2026-03-05 12:00")
    assert times_of(world) == [(here, "03-04 10:00")]


def test_a_weather_run_waits_for_its_forecast_for_six_hours(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00", store_id="jingan")
    world.run(campaign(trigger={"kind": "weather", "weather": "cold", "threshold": 0}))
    world.tick("2026-03-03 10:00")
    world.weather = [Forecast("2026-03-03", 0, 5, -1)]
    world.tick("2026-03-03 12:00")
    assert times_of(world) == [(ann, "03-03 12:00")]
    world.tick("2026-03-04 10:00")
    world.weather = [Forecast("2026-03-04", 0, 5, -9)]
    world.tick("2026-03-04 17:00")
    assert len(world.messages()) == 1


def test_a_member_day_comes_each_week_or_month(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    audience = {"feature": "orders", "at_least": 1}
    world.run(campaign(_id="week", trigger={"kind": "daily", "weekdays": [2]}, audience=audience))
    world.run(
        campaign(_id="month", trigger={"kind": "daily", "month_days": [31]}, audience=audience)
    )
    world.tick_through("2026-05-01 12:00", timedelta(hours=3))
    assert [moment[:5] for _, moment in times_of(world, "month")] == ["03-31", "04-30"]
    assert [moment[:5] for _, moment in times_of(world, "week")] == [
        "03-04",
        "03-11",
        "03-18",
        "03-25",
        "04-01",
        "04-08",
        "04-15",
        "04-22",
        "04-29",
    ]


def test_a_coupon_that_ends_soon_gets_a_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign())  # Its coupon is valid for 30 days from 5 March on.
    world.run(
        campaign(
            _id="ending",
            trigger={"kind": "coupon_expiring", "days": 2},
            variants=[{"message": {"title": "快到期啦", "body": "还有 2 天"}}],
        )
    )
    world.tick_through("2026-04-06 12:00", timedelta(hours=2))
    assert [m for m, *_ in world.messages("ending")] == [ann]
    assert times_of(world, "ending")[0][1].startswith("04-01")


def test_points_that_end_soon_get_a_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "points_expiring"}))
    world.database.collection("accounts").update_one(
        {"_id": ann}, {"$set": {"lots": {"2026-03-31": 9}}}
    )
    world.database.collection("notices").insert_one(
        {
            "_id": f"points-expiring:{ann}:2026-04-01",
            "schema": 1,
            "member_id": ann,
            "kind": "points-expiring",
            "for_day": "2026-04-01",
            "data": {"points": 9},
            "at": world.clock.now(),
        }
    )
    world.tick("2026-03-02 12:05")
    assert world.messages() == [(ann, "2026-04-01", "03-02 12:05")]


def test_a_segment_gets_one_message(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    book = FeatureBook(world.database, world.clock)
    book.tag_members(TagRequest(tag="regulars", add=[ann, bob]))
    book.tag_members(TagRequest(tag="regulars", remove=[bob]))
    world.run(
        campaign(
            trigger={"kind": "segment"},
            valid_from="2026-03-04",
            audience={"feature": "tag", "among": ["regulars"]},
        )
    )
    world.tick_through("2026-03-08 12:00")
    assert world.messages() == [(ann, "once", "03-04 10:00")]


def test_members_named_by_hand_get_one_message_a_batch(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    world.run(campaign(trigger={"kind": "by_hand"}))
    runs = CampaignRuns(world.database, world.clock)
    runs.send_by_hand(
        ByHandRequest(campaign_id="day-3", batch="b1", member_ids=[ann, bob, ann], actor="小王")
    )
    world.tick("2026-03-02 12:05")
    runs.send_by_hand(
        ByHandRequest(campaign_id="day-3", batch="b1", member_ids=[ann], actor="小王")
    )
    world.tick("2026-03-02 12:10")
    assert sorted(m for m, *_ in world.messages()) == sorted([ann, bob])


def test_a_member_near_a_store_gets_a_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.consent(ann, given=True, purpose="precise_location")
    world.run(campaign(trigger={"kind": "near_store"}))
    world.at("2026-03-03 12:00")
    fix = PositionRequest(
        lat=31.2243, lng=121.4468, system="GCJ-02", accuracy_m=10, at=world.clock.now()
    )
    Geofence(world.database, world.clock, "huitou").check_position(ann, fix)
    world.tick("2026-03-03 12:05")
    assert world.messages() == [(ann, "jingan@2026-03-03", "03-03 12:05")]


def test_quiet_hours_are_by_the_clock_of_the_members_store(world: CampaignWorld) -> None:
    hours = [OpeningHours(opens="00:00", closes="00:00")]
    tokyo = Store(id="tokyo", brand_id="huitou", name="东京店", zone="Asia/Tokyo", hours=hours)
    Stores(world.database, world.clock).put_store(tokyo)
    world.database.collection("store_dishes").insert_one(
        {
            "_id": "tokyo:milk-tea",
            "schema": 1,
            "store_id": "tokyo",
            "dish_id": "milk-tea",
            "listed": True,
            "sold_out": False,
        }
    )
    world.database.cache.clear()
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00", store_id="tokyo")
    world.run(campaign(trigger={"kind": "by_hand"}))
    world.at("2026-03-02 20:40")  # 21:40 in Tokyo.
    runs = CampaignRuns(world.database, world.clock)
    runs.send_by_hand(ByHandRequest(campaign_id="day-3", batch="b", member_ids=[ann], actor="x"))
    world.tick_through("2026-03-03 12:00", MINUTES)
    assert world.messages() == [(ann, "b", "03-03 08:00")]  # 09:00 in Tokyo.


def test_a_message_whose_gift_has_run_out_is_withheld(world: CampaignWorld) -> None:
    guests = [world.guest(f"g{n}") for n in range(5)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    scarce = CouponTemplate.model_validate(
        {
            "_id": "scarce",
            "name": "限量券",
            "terms": {"off_fen": 100},
            "valid_days": 3,
            "limits": {"quota": 2},
        }
    )
    Coupons(world.database, world.clock).put_templates([scarce], [])
    variants = [
        {
            "gift": {"kind": "coupon", "template_id": "scarce"},
            "message": {"title": "限量", "body": "送您{gift}"},
        }
    ]
    world.run(campaign(variants=variants))
    world.tick("2026-03-05 10:00")
    assert sum(world.coupons(guest).total() for guest in guests) == 2
    assert sorted(e["delivery"] for e in world.exposures()) == ["done"] * 2 + ["withheld"] * 3


def test_a_gift_of_points_is_given_up_to_the_campaigns_total(world: CampaignWorld) -> None:
    guests = [world.guest(f"g{n}") for n in range(5)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
    before = {guest: world.shop.account(guest)["available"] for guest in guests}
    variants = [
        {
            "gift": {"kind": "points", "points": 20},
            "message": {"title": "积分", "body": "送您{gift}"},
        }
    ]
    world.run(campaign(variants=variants, limits={"total": 3}))
    world.tick("2026-03-05 10:00")
    world.tick("2026-03-05 10:05")
    gained = [world.shop.account(guest)["available"] - before[guest] for guest in guests]
    assert sorted(gained) == [0, 0, 20, 20, 20]
    assert world.shop.differences() == []
    found = CampaignRuns(world.database, world.clock).list_runs(RunsRequest(campaign_id="day-3"))
    counts: dict[str, Any] = found["runs"][0]["counts"]
    assert (counts["a"], counts["over the total"]) == (3, 2)
