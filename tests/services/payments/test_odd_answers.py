"""Answers of WeChat Pay with empty or odd values: the state decides, and nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chain_data import FakeClock
from huitou.payments.charges.errors import ChargeErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.keys import LocalSecrets
from paying import PayingShop

Answer = dict[str, Any]
# What an answer about a payment that has no money may hold where a value isn't there.
ODD = {
    "empty texts": {"success_time": "", "transaction_id": "", "bank_type": "", "attach": ""},
    "empty objects": {"amount": {}, "payer": {}},
    "nothings": {"success_time": None, "amount": None, "payer": None},
    "other kinds": {"success_time": "0001-01-01", "amount": [], "payer": "", "transaction_id": 0},
}


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


def change_answers(shop: PayingShop, change: Callable[[str, Answer], Answer]) -> None:
    """Have each query's answer changed after its signature was verified."""
    truly = shop.gateway.found

    def found(method: str, path: str) -> Answer | None:
        answer = truly(method, path)
        return change(path, answer) if answer is not None else None

    shop.gateway.found = found  # type: ignore[method-assign]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "USERPAYING", "PAYERROR"])
def test_an_order_whose_answer_has_no_money_is_closed_in_time(
    shop: PayingShop, odd: Answer, state: str
) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.prepaid(alice, order)
    change_answers(shop, lambda _, answer: answer | odd | {"trade_state": state})
    assert shop.payments.ask_about_attempt(f"{order.id}n1") in ("not paid", "decided")
    shop.timers(minutes=20)
    assert shop.orders.get_order(order.id).status == "cancelled"


def test_a_payment_whose_answer_has_empty_values_besides_is_settled(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.confirm(alice, order)
    shop.vendor_acts().clear()  # No notice comes.
    empty = {"attach": "", "sub_mchid": "", "sp_mchid": ""}
    change_answers(shop, lambda _, answer: answer | empty)
    assert shop.payments.ask_about_attempt(f"{order.id}n1") == "paid"


def test_money_in_an_answer_that_cannot_be_read_is_written_down(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.confirm(alice, order)
    shop.vendor_acts().clear()
    change_answers(shop, lambda _, answer: answer | {"success_time": "yesterday"})
    with pytest.raises(Refusal) as refused:
        shop.payments.ask_about_attempt(f"{order.id}n1")
    assert refused.value.code is ChargeErrors.NOTIFICATION_MISMATCH
    assert shop.database.collection("discrepancies").count_documents({"status": "open"}) == 1
    assert shop.orders.get_order(order.id).status == "paying"


def test_a_refund_that_is_under_way_may_have_empty_values(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    refund = shop.give_back(order.id)
    assert refund.status == "processing"
    asked = []

    def under_way(path: str, answer: Answer) -> Answer:
        asked.append(path)
        return answer | {"status": "PROCESSING", "success_time": "", "amount": []}

    truly = shop.gateway.found
    change_answers(shop, under_way)
    assert shop.refund_progress.carry_on_refund(refund.id) == "processing"
    assert asked
    shop.gateway.found = truly  # type: ignore[method-assign]
    shop.timers()
    assert shop.orders.get_order(order.id).status == "refunded"


@pytest.mark.parametrize("amount", ["", None], ids=repr)
def test_a_share_that_is_under_way_may_have_empty_values(
    shop: PayingShop, amount: str | None
) -> None:
    shop.allocate(
        "jingan",
        revision=1,
        terms=[
            {"account": "1900000109", "role": "franchisee", "ratio_bp": 1_000},
        ],
        receivers=[
            {"account": "1900000109", "name": "店主公司", "relation_type": "STORE_OWNER"},
        ],
    )
    order = shop.bought(shop.register())
    shares = shop.database.collection("shares")
    truly = shop.gateway.found

    def under_way(path: str, answer: Answer) -> Answer:
        if "profitsharing" not in path:
            return answer
        parts = [{"type": "", "account": "", "amount": amount}]
        return answer | {"state": "PROCESSING", "receivers": parts}

    change_answers(shop, under_way)
    shop.timers(rounds=2)
    found = shares.find_one({"_id": order.id})
    assert found is not None
    assert found["status"] == "asked"
    shop.gateway.found = truly  # type: ignore[method-assign]
    shop.timers()
    found = shares.find_one({"_id": order.id})
    assert found is not None
    assert found["status"] == "finished"
