"""What orders earn, by tables of examples, and how many points an order may use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from huitou.loyalty.earning.models import EarningRule, EarningTerms
from huitou.loyalty.earning.rules import (
    Purchase,
    asks_birthday,
    awarded,
    expires_after,
    history_terms,
    kept,
    points_back,
    terms_for,
    usable_from,
    whole_award,
)
from huitou.loyalty.points.models import NEVER, ON_COMPLETION, Caps, Expiry, PointsRules, Usable
from huitou.loyalty.tiers.models import Level
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.models import LineBack, PendingRefund
from huitou.ordering.orders.rules import check_points, most_points
from huitou.promotions.discounts.models import Discount, Line
from huitou.runtime.errors import Refusal

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # Monday 12:00 in Shanghai.
BASIC = Level(level="basic", name="普通", spend_fen=0)


def rule(identity: str, **more: Any) -> EarningRule:
    kind = "bonus" if "event" in more else "multiplier"
    return EarningRule.model_validate({"_id": identity, "name": identity, "kind": kind} | more)


def line(fen: int, dish: str = "tea", category: str = "drinks") -> Line:
    return Line(
        dish_id=dish,
        sku_id="m",
        name=dish,
        sku_name="m",
        category=category,
        methods=[],
        addons=[],
        quantity=1,
        unit_fen=fen,
        list_fen=fen,
    )


def discount(kind: str, *by_line: int) -> Discount:
    return Discount.model_validate(
        {
            "kind": kind,
            "source_id": kind,
            "revision": 1,
            "amount_fen": sum(by_line),
            "by_line_fen": list(by_line),
        }
    )


def purchase(*lines: Line, **more: Any) -> Purchase:
    fields: dict[str, Any] = {
        "lines": lines or (line(1_000),),
        "discounts": (),
        "store_id": "jingan",
        "zone": "Asia/Shanghai",
        "business_day": "2026-03-02",
        "at": NOON,
    }
    return Purchase(**fields | more)


def terms(*rules: EarningRule, **more: Any) -> EarningTerms:
    bought = more.pop("bought", purchase())
    points = more.pop("points", PointsRules())
    return terms_for(points, rules, bought, more.pop("level", BASIC), 1, **more)


def multiplier_bp(condition: dict[str, Any], **more: Any) -> int:
    """Return the multiplier of one line of 1,000 fen under a ×2 rule with this condition."""
    [weight] = terms(rule("twice", multiplier_bp=20_000, **condition), **more).weights
    return weight // 1_000


def money(fen: int) -> PendingRefund:
    return PendingRefund(refund_id="r", amount_fen=fen)


def piece(number: int, fen: int) -> PendingRefund:
    back = LineBack(line=number, quantity=1, amount_fen=fen)
    return PendingRefund(refund_id="r", amount_fen=fen, lines=[back])


def test_without_promotions_all_that_was_paid_counts_once() -> None:
    bought = purchase(
        line(1_000),
        line(500),
        discounts=[discount("tier", 100, 50), discount("coupon", 200, 100)],
    )
    found = terms(bought=bought)
    assert found.weights == [700 * 10_000, 350 * 10_000]
    assert awarded(found, 1_050) == 10


def test_multipliers_of_one_dish_add_up_and_the_terms_name_their_revisions() -> None:
    found = terms(
        rule("monday", multiplier_bp=20_000, weekdays=[0], revision=3),
        rule("tea", multiplier_bp=15_000, dish_ids=["tea"], revision=7),
        rule("cake", multiplier_bp=30_000, dish_ids=["cake"]),
        bought=purchase(line(1_000), line(1_000, "soup")),
    )
    assert found.weights == [25_000 * 1_000, 20_000 * 1_000]
    assert [(ref.rule_id, ref.revision) for ref in found.rules] == [("monday", 3), ("tea", 7)]


def test_a_tiers_own_multiplier_and_rate_count_too() -> None:
    class Multiplied(Level):
        points_multiplier_bp: int = 15_000

    gold = Multiplied(level="gold", name="黄金", spend_fen=0)
    points = PointsRules(fen_per_point=100, fen_per_point_by_tier={"gold": 50})
    found = terms(rule("twice", multiplier_bp=20_000), level=gold, points=points)
    assert (found.weights, found.fen_per_point) == ([25_000 * 1_000], 50)
    assert terms(points=points).fen_per_point == 100


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({}, True),
        ({"valid_from": "2026-03-02"}, True),
        ({"valid_from": "2026-03-03"}, False),
        ({"valid_until": "2026-03-02"}, True),
        ({"valid_until": "2026-03-01"}, False),
        ({"weekdays": [0]}, True),
        ({"weekdays": [1, 6]}, False),
        ({"hours": [{"since": "12:00", "until": "12:01"}]}, True),
        ({"hours": [{"since": "11:00", "until": "12:00"}]}, False),
        ({"hours": [{"since": "22:00", "until": "02:00"}]}, False),
        ({"hours": [{"since": "22:00", "until": "02:00"}, {"since": "11:30", "until": "13:00"}]},
         True),
        ({"hours": [{"since": "09:00", "until": "09:00"}]}, True),
        ({"store_ids": ["jingan"]}, True),
        ({"store_ids": ["xujiahui"]}, False),
        ({"tiers": ["basic", "gold"]}, True),
        ({"tiers": ["gold"]}, False),
        ({"dish_ids": ["tea"]}, True),
        ({"dish_ids": ["soup"]}, False),
        ({"categories": ["drinks"]}, True),
        ({"categories": ["soups"]}, False),
        ({"dish_ids": ["soup"], "categories": ["drinks"]}, True),
        ({"weekdays": [0], "tiers": ["gold"]}, False),
    ],
)  # fmt: skip
def test_every_condition_of_a_rule_must_be_met(condition: dict[str, Any], met: bool) -> None:
    assert multiplier_bp(condition) == (20_000 if met else 10_000)


@pytest.mark.parametrize(
    ("at", "day", "met"),
    [
        (datetime(2026, 3, 6, 17, 30, tzinfo=UTC), "2026-03-06", True),  # Saturday 01:30.
        (datetime(2026, 3, 6, 14, 0, tzinfo=UTC), "2026-03-06", True),  # Friday 22:00.
        (datetime(2026, 3, 6, 18, 0, tzinfo=UTC), "2026-03-06", False),  # 02:00: too late.
        (datetime(2026, 3, 6, 13, 59, tzinfo=UTC), "2026-03-06", False),  # 21:59: too early.
        (datetime(2026, 3, 5, 17, 30, tzinfo=UTC), "2026-03-05", False),  # Thursday's supper.
    ],
)
def test_supper_after_midnight_counts_for_the_weekday_of_the_evening(
    at: datetime, day: str, met: bool
) -> None:
    friday_supper = {"weekdays": [4], "hours": [{"since": "22:00", "until": "02:00"}]}
    found = multiplier_bp(friday_supper, bought=purchase(at=at, business_day=day))
    assert found == (20_000 if met else 10_000)


def test_hours_are_compared_in_the_stores_own_zone() -> None:
    lunch = {"hours": [{"since": "12:00", "until": "13:00"}]}
    assert multiplier_bp(lunch, bought=purchase(zone="Asia/Tokyo")) == 10_000
    assert multiplier_bp(lunch, bought=purchase(zone="Asia/Urumqi")) == 10_000
    assert multiplier_bp(lunch, bought=purchase(zone="Asia/Hong_Kong")) == 20_000


@pytest.mark.parametrize(
    ("asks", "born", "day", "met"),
    [
        ("day", date(1990, 3, 2), "2026-03-02", True),
        ("day", date(1990, 3, 3), "2026-03-02", False),
        ("month", date(1990, 3, 31), "2026-03-02", True),
        ("month", date(1990, 4, 2), "2026-03-02", False),
        ("day", None, "2026-03-02", False),
        ("month", None, "2026-03-02", False),
        ("day", date(2000, 2, 29), "2026-02-28", True),
        ("day", date(2000, 2, 29), "2028-02-28", False),
        ("day", date(2000, 2, 29), "2028-02-29", True),
        ("day", date(2000, 2, 29), "2026-03-01", False),
    ],
)
def test_a_birthday_rule_applies_on_the_day_or_in_the_month(
    asks: str, born: date | None, day: str, met: bool
) -> None:
    found = multiplier_bp({"birthday": asks}, bought=purchase(business_day=day), birthday=born)
    assert found == (20_000 if met else 10_000)


def test_the_birthday_is_read_only_if_a_rule_in_force_depends_on_it() -> None:
    over = rule("over", multiplier_bp=20_000, birthday="day", valid_until="2026-03-01")
    assert not asks_birthday([over, rule("any", multiplier_bp=20_000)], "2026-03-02")
    assert asks_birthday([over], "2026-03-01")


@pytest.mark.parametrize(
    ("counts", "weight_fen"),
    [
        ({}, 600),
        ({"counts_coupon_part": True}, 800),
        ({"counts_points_part": True}, 700),
        ({"counts_coupon_part": True, "counts_points_part": True}, 900),
        ({"excluded_categories": ["drinks"]}, 0),
        ({"excluded_dish_ids": ["tea"], "counts_coupon_part": True}, 0),
    ],
)
def test_excluded_and_discounted_parts_of_a_line_do_not_count(
    counts: dict[str, Any], weight_fen: int
) -> None:
    off = [discount("tier", 100), discount("coupon", 200), discount("points", 100)]
    found = terms(points=PointsRules(**counts), bought=purchase(line(1_000), discounts=off))
    assert found.weights == [weight_fen * 10_000]


def test_a_rule_that_multiplied_nothing_is_not_in_the_terms() -> None:
    points = PointsRules(excluded_dish_ids=["tea"])
    assert terms(rule("twice", multiplier_bp=20_000), points=points).rules == []


def test_the_terms_hold_the_first_order_bonuses_whose_conditions_are_met() -> None:
    found = terms(
        rule("hello", event="first_order", points=50, revision=2),
        rule("gold", event="first_order", points=60, tiers=["gold"]),
        rule("soup", event="first_order", points=70, dish_ids=["soup"]),
        rule("review", event="review", points=80),
    )
    assert [(b.rule_id, b.revision, b.points) for b in found.first_order] == [("hello", 2, 50)]
    assert found.weights == [1_000 * 10_000]


@pytest.mark.parametrize(
    ("expiry", "day", "last"),
    [
        (Expiry(), "2026-01-01", "2027-12-31"),
        (Expiry(), "2026-12-31", "2027-12-31"),
        (Expiry(kind="never"), "2026-03-02", NEVER),
        (Expiry(kind="rolling_months", months=12), "2026-03-02", "2027-03-02"),
        (Expiry(kind="rolling_months", months=1), "2026-01-31", "2026-02-28"),
        (Expiry(kind="rolling_months", months=1), "2028-01-31", "2028-02-29"),
        (Expiry(kind="rolling_months", months=12), "2028-02-29", "2029-02-28"),
        (Expiry(kind="rolling_months", months=36), "2026-12-15", "2029-12-15"),
        (Expiry(kind="rolling_months", months=1), "2026-12-31", "2027-01-31"),
    ],
)
def test_each_expiry_kind_has_its_last_day(expiry: Expiry, day: str, last: str) -> None:
    assert expires_after(expiry, day) == last
    assert (
        terms(points=PointsRules(expiry=expiry), bought=purchase(business_day=day)).expires_on
        == last
    )


@pytest.mark.parametrize(
    ("usable", "first"),
    [
        (Usable(), None),
        (Usable(kind="after_days", days=7), "2026-03-09"),
        (Usable(kind="after_days", days=30), "2026-04-01"),
        (Usable(kind="on_completion"), ON_COMPLETION),
    ],
)
def test_points_become_usable_at_once_after_days_or_on_completion(
    usable: Usable, first: str | None
) -> None:
    assert usable_from(usable, "2026-03-02") == first
    assert terms(points=PointsRules(usable=usable)).usable == first


def test_imported_orders_earn_at_todays_rate_without_promotions_caps_or_waiting() -> None:
    points = PointsRules(
        revision=4,
        fen_per_point=50,
        usable=Usable(kind="on_completion"),
        caps=Caps(order_points=1, day_points=1),
    )
    found = history_terms(points, BASIC, 2, "2023-05-01", earns=True)
    assert (found.weights, found.usable, found.day_points) == ([], None, None)
    assert (found.expires_on, found.points_rules_revision) == ("2024-12-31", 4)
    assert awarded(found, 10_000) == 200
    spend_only = history_terms(points, BASIC, 2, "2023-05-01", earns=False)
    assert awarded(spend_only, 10_000) == 0
    assert kept(spend_only, [], 10_000, 0, [money(5_000)]) == 0


def test_a_cap_cuts_an_award_and_refunds_reduce_the_rest_in_proportion() -> None:
    capped = terms(points=PointsRules(caps=Caps(order_points=6)))
    assert whole_award(capped, 1_000) == 6
    assert awarded(capped, 1_000) == 6
    assert awarded(capped, 1_000, room=4) == 4
    assert awarded(capped, 1_000, room=-3) == 0
    assert kept(capped, [1_000], 1_000, 4, [money(500)]) == 2
    assert kept(capped, [1_000], 1_000, 6, [money(500)]) == 3


def test_refunding_a_line_at_three_times_takes_back_more_than_a_line_at_once() -> None:
    found = terms(
        rule("cake", multiplier_bp=30_000, dish_ids=["cake"]),
        bought=purchase(line(1_000), line(1_000, "cake")),
    )
    given = awarded(found, 2_000)
    plain = kept(found, [1_000, 1_000], 2_000, given, [piece(0, 1_000)])
    tripled = kept(found, [1_000, 1_000], 2_000, given, [piece(1, 1_000)])
    either = kept(found, [1_000, 1_000], 2_000, given, [money(1_000)])
    assert (given, plain, tripled, either) == (40, 30, 10, 20)


def test_an_order_paid_without_money_keeps_its_points_until_all_of_it_is_refunded() -> None:
    points = PointsRules(counts_coupon_part=True)
    bought = purchase(line(1_000), discounts=[discount("coupon", 900), discount("points", 100)])
    found = terms(points=points, bought=bought)
    assert awarded(found, 0) == 9
    assert kept(found, [0], 0, 9, []) == 9
    assert kept(found, [0], 0, 9, [piece(0, 0)], wholly=True) == 0
    assert points_back(100, 0, 0, wholly=False) == 0
    assert points_back(100, 0, 0, wholly=True) == 100
    assert awarded(terms(bought=bought), 0) == 0  # By default no part of it counts.


@pytest.mark.parametrize(
    "wrong",
    [
        {"multiplier_bp": 10_000},
        {"multiplier_bp": 20_000, "points": 5},
        {"event": "review"},
        {"event": "review", "points": 5, "multiplier_bp": 20_000},
        {"multiplier_bp": 20_000, "weekdays": [7]},
        {"multiplier_bp": 20_000, "hours": [{"since": "24:00", "until": "02:00"}]},
        {"multiplier_bp": 20_000, "valid_from": "2026-03-02", "valid_until": "2026-03-01"},
    ],
)
def test_a_contradictory_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule("wrong", **wrong)


@given(
    st.integers(0, 500), st.integers(0, 10_000), st.integers(0, 100), st.integers(0, 10_000),
    st.integers(0, 600),
)  # fmt: skip
def test_any_number_of_points_between_minimum_and_maximum_may_be_used(
    least: int, available: int, value_fen: int, order_fen: int, wanted: int
) -> None:
    """Odoo 264931: members couldn't choose how many points to use."""
    rules = PointsRules(min_points=least, point_value_fen=value_fen + 1, min_order_fen=3_000)
    most = most_points(rules, available, order_fen)
    assert most == 0 or least <= most <= available
    assert most * rules.point_value_fen <= order_fen * 3 // 10
    assert order_fen >= 3_000 or most == 0
    if wanted == 0 or least <= wanted <= most:
        check_points(rules, wanted, most)
        return
    with pytest.raises(Refusal) as refused:
        check_points(rules, wanted, most)
    assert refused.value.code is (
        OrderErrors.POINTS_OVER_LIMIT if wanted > most else OrderErrors.POINTS_TOO_FEW
    )
