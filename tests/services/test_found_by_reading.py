"""What a hostile reading of the money's code found: each cost somebody money or patience."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from chain_data import FakeClock, item
from huitou.ordering.orders.models import QuoteRequest
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest, RefundRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from localcloud.keys import LocalSecrets
from paying import PayingShop


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


def test_a_refund_id_of_a_part_is_not_that_of_the_rest(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(3)])
    shop.give_back(order.id, amount_fen=700)
    with pytest.raises(Refusal) as refused:
        shop.give_back(order.id)
    assert refused.value.code is Code.REFUND_ID_REUSED


def test_an_order_paid_after_the_cut_belongs_to_the_new_day(shop: PayingShop) -> None:
    shop.clock.moment = shop.clock.moment.replace(hour=19, minute=55)  # 03:55; the cut is at 04:00
    alice = shop.register()
    shop.bought(alice)
    order = shop.order(alice)
    shop.clock.advance(minutes=6)
    shop.confirm(alice, order)
    shop.let_happen()
    shop.timers(minutes=1)
    found = shop.orders.get(order.id)
    assert (found.status, found.pickup_number) == ("paid", 1)


def test_guests_are_not_told_who_of_the_staff_did_what(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    shop.fulfilment.take(order.id, "accepted", "zhang-san")
    assert "zhang-san" not in shop.payments.status(alice, order.id).model_dump_json()
    assert shop.orders.get(order.id).timeline[-1].actor == "zhang-san"


def test_a_quote_for_the_end_of_time_is_refused_by_its_field(shop: PayingShop) -> None:
    never = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    cart = {"store_id": "jingan", "items": [item()], "mode": "booking", "pickup_at": never}
    with pytest.raises(Refusal) as refused:
        shop.orders.quote(shop.register(), QuoteRequest.model_validate(cart))
    assert refused.value.field == "pickup_at"


def test_a_surplus_whose_refund_was_closed_goes_back_at_the_second_try(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.prepaid(alice, order)
    shop.timers(minutes=16)
    shop.wechat.mode.set({"refunds_end": "CLOSED"})
    shop.wechat.force_paid(f"{order.id}n1")
    shop.wechat.notify_paid(f"{order.id}n1")
    shop.let_happen()
    shop.timers(rounds=2)
    closed = f"surplus@{order.id}n1"
    shop.wechat.mode.set({"refunds_end": "SUCCESS"})
    shop.clock.advance(minutes=2)
    again = [shop.refunds.again(closed, "ann").id for _ in range(2)]
    assert again == [f"{closed}@again2"] * 2
    shop.timers(rounds=2)
    books = shop.wechat.books()
    assert books["refunded_fen"] == books["taken_fen"] == order.payable_fen
    shop.everything_agrees()
    with pytest.raises(Refusal):
        shop.refunds.again(again[0], "ann")


def test_cancelling_again_shows_the_same_order(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    assert [shop.payments.cancel(alice, order.id).status for _ in range(2)] == ["refunding"] * 2
    shop.let_happen()
    assert shop.payments.cancel(alice, order.id).status == "refunded"
    assert shop.wechat.books()["refunded_fen"] == order.payable_fen


def test_a_caller_who_names_no_role_or_ours_refunds_nothing() -> None:
    fields = {"order_id": "o1", "refund_id": "R00001", "reason": "x", "actor": "till"}
    for role in ({}, {"role": "system"}, {"role": "member"}):
        with pytest.raises(ValidationError):
            RefundRequest.model_validate(fields | role)
    decision = {"refund_id": "R00001", "approve": False, "actor": "x", "role": "member"}
    with pytest.raises(ValidationError):
        DecideRefundRequest.model_validate(decision)


def test_a_guest_who_was_refused_asks_three_times_at_most(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    ask = AskRefundRequest(order_id=order.id, reason="x")
    for _ in range(3):
        asked = shop.refunds.ask(order, ask)
        decision = {"refund_id": asked.id, "approve": False, "actor": "ann", "role": "cashier"}
        assert (
            shop.refunds.decide(DecideRefundRequest.model_validate(decision)).status == "rejected"
        )
    with pytest.raises(Refusal) as refused:
        shop.refunds.ask(order, ask)
    assert refused.value.code is Code.REFUND_ASKED_OFTEN


def test_a_refund_wechat_pay_refuses_can_be_given_up(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    shop.wechat.mode.set({"fail_next": ["USER_ACCOUNT_ABNORMAL"]})
    assert shop.give_back(order.id).status == "requested"
    assert shop.refunds.abandon("R00001", "ann").status == "abandoning"
    assert shop.refunds.carry_on("R00001") == "abandoning"  # A call may still be on its way.
    shop.timers(minutes=2)
    found = shop.orders.get(order.id)
    assert (found.status, found.left_fen) == ("paid", 1_500)
    shop.give_back(order.id, "R00002")
    shop.timers(rounds=2)
    assert shop.orders.get(order.id).status == "refunded"
    with pytest.raises(Refusal):
        shop.refunds.abandon("R00002", "ann")
    shop.everything_agrees()


def test_a_refund_that_went_out_after_all_is_not_given_up(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    shop.wechat.mode.set({"answer_lost": True})
    assert shop.give_back(order.id).status == "requested"  # It is done, but nobody heard.
    shop.wechat.mode.set({"answer_lost": False})
    shop.refunds.abandon("R00001", "ann")
    shop.notices.clear()
    shop.timers(minutes=2, rounds=2)
    assert shop.orders.get(order.id).status == "refunded"
    shop.everything_agrees()


def test_all_that_is_left_is_what_is_left_when_it_is_approved(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice, items=[item(2)])
    asked = shop.refunds.ask(order, AskRefundRequest(order_id=order.id, reason="x"))
    shop.give_back(order.id, lines=[{"line": 0, "quantity": 1}])
    shop.timers(rounds=2)
    decision = {"refund_id": asked.id, "approve": True, "actor": "ann", "role": "finance"}
    assert shop.refunds.decide(DecideRefundRequest.model_validate(decision)).amount_fen == 1_500
    shop.timers(rounds=2)
    assert shop.orders.get(order.id).status == "refunded"
    shop.everything_agrees()


def test_what_happened_at_a_till_of_before_is_not_served_again(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    imported = {"$set": {"origin": "import"}}
    shop.database.collection("orders").update_one({"_id": order.id}, imported)
    with pytest.raises(Refusal):
        shop.fulfilment.take(order.id, "accepted", "cook")


def test_an_order_written_by_old_code_in_between_is_refunded_from_its_payment(
    shop: PayingShop,
) -> None:
    order = shop.bought(shop.register())
    old = {"tenders.0.out_trade_no": "", "tenders.0.merchant": ""}
    shop.database.collection("orders").update_one({"_id": order.id}, {"$unset": old})
    shop.give_back(order.id)
    shop.timers(rounds=2)
    assert shop.orders.get(order.id).status == "refunded"
    shop.everything_agrees()


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", {"total": 10**30, "currency": "CNY"}), ("out_trade_no", "o 1"), ("amount", [])],
)
def test_a_genuine_notice_that_cannot_be_read_is_written_down(
    shop: PayingShop, field: str, value: object
) -> None:
    order = shop.order(alice := shop.register())
    shop.confirm(alice, order)
    shop.vendor_acts().clear()
    truth = shop.wechat.shown(shop.wechat.payment(f"{order.id}n1"))
    body = shop.wechat.notice("TRANSACTION.SUCCESS", "transaction", truth | {field: value})
    refused = shop.take((shop.wechat.signed_headers(body), body))
    assert isinstance(refused, Refusal)
    assert refused.code is Code.NOTIFICATION_MISMATCH
    assert shop.database.collection("discrepancies").count_documents({"status": "open"}) == 1


def test_a_header_that_is_no_text_is_no_signature(shop: PayingShop) -> None:
    order = shop.order(alice := shop.register())
    shop.confirm(alice, order)
    headers, body = shop.vendor_acts()[0]
    refused = shop.take((headers | {"Wechatpay-Nonce": "\ud800"}, body))
    assert isinstance(refused, Refusal)
    assert refused.code is Code.SIGNATURE_INVALID
