"""Pricing bugs of other systems, each tested here on a real database.

A docstring names the system and its issue.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import pytest

from bootstrap import ROOT
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.payments.refunds.models import RefundLine
from huitou.payments.refunds.rules import line_paid_fen, lines_back
from huitou.promotions.offers.models import Offer, StackingRules
from huitou.promotions.offers.service import Offers
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.mongod import Mongod
from watching import watched


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    chain.collection("offers").delete_many({"_id": {"$gt": ""}})
    return Shop(chain, clock)


def offers(shop: Shop, *wanted: dict[str, Any], stacking: dict[str, Any] | None = None) -> None:
    """Store offers; `base` is "list" unless a test gives it."""
    rules = StackingRules.model_validate(stacking) if stacking else None
    made = [
        Offer.model_validate({"name": one["_id"], **one, "terms": {"base": "list", **one["terms"]}})
        for one in wanted
    ]
    Offers(shop.database, shop.clock).put_offers(made, rules)
    shop.database.cache.clear()


def coupon(shop: Shop, member_id: str, cause: str = "c", **more: Any) -> str:
    template = CouponTemplate.model_validate({
        "_id": "t", "name": "满30减8", "valid_days": 7,
        "terms": {"threshold_fen": 3_000, "off_fen": 800}, **more,
    })  # fmt: skip
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    issued = coupons.issue_coupon(template, member_id=member_id, cause=cause)
    assert issued
    return issued.id


def quote(shop: Shop, member_id: str, **cart: Any) -> Any:
    cart = {"store_id": "jingan", "items": [item(2)], **cart}
    return shop.orders.quote_cart(member_id, QuoteRequest.model_validate(cart))


_BUYER = """
import json, sys
from chain_data import FakeClock
from huitou.ordering.orders.models import CreateRequest
from huitou.ordering.orders.service import Orders
from huitou.runtime.database import connect
from huitou.runtime.errors import Refusal
orders = Orders(connect(sys.argv[1], sys.argv[2]), FakeClock(), "huitou")
sys.stdin.readline()
try:
    request = CreateRequest.model_validate(json.loads(sys.argv[4]))
    print(orders.create_order(sys.argv[3], request).id)
except Refusal as refusal:
    print(refusal.code.name)
"""


def test_if_many_processes_use_one_coupon_only_one_order_gets_it(
    shop: Shop, mongod: Mongod
) -> None:
    """Vendure 4660, Saleor 544, Oscar 4612, Shopware 11245, macrozheng/mall 1003.

    In the last one, five orders used the same coupon.
    """
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    paths = os.pathsep.join(str(ROOT / p) for p in ("layers/core", "scripts", "tests/worlds"))
    buyers = []
    for _ in range(5):
        request = shop.request(alice, items=[item(3)], coupon_id=coupon_id)
        buyers.append(subprocess.Popen(
            [sys.executable, "-c", _BUYER, mongod.uri, shop.database.mongo.name, alice,
             request.model_dump_json()],
            env=os.environ | {"PYTHONPATH": paths}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        ))  # fmt: skip
    for buyer in buyers:  # All processes have started and wait for this line.
        assert buyer.stdin
        buyer.stdin.write("go\n")
        buyer.stdin.flush()
    said = [buyer.communicate(timeout=60)[0].strip() for buyer in buyers]
    assert said.count(CouponErrors.COUPON_NOT_USABLE.name) == 4
    assert shop.database.collection("orders").count_documents({"member_id": alice}) == 1
    assert shop.differences() == []


def test_a_late_second_cancel_does_not_release_another_orders_coupon(shop: Shop) -> None:
    """Medusa 16595: nothing guarded the release of a coupon."""
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    first = shop.order(alice, items=[item(3)], coupon_id=coupon_id)
    shop.orders.begin_closing_order(first)
    assert shop.orders.cancel_order(first)
    second = shop.order(alice, items=[item(3)], coupon_id=coupon_id)
    assert not shop.orders.cancel_order(
        first
    )  # This must not release the coupon of the second order.
    (held,) = Coupons(shop.database, shop.clock).find_coupons([coupon_id])
    assert (held.status, held.order_id) == ("locked", second.id)


def test_a_cancelled_order_gives_back_its_coupon_and_its_use_of_an_offer(shop: Shop) -> None:
    """Shopware 8575, Vendure 1466, litemall 397: a cancelled order's discounts were lost."""
    off = {"off_fen": 300}
    offers(shop, {"_id": "once", "group": "reduction", "terms": off, "limits": {"per_member": 1}})
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    order = shop.order(alice, items=[item(3)], coupon_id=coupon_id)
    assert order.payable_fen == 4_500 - 300 - 800
    shop.orders.begin_closing_order(order)
    shop.orders.cancel_order(order)
    assert shop.order(alice, items=[item(3)], coupon_id=coupon_id).payable_fen == 3_400


