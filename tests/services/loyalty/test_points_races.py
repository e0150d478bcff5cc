"""Races for one member's points, in threads and in separate processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from at_once import at_once, winners
from bootstrap import ROOT
from chain_data import FakeClock, Shop, item
from huitou.loyalty.earning.models import EarningRule
from huitou.loyalty.earning.service import Earning
from huitou.loyalty.points.errors import PointsErrors
from huitou.loyalty.points.models import Caps, Expiry
from huitou.loyalty.points.service import Points
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.mongod import Mongod

AT_ONCE = 4


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def rules(shop: Shop, **changes: Any) -> None:
    """Put the next revision of the points rules into force."""
    points = Points(shop.database, shop.clock).rules()
    following = points.model_copy(update={"revision": points.revision + 1, **changes})
    request = LoadRequest.model_validate({"points_rules": following.document()})
    Maintenance(shop.database, shop.clock).load_chain(request)
    shop.database.cache.clear()


def balanced(shop: Shop) -> None:
    assert shop.differences() == []


def test_only_one_of_several_orders_gets_the_same_points(shop: Shop) -> None:
    member_id = shop.register()
    shop.give_points(member_id, 100)
    has = shop.account(member_id)["available"]
    carts = [shop.request(member_id, items=[item(99)], points=has - 100) for _ in range(AT_ONCE)]
    results = at_once(
        [lambda cart=cart: shop.orders.create_order(member_id, cart) for cart in carts]
    )
    assert len(winners(results)) == 1
    lost = [result for result in results if isinstance(result, Refusal)]
    assert {refused.code for refused in lost} <= {
        PointsErrors.POINTS_NOT_ENOUGH,
        OrderErrors.POINTS_OVER_LIMIT,
    }
    assert shop.account(member_id)["reserved"] == has - 100
    balanced(shop)


@pytest.mark.slow
def test_only_one_of_several_processes_gets_the_same_points(shop: Shop, mongod: Mongod) -> None:
    member_id = shop.register()
    shop.give_points(member_id, 1_000)
    has = shop.account(member_id)["available"]
    spends = has * 2 // 3
    results = in_processes(mongod, shop.database.name, member_id, [spends] * AT_ONCE)
    assert sorted(results) == ["POINTS_NOT_ENOUGH"] * (AT_ONCE - 1) + ["drawn"]
    account = shop.account(member_id)
    assert (account["available"], account["reserved"]) == (has - spends, spends)


def in_processes(
    mongod: Mongod, database: str, member_id: str, amounts: Sequence[int]
) -> list[str]:
    """Set points aside in processes that start together; return the outcome of each."""
    script = """
import json, sys
from huitou.loyalty.points.service import Points
from huitou.runtime.clock import RealClock
from huitou.runtime.database import connect
from huitou.runtime.errors import Refusal
uri, name, member_id, points = json.loads(sys.argv[1])
database = connect(uri, name)
ledger = Points(database, RealClock())
ledger.rules()
print("ready", flush=True)
sys.stdin.readline()
try:
    database.transact(lambda session: ledger.reserve_points(member_id, points, session))
    print("drawn")
except Refusal as refused:
    print(refused.code.name)
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, json.dumps([mongod.uri, database, member_id, points])],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "layers" / "core")},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for points in amounts
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].strip() for process in running]


@pytest.mark.parametrize("policy", ["pending_only", "within_balance", "unlimited"])
def test_spending_and_a_claw_back_at_once_leave_the_books_right(shop: Shop, policy: str) -> None:
    rules(shop, claw_back=policy)
    member_id = shop.register()
    first = shop.paid(member_id, items=[item(99)])
    shop.refund(first)
    cart = shop.request(member_id, items=[item(99)], points=1_000)
    at_once(
        [
            lambda: shop.settlement.settle_order(first.id),
            lambda: shop.orders.create_order(member_id, cart),
        ]
    )
    balanced(shop)
    account = shop.account(member_id)
    assert account["available"] <= 1_485
    if policy == "unlimited":
        assert account["available"] + account["reserved"] == 0


