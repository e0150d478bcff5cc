"""Points for events that aren't orders: once, by the rules in force, within the caps."""

from __future__ import annotations

from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from huitou.loyalty.earning.errors import EarningErrors
from huitou.loyalty.earning.models import BonusAnswer, EarningRule
from huitou.loyalty.earning.service import Bonuses, Earning
from huitou.loyalty.points.models import PointsRules
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

REVIEW = {"_id": "review", "name": "评价", "kind": "bonus", "event": "review", "points": 20}
CHECK_IN = REVIEW | {"_id": "check-in", "name": "签到", "event": "check_in", "points": 5}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    chain.collection("earning_rules").delete_many({})  # The sample chain rewards check-ins.
    chain.collection("rule_revisions").delete_many({})
    return Shop(chain, clock)


@pytest.fixture
def bonuses(shop: Shop) -> Bonuses:
    return Bonuses(shop.database, shop.clock)


def put(shop: Shop, *rules: dict[str, Any], **points: Any) -> None:
    for rule in rules:
        Earning(shop.database, shop.clock).put_rule(EarningRule.model_validate(rule))
    if points:
        new = PointsRules.model_validate({"revision": 2, **points})
        Maintenance(shop.database, shop.clock).load_chain(LoadRequest(points_rules=new))
    shop.database.cache.clear()


def outcome_of(answer: BonusAnswer) -> tuple[str, int]:
    return answer.outcome, answer.points


def available(shop: Shop, member_id: str) -> int:
    assert shop.differences() == []
    return int(shop.account(member_id)["available"])


def test_without_a_rule_a_check_in_brings_nothing_and_the_answer_says_so(
    shop: Shop, bonuses: Bonuses
) -> None:
    alice = shop.register()
    answer = bonuses.check_in(alice)
    assert (outcome_of(answer), answer.what) == (("no_rule", 0), "当前没有积分奖励")
    assert bonuses.check_in(alice, "en").what == "There are no points for this at present"
    assert list(shop.database.collection("points_entries").find({})) == []


def test_a_check_in_counts_once_per_business_day_of_the_brand(
    shop: Shop, bonuses: Bonuses, clock: FakeClock
) -> None:
    put(shop, CHECK_IN)
    alice = shop.register()
    first = bonuses.check_in(alice)
    assert (outcome_of(first), first.what) == (("awarded", 5), "获得 5 积分")
    assert outcome_of(bonuses.check_in(alice)) == ("awarded_before", 5)
    clock.advance(hours=15)  # 03:00 still belongs to the evening's business day.
    assert outcome_of(bonuses.check_in(alice)) == ("awarded_before", 5)
    clock.advance(hours=2)
    assert outcome_of(bonuses.check_in(alice)) == ("awarded", 5)
    assert available(shop, alice) == 10
    account = shop.account(alice)
    assert account["points_by_day"] == {"2026-03-02": 5, "2026-03-03": 5}
    entry = shop.database.collection("points_entries").find_one({"member_id": alice, "number": 1})
    assert entry
    assert entry["_id"] == f"bonus:check-in@check-in:{alice}:2026-03-02"
    assert entry["rules"] == [{"rule_id": "check-in", "revision": 1}]
    assert entry["lots"] == [{"expires_on": "2027-12-31", "points": 5}]


def test_a_review_is_rewarded_once_even_if_its_event_is_delivered_again(
    shop: Shop, bonuses: Bonuses
) -> None:
    put(shop, REVIEW, CHECK_IN)
    alice, bob = shop.register(), shop.register("bob")
    assert outcome_of(bonuses.award_bonus(alice, "review", "r1")) == ("awarded", 20)
    assert outcome_of(bonuses.award_bonus(alice, "review", "r1")) == ("awarded_before", 20)
    assert outcome_of(bonuses.award_bonus(alice, "review", "r2")) == ("awarded", 20)
    with pytest.raises(Refusal) as refused:
        bonuses.award_bonus(bob, "review", "r1")
    assert refused.value.code is EarningErrors.CAUSE_REUSED
    with pytest.raises(Refusal, match="NOT_FOUND"):
        bonuses.award_bonus("nobody", "review", "r3")
    assert (available(shop, alice), available(shop, bob)) == (40, 0)


@pytest.mark.parametrize(("condition", "met"), [
    ({"weekdays": [0]}, True),  # 2026-03-02 is a Monday.
    ({"weekdays": [5, 6]}, False),
    ({"hours": [{"since": "11:00", "until": "13:00"}]}, True),
    ({"hours": [{"since": "13:00", "until": "11:00"}]}, False),
    ({"tiers": ["basic"]}, True),
    ({"tiers": ["gold"]}, False),
    ({"birthday": "month"}, True),
    ({"birthday": "day"}, False),
    ({"valid_until": "2026-03-01"}, False),
    ({"valid_from": "2026-03-02", "valid_until": "2026-03-02"}, True),
    ({"dish_ids": ["milk-tea"]}, False),
])  # fmt: skip
def test_a_rule_gives_points_only_if_its_conditions_are_met(
    shop: Shop, bonuses: Bonuses, condition: dict[str, Any], met: bool
) -> None:
    alice = shop.register()
    shop.database.collection("members").update_one(
        {"_id": alice}, {"$set": {"birthday": "1990-03-09"}}
    )
    put(shop, CHECK_IN | condition)
    assert outcome_of(bonuses.check_in(alice)) == (("awarded", 5) if met else ("no_rule", 0))


