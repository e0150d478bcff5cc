"""Messages that come late: after a night, an outage, or a day full of other messages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from campaign_world import (
    MEMBER_DAY,
    CampaignWorld,
    birthday,
    by_hand,
    campaign,
    skipped,
)
from chain_data import FakeClock, item
from huitou.integrations.weather import Forecast
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.campaigns.triggers import TRIGGERS, TriggerKind
from huitou.marketing.features.models import TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.runs.skipped_service import Skipped
from huitou.members.messaging.models import MessageRules
from huitou.runtime.database import Database

README = Path(__file__).parents[3] / "functions" / "campaign-run" / "README.md"
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    return CampaignWorld(chain, clock)


# --- an occasion is checked again before the message ----------------------------------------------


def test_a_guest_who_ordered_after_the_night_gets_no_message_of_absence(
    world: CampaignWorld,
) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign(send_at="21:00"))
    world.tick("2026-03-05 21:45")  # In the quiet hours: the message waits for the morning.
    assert world.messages() == []
    world.orders(ann, "2026-03-06 08:30")
    world.tick_through("2026-03-06 12:00", FIVE_MINUTES)
    assert world.messages() == [(bob, "2026-03-02", "03-06 09:00")]


def test_a_tier_that_fell_again_in_the_night_gets_no_congratulation(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    world.run(campaign(trigger={"kind": "tier_change", "direction": "up"}))
    world.at("2026-03-02 22:00")
    tiers = Tiers(world.database, world.clock)
    orders = {
        guest: world.orders(guest, "2026-03-02 21:50", items=[item(40)]) for guest in (ann, bob)
    }
    for guest in orders:
        assert tiers.evaluate_member(guest) == "raised"
    world.tick("2026-03-02 22:05")
    world.shop.refund(world.shop.orders.get_order(orders[ann]))
    world.shop.settlement.settle_order(orders[ann])
    assert tiers.evaluate_member(ann) == "lowered"
    world.tick("2026-03-03 09:05")
    assert [member for member, *_ in world.messages()] == [bob]


def test_a_coupon_that_was_used_in_the_night_gets_no_message(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign())
    world.tick("2026-03-05 10:00")  # Their coupons end on 3 April.
    world.stop("day-3")
    message = {"title": "快到期啦", "body": "还有 2 天"}
    world.run(
        campaign(
            _id="ending",
            trigger={"kind": "coupon_expiring", "days": 2},
            send_at="21:00",
            variants=[{"message": message}],
        )
    )
    world.tick("2026-04-01 21:45")
    world.database.collection("coupons").update_one(
        {"member_id": ann}, {"$set": {"status": "redeemed"}}
    )
    world.tick("2026-04-02 09:05")
    assert [member for member, *_ in world.messages("ending")] == [bob]


def test_orders_that_were_refunded_completely_get_no_message(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(_id="how", trigger={"kind": "order_completed", "after_minutes": 60}))
    world.run(campaign(_id="first", trigger={"kind": "first_order", "after_minutes": 60}))
    world.at("2026-03-02 13:00")
    order_id = world.orders(ann, "2026-03-02 13:00")
    world.database.collection("orders").update_one(
        {"_id": order_id}, {"$set": {"completed_at": world.clock.now()}}
    )
    world.tick("2026-03-02 13:30")
    world.shop.refund(world.shop.orders.get_order(order_id))
    world.shop.settlement.settle_order(order_id)
    world.tick_through("2026-03-02 18:00", FIVE_MINUTES)
    assert world.messages() == []
    second = world.orders(ann, "2026-03-02 18:00")
    assert second != order_id
    world.tick_through("2026-03-02 20:00", FIVE_MINUTES)
    # An order that was refunded completely doesn't count: the next one is the first.
    assert [(m, o) for m, o, _ in world.messages("first")] == [(ann, "first-order")]


def test_a_late_run_sees_members_as_they_are_now(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    book = FeatureBook(world.database, world.clock)
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:00")
    book.tag_members(TagRequest(tag="regulars", add=[ann]))
    world.run(campaign(audience={"feature": "tag", "among": ["regulars"]}))
    world.at("2026-03-05 12:00")  # The timer was out at 10:00.
    book.tag_members(TagRequest(tag="regulars", add=[bob], remove=[ann]))
    world.tick()
    assert [member for member, *_ in world.messages()] == [bob]


# --- until when an occasion is worth a message ----------------------------------------------------


def test_birthdays_that_an_outage_missed_get_late_words_for_a_week(world: CampaignWorld) -> None:
    guests = {day: world.guest(f"g{day}", birthday=f"1990-03-{day:02}") for day in (3, 9, 10, 11)}
    world.run(birthday())
    world.tick("2026-03-11 15:00")  # The timer was out since the 2nd; the 3rd is over a week ago.
    titles = {row["member_id"]: row["title"] for row in world.exposures()}
    late = "补祝生日快乐"
    assert titles == {guests[9]: late, guests[10]: late, guests[11]: "生日快乐"}
    assert ("2026-03-03", True, 0) in skipped(world, "birthday")
    assert all(world.coupons(guest)["silver-30-8"] == 1 for guest in titles)


def test_without_late_words_a_birthday_that_is_over_is_skipped_and_reported(
    world: CampaignWorld,
) -> None:
    world.guest("ann", birthday="1990-03-09")
    world.run(birthday(late=False))
    world.tick("2026-03-10 15:00")
    assert world.messages() == []
    assert ("2026-03-09", True, 0) in skipped(world, "birthday")
    assert Skipped(world.database, world.clock).count_skipped_days(7, 50) > 0


def test_a_message_before_a_birthday_is_in_time_until_the_birthday_is_over(
    world: CampaignWorld,
) -> None:
    ann = world.guest("ann", birthday="1990-03-10")
    world.run(birthday(late=False, trigger={"kind": "birthday", "days": 7}))
    world.tick("2026-03-10 15:00")  # It was due on the 3rd.
    assert [member for member, *_ in world.messages()] == [ann]


def test_a_rain_day_gets_no_message_on_the_day_after(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00", store_id="jingan")
    world.run(campaign(trigger={"kind": "weather", "weather": "rain"}))
    world.weather = [Forecast("2026-03-03", 20.0, 20, 10), Forecast("2026-03-04", 0.0, 20, 10)]
    world.tick("2026-03-04 10:00")
    assert world.messages() == []
    assert ("2026-03-03", True, 0) in skipped(world, "day-3")


def test_a_member_day_may_get_its_message_until_the_day_is_over(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign(**MEMBER_DAY))
    world.tick("2026-03-10 20:00")
    assert world.messages() == [(ann, "2026-03-10", "03-10 20:00")]
    world.tick("2026-04-11 09:30")  # The day before is over.
    assert len(world.messages()) == 1
    assert ("2026-04-10", True, 0) in skipped(world, "member-day")


def test_occasions_that_waited_too_long_are_counted_for_operators(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.run(campaign(trigger={"kind": "by_hand"}))
    by_hand(world, ann)
    world.tick("2026-03-10 12:05")  # The timer was out for eight days.
    assert world.messages() == []
    assert skipped(world, "day-3") == [("2026-03-10", False, 1)]


def test_a_day_is_reported_whole_if_the_timer_missed_its_evening(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    world.run(campaign(**MEMBER_DAY, send_at="21:00"))
    world.tick("2026-03-10 21:45")  # In the quiet hours; they end on another day.
    world.tick("2026-03-11 09:05")
    assert world.messages() == []
    assert skipped(world, "member-day")[0] == ("2026-03-10", True, 0)


def test_events_that_an_outage_missed_are_counted_for_operators(world: CampaignWorld) -> None:
    world.run(campaign(trigger={"kind": "registered"}))
    world.tick("2026-03-02 12:05")
    world.at("2026-03-02 13:00")
    world.guest("ann")
    world.at("2026-03-07 13:00")
    bob = world.guest("bob")
    world.tick("2026-03-07 13:05")
    assert [member for member, *_ in world.messages()] == [bob]
    assert skipped(world, "day-3") == [("2026-03-07", False, 1)]


# --- a day that is full of other messages ---------------------------------------------------------


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (95, [("member-day", "03-10 10:00"), ("birthday", "03-11 10:00")]),
        (50, [("birthday", "03-10 10:00")]),  # A member day isn't worth it on the day after.
    ],
)
def test_a_birthday_and_a_member_day_share_a_day_by_priority(
    world: CampaignWorld, priority: int, expected: list[tuple[str, str]]
) -> None:
    """A member gets one message a day. The higher priority goes first, the other one may wait."""
    ann = world.guest("ann", birthday="1990-03-10")
    world.orders(ann, "2026-03-02 12:00")
    world.run(birthday())
    world.run(campaign(**MEMBER_DAY, priority=priority))
    world.tick_through("2026-03-14 12:00")
    moments = [moment for _, _, moment in world.messages()]
    names = [row["campaign_id"] for row in sorted(world.exposures(), key=lambda row: row["at"])]
    assert list(zip(names, moments, strict=True)) == expected
    if priority == 95:
        assert [e["title"] for e in world.exposures(campaign_id="birthday")] == ["补祝生日快乐"]


def test_an_occasion_stops_waiting_when_it_is_no_longer_worth_a_message(
    world: CampaignWorld,
) -> None:
    """Every day of the week is full of another campaign's messages."""
    rules = MessageRules(per_day=1, per_week=7)
    world.database.collection("rules").replace_one(
        {"_id": "messages"}, rules.document(), upsert=True
    )
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    audience = {"feature": "orders", "at_least": 1}
    world.run(campaign(_id="daily", priority=99, trigger={"kind": "daily"}, audience=audience))
    world.run(campaign())
    world.tick_through("2026-03-09 12:00")
    assert {row["campaign_id"] for row in world.exposures()} == {"daily"}
    waiting = world.database.collection("campaign_waiting")
    assert waiting.count_documents({"campaign_id": "day-3"}) == 0