def test_a_partial_refund_does_not_spread_the_discounts_again(shop: Shop) -> None:
    """Vendure 4811, Odoo 286433. Here each line's share is frozen when the order is made."""
    terms = {"off_fen": 1_000, "threshold_fen": 4_000, "threshold_base": "list"}
    offers(shop, {"_id": "m", "group": "reduction", "terms": terms})
    alice = shop.register()
    cart = [item(2), item(1, "beef-noodles", "s"), item(1, "spring-rolls", "one")]
    order = shop.paid(alice, items=cart)
    paid = [line_paid_fen(order, n) for n in range(3)]
    assert sum(paid) == order.payable_fen == 7_400 - 1_000
    # One line is refunded. The rest is below the threshold, but keeps its share of the discount.
    (back,) = lines_back(order, [RefundLine(line=1, quantity=1)])
    assert back.amount_fen == paid[1]
    shop.refund(order, "R1", back.amount_fen)
    kept = shop.orders.get_order(order.id)
    assert kept.discounts == order.discounts
    assert kept.left_fen == paid[0] + paid[2]


def test_the_order_of_rules_and_rounding_never_change_a_total(shop: Shop) -> None:
    """Medusa 13972. Three other systems price one cart at 13,015, 13,115 and 13,475.015."""
    wanted = [
        {"_id": "a", "group": "activity", "terms": {"kind": "percent_off", "off_bp": 333}},
        {"_id": "b", "group": "activity", "terms": {"kind": "percent_off", "off_bp": 1_250}},
        {"_id": "c", "group": "activity", "terms": {"off_fen": 101}},
        {"_id": "d", "group": "activity",
         "terms": {"kind": "nth_item", "nth": 2, "off_bp": 5_000}},
    ]  # fmt: skip
    alice, totals = shop.register(), set()
    for number, ordered in enumerate(itertools.permutations(wanted), 1):
        offers(shop, *[{**one, "revision": number, "priority": place}
                       for place, one in enumerate(ordered)])  # fmt: skip
        priced = quote(shop, alice, items=[item(3), item(1, "dandan", "s")]).price
        totals.add(priced.payable_fen)
        assert priced.payable_fen == priced.list_fen - sum(d.amount_fen for d in priced.discounts)
        for discount in priced.discounts:
            assert sum(discount.by_line_fen) == discount.amount_fen
    # Of 6,700 fen, 3.33 % is 223.11 and 12.5 % is 837.5. Each is rounded down once.
    assert totals == {6_700 - 223 - 837 - 101 - 750}


def test_a_payable_amount_is_never_below_zero(shop: Shop) -> None:
    """macrozheng/mall 1002: a negative payable was stored."""
    offers(shop, *[{"_id": f"o{n}", "group": "activity", "terms": {"off_fen": 2_000}}
                   for n in range(3)])  # fmt: skip
    alice = shop.register()
    order = shop.order(alice, items=[item(2)])
    assert order.payable_fen == 0
    assert sum(d.amount_fen for d in order.discounts) == 3_000
    assert [line_paid_fen(order, 0)] == [0]


def test_offers_have_priority_and_exclude_each_other(shop: Shop) -> None:
    """Vendure 3585: promotions had no priority and couldn't exclude each other."""
    flash = {"kind": "fixed_price", "price_fen": 1_000, "exclusive": "item",
             "scope": {"dish_ids": ["milk-tea"]}, "most_times": 1}  # fmt: skip
    offers(
        shop,
        {"_id": "flash", "name": "秒杀", "group": "activity", "priority": 9, "terms": flash},
        {"_id": "ten", "group": "member",
         "terms": {"kind": "percent_off", "off_bp": 1_000, "scope": {"dish_ids": ["milk-tea"]}}},
        {"_id": "small", "group": "reduction", "terms": {"off_fen": 100}},
        {"_id": "large", "name": "大减", "group": "reduction",
         "terms": {"off_fen": 300, "threshold_fen": 1_500}},
    )  # fmt: skip
    alice = shop.register()
    one = quote(shop, alice, items=[item(1)]).price
    assert (one.payable_fen, [d.source_id for d in one.discounts]) == (1_000, ["flash"])
    assert {n.source_id: n.what for n in one.not_used} == {
        "ten": "与「秒杀」不可同享", "small": "与「秒杀」不可同享", "large": "还差 ¥15.00",
    }  # fmt: skip
    three = quote(shop, alice, items=[item(3)]).price
    # One piece costs ¥10. The two others get 10 % off, then ¥3 off.
    assert three.payable_fen == 1_000 + 2_700 - 300
    assert {n.source_id: n.what for n in three.not_used} == {"small": "已使用「大减」，不可叠加"}