def test_each_rule_gives_its_bonus_and_a_new_rule_gives_it_later(
    shop: Shop, bonuses: Bonuses
) -> None:
    alice = shop.register()
    put(shop, CHECK_IN, CHECK_IN | {"_id": "monday", "weekdays": [0], "points": 7})
    assert outcome_of(bonuses.check_in(alice)) == ("awarded", 12)
    put(shop, CHECK_IN | {"_id": "noon", "points": 1})
    assert outcome_of(bonuses.check_in(alice)) == ("awarded", 13)
    put(shop, CHECK_IN | {"revision": 2, "points": 50})  # What was given stays as it is.
    assert outcome_of(bonuses.check_in(alice)) == ("awarded_before", 13)
    assert available(shop, alice) == 13


def test_caps_of_day_and_month_cut_bonuses(shop: Shop, bonuses: Bonuses, clock: FakeClock) -> None:
    put(shop, REVIEW, caps={"day_points": 30, "month_points": 45})
    alice = shop.register()
    given = [outcome_of(bonuses.award_bonus(alice, "review", f"r{n}")) for n in range(3)]
    assert given == [("awarded", 20), ("awarded", 10), ("nothing_left", 0)]
    clock.advance(days=1)
    # The event of 0 points was served the day before.
    assert outcome_of(bonuses.award_bonus(alice, "review", "r2")) == ("nothing_left", 0)
    given = [outcome_of(bonuses.award_bonus(alice, "review", f"s{n}")) for n in range(2)]
    assert given == [("awarded", 15), ("nothing_left", 0)]
    assert available(shop, alice) == 45


def test_a_bonus_becomes_usable_and_expires_as_the_points_rules_say(
    shop: Shop, bonuses: Bonuses, clock: FakeClock
) -> None:
    put(
        shop,
        REVIEW,
        usable={"kind": "after_days", "days": 3},
        expiry={"kind": "rolling_months", "months": 1},
    )
    alice = shop.register()
    answer = bonuses.award_bonus(alice, "review", "r1")
    assert (outcome_of(answer), answer.usable) == (("awarded", 20), "2026-03-05")
    assert shop.account(alice)["pending"] == {"2026-03-05|2026-04-02": 20}
    assert available(shop, alice) == 0
    put(shop, revision=3, usable={"kind": "on_completion"})
    answer = bonuses.award_bonus(alice, "review", "r2")  # A review has no order to wait for.
    assert (outcome_of(answer), answer.usable) == (("awarded", 20), None)
    assert available(shop, alice) == 20


def test_a_bonus_repays_debt_first(shop: Shop, bonuses: Bonuses) -> None:
    put(shop, REVIEW)
    alice = shop.register()
    order = shop.paid(alice)
    assert shop.account(alice)["available"] == 15
    shop.paid(alice, points=15)
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    owed = -shop.account(alice)["available"]
    assert outcome_of(bonuses.award_bonus(alice, "review", "r1")) == ("awarded", 20)
    assert available(shop, alice) == 20 - owed


def test_only_one_of_several_simultaneous_check_ins_brings_points(
    shop: Shop, bonuses: Bonuses
) -> None:
    put(shop, CHECK_IN)
    for number in range(3):
        member_id = shop.register(f"m{number}")
        answers = at_once([lambda m=member_id: bonuses.check_in(m)] * 4)
        assert sorted(map(outcome_of, answers)) == [("awarded", 5), *[("awarded_before", 5)] * 3]
        assert available(shop, member_id) == 5


def test_simultaneous_bonuses_and_orders_never_pass_the_cap(shop: Shop, bonuses: Bonuses) -> None:
    put(shop, REVIEW, caps={"day_points": 50})
    alice = shop.register()
    orders = [shop.order(alice) for _ in range(3)]
    for order in orders:
        assert shop.pay(order)
    at_once(
        [
            *[lambda one=order: shop.settlement.settle_order(one.id) for order in orders],
            *[
                lambda n=number: bonuses.award_bonus(alice, "review", f"r{n}")
                for number in range(3)
            ],
        ]
    )
    assert available(shop, alice) == 50


def test_the_sample_chain_rewards_a_check_in(chain: Database, clock: FakeClock) -> None:
    shop = Shop(chain, clock)
    assert outcome_of(Bonuses(chain, clock).check_in(shop.register())) == ("awarded", 5)
