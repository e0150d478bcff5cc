"""Random lives of orders, settled in any order and any number of times, against a plain model."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_data import FakeClock, Shop, item
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.settlement.service import Settlement
from huitou.tiers.service import Tiers

GUESTS = ("ann", "bob")


class Model:
    """What a child with pencil and paper would write down."""

    def __init__(self) -> None:
        self.available: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.spend: Counter[str] = Counter()


step = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(GUESTS), st.integers(1, 40), st.integers(0, 60)),
    st.tuples(st.just("pay"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("refund"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 9), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("tier"), st.sampled_from(GUESTS), st.just(0), st.just(0)),
)


@pytest.mark.timeout(240)
@given(steps=st.lists(step, max_size=14))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_after_any_history_the_ledger_equals_the_model(
    chain: Database, clock: FakeClock, steps: list[tuple[str, Any, int, int]]
) -> None:
    for name in ("orders", "accounts", "points_entries", "members", "identities", "logins",
                 "tier_changes"):  # fmt: skip
        chain.collection(name).delete_many({})
    shop, model = Shop(chain, clock), Model()
    members = {name: shop.register(name) for name in GUESTS}
    orders: list[Any] = []
    done: Counter[tuple[str, str]] = Counter()
    for kind, who, count, share in steps:
        if kind == "order":
            points = model.available[members[who]] * share // 100
            try:
                orders.append(shop.order(members[who], items=[item(count)], points=max(0, points)))
            except Refusal as refused:
                if refused.field != "points":
                    raise
                continue
            model.available[members[who]] -= orders[-1].points_used
            model.reserved[members[who]] += orders[-1].points_used
        elif kind == "tier":
            Tiers(chain, clock).evaluate(members[who])
        elif orders:
            act(shop, model, done, kind, orders[int(who) % len(orders)], count)
    for order_id in list(Settlement(chain, clock).due()):
        order = next(order for order in orders if order.id == order_id)
        act(shop, model, done, "settle", order, 1)
    for member_id in members.values():
        account = shop.account(member_id)
        assert account["available"] == model.available[member_id]
        assert account["reserved"] == model.reserved[member_id]
        assert sum(account.get("spend_by_day", {}).values()) == model.spend[member_id]
    assert shop.differences() == []


def act(
    shop: Shop, model: Model, done: Counter[tuple[str, str]], kind: str, order: Any, times: int
) -> None:
    """Do one step to an order and predict what it means."""
    who, state = order.member_id, shop.orders.get(order.id).status
    if kind == "pay":
        shop.pay(order)
    elif kind == "cancel" and state == "created":
        shop.orders.begin_closing(order)
        assert shop.orders.cancel(order)
        model.available[who] += order.points_used
        model.reserved[who] -= order.points_used
    elif kind == "refund" and state == "paid":
        shop.refund(order)
    elif kind == "settle":
        for _ in range(times):
            shop.settlement.settle(order.id)
        if state in ("paid", "refunded") and not done[order.id, "earn"]:
            done[order.id, "earn"] = 1
            model.available[who] += order.payable_fen // 100
            model.reserved[who] -= order.points_used
            model.spend[who] += order.payable_fen
        if state == "refunded" and not done[order.id, "claw-back"]:
            done[order.id, "claw-back"] = 1
            model.available[who] += order.points_used - order.payable_fen // 100
            model.spend[who] -= order.payable_fen
