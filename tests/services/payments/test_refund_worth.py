"""A refund brings back points and coupons too: they count in the limits of who refunds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets
from paying import PayingShop


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    shop = PayingShop(chain, clock, keys, tmp_path)
    rules = {"_id": "refunds", "schema": 1, "revision": 9, "cashier_day_limit_fen": 4_000}
    chain.collection("rules").replace_one({"_id": "refunds"}, rules, upsert=True)
    return shop


def free_order(shop: PayingShop, number: int) -> Order:
    """Return an order of ¥15 that a coupon has paid for."""
    terms = {"kind": "exchange", "scope": {"dish_ids": ["milk-tea"]}}
    template = CouponTemplate.model_validate(
        {"_id": "free-tea", "name": "兑换券", "valid_days": 7, "terms": terms}
    )
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    alice = shop.register()
    coupon = coupons.issue_coupon(template, member_id=alice, cause=f"c{number}")
    assert coupon
    order = shop.order(alice, items=[item()], coupon_ids=[coupon.id])
    assert order.payable_fen == 0
    shop.payments.prepay_order(alice, Caller("alice", shop.keys.appid), order.id)
    return shop.orders.get_order(order.id)


def test_refunds_of_orders_that_coupons_paid_keep_to_the_limit_of_the_day(
    shop: PayingShop,
) -> None:
    """Order with a coupon, take the tea, refund 0 fen, order with the same coupon: no limit."""
    orders = [free_order(shop, number) for number in range(3)]
    calls: list[Any] = [
        lambda n=n, o=order: shop.give_back(o.id, f"R1000{n}", actor="carl", role="cashier")
        for n, order in enumerate(orders)
    ]
    results = winners(at_once([*calls, *calls]))
    waiting = {refund.id for refund in results if refund.status == "awaiting_approval"}
    assert len(waiting) == 1
    assert len({refund.id for refund in results}) == 3
    shop.clock.advance(days=1)
    order = free_order(shop, 9)
    other_day = shop.give_back(order.id, "R20000", actor="carl", role="cashier")
    assert other_day.status != "awaiting_approval"


def test_approving_a_refund_of_an_order_that_a_coupon_paid_counts_what_comes_back(
    shop: PayingShop,
) -> None:
    asked = []
    for number in range(3):
        order = free_order(shop, number)
        asked.append(
            shop.refunds.ask_refund(order, AskRefundRequest(order_id=order.id, reason="x"))
        )
    decisions = [
        DecideRefundRequest(refund_id=one.id, approve=True, actor="carl", role="cashier")
        for one in asked
    ]
    results = at_once([lambda d=one: shop.refunds.decide_refund(d) for one in decisions])
    refused = [one.code.name for one in results if isinstance(one, Refusal)]
    assert refused == ["REFUND_OVER_LIMIT"]
