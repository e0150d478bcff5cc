"""Settlement works exactly once, even if events are lost, doubled or late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from at_once import at_once
from chain_data import NOON, FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.reconciliation.service import Reconciliation
from huitou.ordering.orders.errors import OrderErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from simulation.chain import TIERS


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def test_a_paid_order_earns_once_even_if_many_settle_it_at_once(shop: Shop) -> None:
    alice = shop.register()
    order = shop.order(alice, items=[item(4)])
    shop.pay(order)
    results = at_once([lambda: shop.settlement.settle_order(order.id)] * 8)
    assert sorted(set(results)) == ["nothing due", "settled"]
    assert results.count("settled") == 1
    account = shop.account(alice)
    assert (account["available"], account["spend_by_day"]) == (60, {"2026-03-02": 6_000})
    assert shop.differences() == []


def test_many_orders_of_one_member_settle_at_once_without_losing_a_point(shop: Shop) -> None:
    alice = shop.register()
    orders = [shop.order(alice) for _ in range(12)]
    for order in orders:
        shop.pay(order)
    at_once([lambda o=order: shop.settlement.settle_order(o.id) for order in orders])
    assert shop.account(alice)["available"] == 12 * 15
    assert shop.differences() == []


def test_settling_an_unpaid_or_unknown_order_does_nothing(shop: Shop) -> None:
    order = shop.order(shop.register())
    assert shop.settlement.settle_order(order.id) == "nothing due"
    assert shop.settlement.settle_order("o-forged") == "nothing due"
    assert shop.database.collection("points_entries").count_documents({}) == 0


def test_an_order_earns_by_the_terms_at_its_payment(shop: Shop) -> None:
    alice = shop.register()
    order = shop.order(alice, items=[item(10)])
    shop.pay(order)
    rules = {"_id": "points", "revision": 2, "fen_per_point": 10}
    Maintenance(shop.database, shop.clock).load_chain(
        LoadRequest.model_validate({"points_rules": rules})
    )
    shop.settlement.settle_order(order.id)
    entry = shop.database.collection("points_entries").find_one({"_id": f"earn:{order.id}"})
    assert entry
    assert (entry["points"], entry["rules_revision"]) == (150, 1)


def test_a_refund_takes_back_what_was_earned_and_returns_what_was_spent(shop: Shop) -> None:
    """Odoo 257854, ERPNext 32951: earn, spend, refund must not keep the points."""
    alice = shop.register()
    shop.give_points(alice, 1_000)
    before = shop.account(alice)
    order = shop.paid(alice, items=[item(10)], points=1_000)
    assert shop.account(alice)["available"] == before["available"] - 1_000 + 140
    shop.refund(order)
    results = at_once([lambda: shop.settlement.settle_order(order.id)] * 4)
    assert results.count("settled") == 1
    after = shop.account(alice)
    assert (after["available"], after["reserved"]) == (before["available"], 0)
    assert after["spend_by_day"] == before["spend_by_day"]
    assert shop.differences() == []


def test_a_refund_returns_used_points_before_it_takes_earned_points_back(shop: Shop) -> None:
    """So the claw-back can take the returned points first, and the member gets no debt."""
    alice = shop.register()
    shop.give_points(alice, 1_000)
    order = shop.paid(alice, items=[item(99)], points=1_485)
    earned = shop.account(alice)["available"]
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    found = shop.database.collection("points_entries").find({"order_id": order.id})
    entries = {entry["kind"]: entry for entry in found}
    assert entries["return"]["number"] + 1 == entries["claw-back"]["number"]
    assert (entries["return"]["points"], entries["claw-back"]["points"]) == (1_485, -earned)
    assert (shop.account(alice)["available"], shop.account(alice).get("debt", 0)) == (1_485, 0)


def test_the_order_after_a_fully_refunded_first_order_is_the_first(shop: Shop) -> None:
    alice = shop.register()
    first = shop.paid(alice)
    assert shop.account(alice)["first_order_id"] == first.id
    assert not shop.order(alice).priced_with.first_order
    shop.refund(first, "half", 500)
    shop.settlement.settle_order(first.id)
    assert shop.account(alice)["first_order_id"] == first.id
    shop.refund(first)
    shop.settlement.settle_order(first.id)
    assert shop.account(alice).get("first_order_id") is None
    assert shop.order(alice).priced_with.first_order
    second = shop.paid(alice)
    assert shop.account(alice)["first_order_id"] == second.id
    assert shop.differences() == []


def test_a_refund_before_the_first_settlement_posts_earn_and_claw_back(shop: Shop) -> None:
    alice = shop.register()
    order = shop.order(alice, items=[item(3)])
    shop.pay(order)
    shop.refund(order)
    assert shop.settlement.settle_order(order.id) == "settled"
    kinds = {e["kind"] for e in shop.database.collection("points_entries").find({})}
    assert kinds == {"earn", "claw-back"}
    assert shop.account(alice)["available"] == 0


def test_a_settlement_during_a_refund_leaves_the_ledger_right(shop: Shop) -> None:
    alice = shop.register()
    for _ in range(6):
        order = shop.order(alice, items=[item(3)])
        shop.pay(order)
        at_once(
            [
                lambda o=order: shop.settlement.settle_order(o.id),
                lambda o=order: shop.refund(o),
                lambda o=order: shop.settlement.settle_order(o.id),
            ]
        )
        for due in shop.settlement.due_orders():
            shop.settlement.settle_order(due)
    assert shop.account(alice)["available"] == 0
    assert shop.differences() == []


def test_points_spent_before_a_refund_become_a_debt_that_the_next_order_repays(shop: Shop) -> None:
    alice = shop.register()
    earned = shop.paid(alice, items=[item(20)])
    shop.paid(alice, items=[item(10)], points=300)
    shop.refund(earned)
    shop.settlement.settle_order(earned.id)
    assert shop.account(alice)["available"] == 300 - 300 + 147 - 300
    with pytest.raises(Refusal) as refused:
        shop.request(alice, points=1)
    assert refused.value.code is OrderErrors.POINTS_OVER_LIMIT
    shop.paid(alice, items=[item(20)])
    assert shop.account(alice)["available"] == 147 - 300 + 300
    assert shop.differences() == []


def coupon_of(shop: Shop, member_id: str, cause: str) -> str:
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template = CouponTemplate.model_validate(found)
    issued = Coupons(shop.database, shop.clock).issue_coupon(
        template, member_id=member_id, cause=cause
    )
    assert issued
    return issued.id


def test_a_coupon_is_redeemed_with_its_order_and_returned_by_a_full_refund(shop: Shop) -> None:
    alice = shop.register()
    coupon_id = coupon_of(shop, alice, "test")
    order = shop.paid(alice, items=[item(3)], coupon_id=coupon_id)
    assert Coupons(shop.database, shop.clock).find_coupons([coupon_id])[0].status == "redeemed"
    shop.clock.advance(days=40)  # The coupon has expired meanwhile and gets 24 hours more.
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    returned = Coupons(shop.database, shop.clock).find_coupons([coupon_id])[0]
    assert (returned.status, returned.order_id) == ("issued", None)
    assert returned.valid_until == shop.clock.now() + timedelta(hours=24)
    assert shop.differences() == []


def test_spending_500_yuan_raises_to_silver_with_a_coupon_and_a_discount(shop: Shop) -> None:
    alice = shop.register()
    tiers, granting = Tiers(shop.database, shop.clock), TierCoupons(shop.database, shop.clock)
    shop.paid(alice, items=[item(33)])  # ¥495
    assert tiers.evaluate_member(alice) == "unchanged"
    shop.paid(alice, items=[item(1)])
    assert list(tiers.due_reviews()) == [alice]
    assert at_once([lambda: tiers.evaluate_member(alice)] * 4).count("raised") == 1
    assert list(granting.due_entry_coupons()) == [alice]
    results = at_once([lambda: granting.grant_entry_coupons(alice)] * 4)
    assert results.count("issued") == 1
    assert list(granting.due_entry_coupons()) == []
    assert shop.database.collection("coupons").count_documents({"member_id": alice}) == 1
    assert shop.request(alice, items=[item(10)]).payable_fen == 13_500


def test_a_tier_lost_by_a_refund_and_reached_again_grants_no_second_coupon(shop: Shop) -> None:
    alice = shop.register()
    tiers, granting = Tiers(shop.database, shop.clock), TierCoupons(shop.database, shop.clock)

    def follow() -> str:
        outcome = tiers.evaluate_member(alice)
        for member_id in granting.due_entry_coupons():
            granting.grant_entry_coupons(member_id)
        return outcome

    order = shop.paid(alice, items=[item(40)])
    assert follow() == "raised"
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    assert follow() == "lowered"
    shop.paid(alice, items=[item(40)])
    assert follow() == "raised"
    assert shop.database.collection("coupons").count_documents({"member_id": alice}) == 1
    changes = [c["after"] for c in shop.database.collection("tier_changes").find({})]
    assert changes == ["silver", "basic", "silver"]


def test_a_tier_is_lowered_when_its_spend_is_too_old_to_count(shop: Shop) -> None:
    alice = shop.register()
    tiers = Tiers(shop.database, shop.clock)
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    shop.clock.advance(days=334)
    assert list(tiers.due_reviews()) == []
    shop.clock.advance(days=1)
    assert list(tiers.due_reviews()) == [alice]
    assert tiers.evaluate_member(alice) == "noticed"  # 30 days before the end of its last day.
    assert list(tiers.due_reviews()) == []
    shop.clock.advance(days=29)
    assert list(tiers.due_reviews()) == []
    shop.clock.advance(days=1)
    assert list(tiers.due_reviews()) == [alice]
    assert tiers.evaluate_member(alice) == "lowered"
    assert list(tiers.due_reviews()) == []


def test_settling_again_after_tier_and_rates_changed_awards_nothing_more(shop: Shop) -> None:
    alice = shop.register()
    order = shop.paid(alice, items=[item(40)])
    Tiers(shop.database, shop.clock).evaluate_member(alice)
    before, entries = shop.account(alice), shop.database.collection("points_entries")
    posted = list(entries.find({}))
    rates = {"_id": "points", "revision": 2, "fen_per_point": 1}
    Maintenance(shop.database, shop.clock).load_chain(
        LoadRequest.model_validate({"tier_rules": {**TIERS, "revision": 2}, "points_rules": rates})
    )
    shop.database.cache.clear()
    shop.database.collection("orders").update_one(
        {"_id": order.id}, {"$set": {"settlement": "due"}}
    )
    assert shop.settlement.settle_order(order.id) == "settled"
    assert shop.account(alice) == before
    assert list(entries.find({})) == posted


def test_a_late_event_after_the_tier_was_lost_grants_nothing(shop: Shop) -> None:
    alice = shop.register()
    tiers, granting = Tiers(shop.database, shop.clock), TierCoupons(shop.database, shop.clock)
    shop.paid(alice, items=[item(40)])
    big = shop.paid(alice, items=[item(99)])
    assert tiers.evaluate_member(alice) == "raised"  # The tier rises to gold at once …
    shop.refund(big)
    shop.settlement.settle_order(big.id)
    assert (
        tiers.evaluate_member(alice) == "lowered"
    )  # … and falls to silver before coupons are granted.
    assert granting.grant_entry_coupons(alice) == "nothing due"
    assert shop.database.collection("coupons").count_documents({}) == 0


def test_an_account_keeps_the_days_that_may_still_count(shop: Shop) -> None:
    alice = shop.register()
    tiers = Tiers(shop.database, shop.clock)
    for ahead in (0, 100, 250, 1_000):
        shop.clock.moment = NOON + timedelta(days=ahead)
        shop.paid(alice)
    tiers.evaluate_member(alice)
    account = shop.account(alice)
    base = (NOON + timedelta(days=1_000 - 373)).date().isoformat()
    assert account["tier_base"] == {"day": base, "revision": 1, "promises": []}
    kept = [(NOON + timedelta(days=ahead)).date().isoformat() for ahead in (250, 1_000)]
    assert sorted(account["spend_by_day"]) == kept
    assert shop.differences() == []


def test_two_editors_of_the_rules_have_one_winner(shop: Shop) -> None:
    def edit(name: str) -> Any:
        levels = [{**TIERS["levels"][0], "name": name}, *TIERS["levels"][1:]]
        rules = {**TIERS, "revision": 2, "levels": levels}
        request = LoadRequest.model_validate({"tier_rules": rules})
        return Maintenance(shop.database, shop.clock).load_chain(request)

    results = at_once([lambda n=n: edit(f"name{n}") for n in range(4)])
    assert sum(not isinstance(result, Refusal) for result in results) == 1


@pytest.mark.parametrize(
    ("collection", "change", "kind"),
    [
        ("accounts", {"$inc": {"available": 1}}, "balance"),
        ("accounts", {"$inc": {"available": -1, "reserved": 1}}, "reserved points"),
        ("accounts", {"$set": {"spend_by_day.2026-03-02": 1}}, "spend by day"),
        ("points_entries", {"$inc": {"points": 1}}, "order's entries"),
        ("orders", {"$set": {"settlement": "due", "settlement_since": 0.0}}, "order not settled"),
        ("orders", {"$set": {"status": "cancelled"}}, "entry for unpaid order"),
        ("coupons", {"$set": {"status": "issued"}}, "coupon"),
    ],
)
def test_reconcile_finds_each_kind_of_difference(
    shop: Shop, collection: str, change: dict[str, Any], kind: str
) -> None:
    alice = shop.register()
    order = shop.paid(alice, items=[item(3)], coupon_id=coupon_of(shop, alice, "x"))
    assert shop.differences() == []
    places = {
        "accounts": {"_id": alice},
        "points_entries": {"order_id": order.id},
        "orders": {"_id": order.id},
        "coupons": {"_id": order.coupon_id},
    }
    assert shop.database.collection(collection).update_one(places[collection], change).matched_count
    assert kind in shop.differences()


def test_reconcile_goes_through_members_range_by_range(shop: Shop) -> None:
    for number in range(5):
        shop.paid(shop.register(f"guest{number}"))
    reconciliation = Reconciliation(shop.database, shop.clock)
    after, pages, orders = None, 0, 0
    while True:
        page = reconciliation.reconcile_page(after, 2)
        pages, orders, after = pages + 1, orders + page["totals"].orders, page["next"]
        if after is None:
            break
    assert (pages, orders) == (3, 5)