def test_a_cart_is_priced_with_one_query_for_any_number_of_offers(
    shop: Shop, mongod: Mongod
) -> None:
    """Oscar 3063: pricing one cart took 560 queries."""
    many = [
        {"_id": f"o{n}", "group": "activity",
         "terms": {"kind": "percent_off", "off_bp": 100, "scope": {"dish_ids": ["milk-tea"]}}}
        for n in range(50)
    ]  # fmt: skip
    offers(shop, *many)
    alice = shop.register()
    for n in range(8):
        coupon(shop, alice, f"c{n}")
    rounds = []
    with watched(mongod.uri, shop.database.name) as (database, commands):
        other = Shop(database, shop.clock)
        for _ in range(5):
            commands.names.clear()
            assert quote(other, alice, coupons="best").price.payable_fen < 3_000
            rounds.append(list(commands.names))
    # What changes rarely is cached for seconds; a busy machine may read it anew in some rounds.
    assert ["aggregate"] in rounds


def test_a_coupon_is_usable_to_the_end_of_its_last_day_in_the_stores_zone(shop: Shop) -> None:
    """mitxpro 991: by the server's clock, a coupon ended a day early."""
    store = shop.database.collection("stores").find_one({"_id": "jingan"})
    assert store
    store = {k: v for k, v in store.items() if k != "schema"} | {"_id": "london"}
    Maintenance(shop.database, shop.clock).load_chain(LoadRequest.model_validate({
        "stores": [{**store, "zone": "Europe/London"}],
        "store_dishes": [{"_id": "london:milk-tea", "store_id": "london", "dish_id": "milk-tea"}],
    }))  # fmt: skip
    alice = shop.register()
    coupon_id = coupon(shop, alice)  # Issued on 2 March for seven days, so 8 March is the last.
    cart: dict[str, Any] = {"items": [item(3)], "coupon_id": coupon_id}
    shop.clock.moment = shop.clock.moment.replace(day=8, hour=19, minute=59)  # 03:59 in Shanghai.
    assert shop.request(alice, **cart)
    shop.clock.advance(minutes=1)
    with pytest.raises(Refusal):
        shop.request(alice, **cart)
    shop.clock.advance(hours=7)  # 03:00 on the 9th in London, where the day ends at 04:00.
    assert Coupons(shop.database, shop.clock).expire_coupons() == 0
    assert shop.order(alice, store_id="london", **cart).coupon_ids == [coupon_id]
    other = coupon(shop, alice, "d", valid_until="2026-03-09", revision=2, valid_days=None)
    shop.clock.advance(hours=25, minutes=1)
    with pytest.raises(Refusal):
        shop.request(alice, store_id="london", items=[item(3)], coupon_id=other)
    assert Coupons(shop.database, shop.clock).expire_coupons() == 1


def test_several_coupons_can_be_combined_if_the_tree_allows_it(shop: Shop) -> None:
    alice = shop.register()
    both = [coupon(shop, alice, cause) for cause in ("a", "b")]
    with pytest.raises(Refusal) as refused:
        shop.request(alice, items=[item(9)], coupon_ids=both)
    assert (refused.value.code, refused.value.detail) == (
        CouponErrors.COUPON_NOT_USABLE,
        "不可叠加使用",
    )
    offers(shop, stacking={"revision": 2, "groups": [
        {"group": "activity"}, {"group": "member", "mode": "best", "per": "item"},
        {"group": "reduction", "mode": "best"}, {"group": "coupon", "most": 2},
    ]})  # fmt: skip
    order = shop.order(alice, items=[item(9)], coupon_ids=both)
    assert (order.payable_fen, order.coupon_ids) == (13_500 - 1_600, both)
    assert shop.pay(order)
    assert shop.settlement.settle_order(order.id) == "settled"
    used = Coupons(shop.database, shop.clock).find_coupons(both)
    assert {(c.status, c.order_id) for c in used} == {("redeemed", order.id)}
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    assert {c.status for c in Coupons(shop.database, shop.clock).find_coupons(both)} == {"issued"}
    assert shop.differences() == []