def tick_after(world: CampaignWorld, wall_clock: str) -> None:
    """Let the timer fire as the real one does: some seconds after the minute."""
    world.at(wall_clock)
    world.clock.advance(seconds=50)
    world.tick()


def test_an_occasion_that_full_days_stopped_does_not_count_as_missed(world: CampaignWorld) -> None:
    ann = world.guest("ann")
    world.orders(ann, "2026-03-02 12:00")
    audience = {"feature": "orders", "at_least": 1}
    world.run(
        campaign(
            _id="daily",
            priority=99,
            trigger={"kind": "daily"},
            audience=audience,
            valid_from="2026-03-05",
            valid_until="2026-03-06",
        )
    )
    world.run(campaign())
    for day in range(3, 9):
        for hour in (10, 11, 12):
            tick_after(world, f"2026-03-{day:02} {hour}:00")
    assert skipped(world, "day-3") == []


def test_a_supper_that_is_full_after_midnight_waits_for_the_next_evening(
    world: CampaignWorld,
) -> None:
    ann = world.guest("ann")
    for evening in ("2026-03-02 22:00", "2026-03-03 22:00"):
        world.orders(ann, evening)
    world.run(campaign(_id="by-hand", trigger={"kind": "by_hand"}, priority=90))
    world.run(
        campaign(
            audience={"feature": "night_guest", "is_so": True},
            send_at="21:30",
            window={"since": "21:00", "until": "03:00"},
        )
    )
    world.at("2026-03-06 12:00")
    by_hand(world, ann, "by-hand")
    world.tick("2026-03-06 12:05")  # The one message of the 6th; that business day ends at 04:00.
    for at in ("03-07 00:30", "03-07 12:00", "03-07 21:30", "03-07 22:00"):
        tick_after(world, f"2026-{at}")
    assert world.messages("day-3") == [(ann, "2026-03-03", "03-07 21:30")]