def test_an_expiry_takes_only_points_that_no_simultaneous_order_sets_aside(
    shop: Shop, clock: FakeClock
) -> None:
    rules(shop, expiry=Expiry(kind="rolling_months", months=1))
    member_id = shop.register()
    shop.give_points(member_id, 1_000)
    has = shop.account(member_id)["available"]
    cart = shop.request(member_id, items=[item(99)], points=1_000)
    clock.advance(days=32)
    points = Points(shop.database, clock)

    def spend() -> Order:
        # This call began a moment before the day was over.
        earlier = FakeClock()
        earlier.moment = clock.now() - timedelta(days=1)
        return Shop(shop.database, earlier).orders.create_order(member_id, cart)

    results = at_once([spend, lambda: points.bring_up_to_date(member_id)])
    account = shop.account(member_id)
    assert account["reserved"] == (1_000 if isinstance(results[0], Order) else 0)
    points.bring_up_to_date(member_id)
    assert shop.account(member_id)["available"] == 0
    expired = shop.database.collection("points_entries").find({"member_id": member_id})
    gone = sum(entry["points"] for entry in expired if entry["kind"] == "expire")
    assert gone == account["reserved"] - has
    balanced(shop)


def test_simultaneous_settlements_post_an_order_once(shop: Shop) -> None:
    member_id = shop.register()
    order = shop.order(member_id, items=[item(10)])
    assert shop.pay(order)
    results = at_once([lambda: shop.settlement.settle_order(order.id)] * AT_ONCE)
    assert sorted(results) == ["nothing due"] * (AT_ONCE - 1) + ["settled"]
    assert shop.account(member_id)["available"] == 150
    balanced(shop)


def test_simultaneous_awards_are_all_kept(shop: Shop) -> None:
    """mall 299: concurrent awards lost points."""
    member_id = shop.register()
    orders = [shop.order(member_id, items=[item(2)]) for _ in range(8)]
    for order in orders:
        assert shop.pay(order)
    at_once([lambda one=order: shop.settlement.settle_order(one.id) for order in orders])
    assert shop.account(member_id)["available"] == 8 * 30
    balanced(shop)


def test_simultaneous_awards_never_pass_the_cap_of_a_day(shop: Shop) -> None:
    rules(shop, caps=Caps(day_points=100))
    member_id = shop.register()
    orders = [shop.order(member_id, items=[item(2)]) for _ in range(6)]
    for order in orders:
        assert shop.pay(order)
    at_once([lambda one=order: shop.settlement.settle_order(one.id) for order in orders])
    assert shop.account(member_id)["available"] == 100
    balanced(shop)


def test_only_one_of_several_simultaneous_orders_is_the_first(shop: Shop) -> None:
    bonus = {"_id": "hello", "name": "首单", "kind": "bonus", "event": "first_order", "points": 50}
    Earning(shop.database, shop.clock).put_rule(EarningRule.model_validate(bonus))
    shop.database.cache.clear()
    member_id = shop.register()
    orders = [shop.order(member_id, items=[item(2)]) for _ in range(4)]
    for order in orders:
        assert shop.pay(order)
    at_once([lambda one=order: shop.settlement.settle_order(one.id) for order in orders])
    assert shop.account(member_id)["available"] == 4 * 30 + 50
    balanced(shop)
    first = shop.account(member_id)["first_order_id"]
    shop.refund(next(order for order in orders if order.id == first))
    shop.settlement.settle_order(first)
    assert shop.account(member_id)["available"] == 3 * 30
    shop.paid(member_id, items=[item(2)])
    assert shop.account(member_id)["available"] == 4 * 30 + 50
    balanced(shop)


def test_settling_and_cancelling_at_once_spend_the_points_or_give_them_back(shop: Shop) -> None:
    member_id = shop.register()
    shop.give_points(member_id, 500)
    has = shop.account(member_id)["available"]
    order = shop.order(member_id, items=[item(20)], points=500)
    assert shop.orders.begin_closing_order(order)

    def pays() -> str:
        return shop.settlement.settle_order(order.id) if shop.pay(order) else "late"

    at_once([pays, lambda: shop.orders.cancel_order(order)])
    account = shop.account(member_id)
    status = shop.orders.get_order(order.id).status
    assert account["reserved"] == 0
    used = 500 if status == "paid" else 0
    earned = order.payable_fen // 100 if status == "paid" else 0
    assert account["available"] == has - used + earned
    balanced(shop)