def test_an_order_is_explained_by_the_rules_of_the_time_when_it_was_made(shop: Shop) -> None:
    offers(shop, {"_id": "o", "group": "reduction", "terms": {"off_fen": 300}})
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    order = shop.order(alice, items=[item(3)], coupon_id=coupon_id)
    offers(shop, {"_id": "o", "revision": 2, "group": "reduction", "paused": True,
                  "terms": {"off_fen": 900}})  # fmt: skip
    coupon(shop, alice, "d", revision=2, terms={"off_fen": 1})
    answer = shop.orders.explain_price(order.id)
    assert answer.same
    assert answer.again
    assert answer.again.payable_fen == order.payable_fen == 4_500 - 300 - 800
    assert [offer.revision for offer in answer.inputs.offers] == [1]  # type: ignore[union-attr]
    assert shop.request(alice, items=[item(3)]).payable_fen == 4_500


def test_a_quote_names_the_best_coupon_and_the_next_step(shop: Shop) -> None:
    offers(shop, {"_id": "m", "group": "reduction", "terms": {
        "off_fen": 800, "threshold_fen": 3_450, "threshold_base": "list"}})  # fmt: skip
    alice = shop.register()
    better = coupon(shop, alice, "a", terms={"threshold_fen": 2_000, "off_fen": 500})
    coupon(shop, alice, "b", revision=2, terms={"threshold_fen": 2_000, "off_fen": 499})
    answer = quote(shop, alice, coupons="best")
    assert (answer.payable_fen, answer.best.coupon_ids) == (2_500, [better])
    assert [c.why_not for c in answer.coupons] == [None, None]  # Both coupons fit the cart.
    assert answer.price.next_step.what == "再买 ¥4.50 可减 ¥8"
    english = shop.orders.quote_cart(
        alice, QuoteRequest.model_validate({"store_id": "jingan", "items": [item(2)]}), "en"
    )
    assert english.price.next_step
    assert english.price.next_step.what == "Add ¥4.50: ¥8 off"


def test_of_thirty_equal_coupons_the_first_to_end_is_used_and_the_price_is_exact(
    shop: Shop,
) -> None:
    alice = shop.register()
    first = coupon(shop, alice, "c0")
    shop.clock.advance(days=1)
    for number in range(1, 30):
        coupon(shop, alice, f"c{number}")
    answer = quote(shop, alice, items=[item(3)], coupons="best")
    assert (answer.best.coupon_ids, answer.best.exact) == ([first], True)
    assert len(answer.coupons) == 30
    assert {c.why_not for c in answer.coupons} == {None}


def test_an_offer_whose_group_is_unknown_is_refused_by_name(shop: Shop) -> None:
    with pytest.raises(Refusal) as refused:
        offers(shop, {"_id": "o", "group": "nowhere", "terms": {"off_fen": 300}})
    assert refused.value.field == "offers.o.group"
    loose = {"_id": "t", "name": "t", "valid_days": 1, "group": "nowhere", "terms": {"off_fen": 1}}
    with pytest.raises(Refusal) as refused:
        Maintenance(shop.database, shop.clock).load_chain(
            LoadRequest.model_validate({"coupon_templates": [loose]})
        )
    assert refused.value.field == "coupon_templates.t.group"


def test_a_new_tree_without_the_group_of_an_offer_in_force_is_refused(shop: Shop) -> None:
    offers(shop, {"_id": "o", "group": "reduction", "terms": {"off_fen": 300}})
    smaller = {"revision": 2, "groups": [{"group": "member"}, {"group": "coupon"}]}
    with pytest.raises(Refusal) as refused:
        offers(shop, stacking=smaller)
    assert refused.value.field == "stacking_rules.groups (o)"
    offers(shop, {"_id": "o", "revision": 2, "group": "coupon", "terms": {"off_fen": 300}},
           stacking=smaller)  # fmt: skip


def test_a_delivery_fee_and_its_discount_are_separate_from_the_dishes(shop: Shop) -> None:
    found = shop.database.collection("stores").find_one({"_id": "jingan"})
    assert found
    store = {k: v for k, v in found.items() if k != "schema"} | {"delivery_fee_fen": 600}
    Maintenance(shop.database, shop.clock).load_chain(
        LoadRequest.model_validate({"stores": [store]})
    )
    offers(shop, {"_id": "d", "group": "delivery", "terms": {
        "kind": "delivery", "threshold_fen": 4_000, "threshold_base": "list"}})  # fmt: skip
    shop.database.cache.clear()
    alice = shop.register()
    home = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}
    few = shop.order(alice, items=[item(2)], mode="delivery", delivery=home)
    many = shop.order(alice, items=[item(3)], mode="delivery", delivery=home)
    assert (few.delivery_fen, few.payable_fen) == (600, 3_600)
    assert (many.delivery_fen, many.payable_fen) == (600, 4_500)
    assert shop.order(alice, items=[item(2)]).payable_fen == 3_000