# --- the table of triggers ------------------------------------------------------------------------


def lateness(kind: TriggerKind) -> str:
    """Return the words by which the README says how late a trigger may be."""
    if not kind.late:
        return "at once or not at all"
    for unit, name in (
        (timedelta(days=1), "day"),
        (timedelta(hours=1), "hour"),
        (timedelta(minutes=1), "minute"),
    ):
        if kind.late % unit == timedelta(0):
            count = kind.late // unit
            return f"up to {count} {name}{'s' * (count > 1)} late"
    raise AssertionError(kind)


def test_the_readme_says_of_each_trigger_how_late_its_message_may_be() -> None:
    said = dict(
        line.strip("| ").split("` | ")
        for line in README.read_text("utf-8").splitlines()
        if line.startswith("| `") and "` | internal" not in line and "* * *" not in line
    )
    said = {name.strip("`"): words for name, words in said.items()}
    assert set(said) == set(TRIGGERS)
    for name, kind in TRIGGERS.items():
        if name == "birthday":
            assert kind.own_words == timedelta(days=7)
            assert said[name].startswith("until the birthday is over; up to 7 days after it")
        elif name == "daily":
            assert (kind.of_a_day, said[name]) == (
                True,
                "until its day is over, or its own window",
            )
        else:
            assert said[name] == lateness(kind) + ", on its day" * kind.of_a_day
