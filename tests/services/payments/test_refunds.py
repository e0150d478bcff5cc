"""Refunds: in parts, by whoever may decide, never more than was paid, after shares return."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from at_once import at_once, winners
from chain_data import FakeClock, item
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.errors import RefundErrors
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest, RefundRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.keys import LocalSecrets, load_secrets
from paying import PayingShop

OWNER, BRAND = "1900000109", "1900000110"
RULES: dict[str, Any] = {
    "revision": 1,
    "terms": [
        {"account": OWNER, "role": "franchisee", "ratio_bp": 2_000},
        {"account": BRAND, "role": "platform", "fixed_fen": 100},
    ],
    "receivers": [
        {"account": OWNER, "name": "店主公司", "relation_type": "STORE_OWNER"},
        {"account": BRAND, "name": "品牌公司", "relation_type": "HEADQUARTER"},
    ],
}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


def shared_order(shop: PayingShop, **cart: Any) -> Order:
    """Return an order of a store with receivers, whose money is shared out."""
    shop.allocate("jingan", **RULES)
    order = shop.bought(shop.register(), **cart)
    shop.timers(rounds=2)
    found = shop.database.collection("shares").find_one({"_id": order.id})
    assert found is not None
    assert found["status"] == "finished"
    return shop.orders.get_order(order.id)


@pytest.mark.slow
def test_a_refund_that_waits_out_wechat_pays_minute_fails_no_timer(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(3)])
    for number in (1, 2):
        shop.give_back(order.id, f"R0000{number}", amount_fen=100)
    assert shop.refund_progress.carry_on_refund("R00002") == "waits its minute"
    shop.let_happen()
    shop.timers(minutes=1.1, rounds=2)
    assert shop.wechat.books()["refunded_fen"] == 200


def test_a_refunded_piece_takes_its_points_back_and_the_order_goes_on(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice, items=[item(3)])
    shop.fulfilment.take_step(order.id, "accepted", "cook")
    refund = shop.give_back(order.id, lines=[{"line": 0, "quantity": 1}])
    assert (refund.amount_fen, refund.status) == (1_500, "processing")
    shop.timers(rounds=2)
    found = shop.orders.get_order(order.id)
    assert (found.status, found.refund_status) == ("accepted", "partially_refunded")
    assert [moment.status for moment in found.timeline][-2:] == ["refunding", "partially_refunded"]
    assert shop.account(alice)["available"] == 30
    shop.everything_agrees()


def test_refunds_at_once_never_give_back_more_than_was_paid(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(3)])
    tries: list[Callable[[], Any]] = [
        lambda n=n: shop.give_back(order.id, f"R0000{n}", amount_fen=2_000) for n in range(5)
    ]
    results = at_once(tries)
    assert len(winners(results)) == 2
    assert {r.code for r in results if isinstance(r, Refusal)} == {RefundErrors.REFUND_TOO_MUCH}
    shop.timers(rounds=3)
    assert shop.wechat.books()["refunded_fen"] == 4_000
    assert shop.orders.get_order(order.id).left_fen == 500
    shop.everything_agrees()


def test_a_refund_id_always_names_the_same_refund(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(3)])
    results = at_once([lambda: shop.give_back(order.id, amount_fen=700)] * 5)
    assert {refund.id for refund in results} == {"R00001"}
    whole = shop.bought(shop.register("bob"), "bob")
    results = at_once([lambda: shop.give_back(whole.id, "R00002")] * 5)
    assert {refund.id for refund in results} == {"R00002"}
    for other in ({"amount_fen": 701}, {"lines": [{"line": 0, "quantity": 1}]}):
        with pytest.raises(Refusal) as refused:
            shop.give_back(order.id, **other)
        assert refused.value.code is RefundErrors.REFUND_ID_REUSED
    shop.timers(rounds=2)
    assert shop.wechat.books()["refunded_fen"] == 700 + whole.payable_fen
    shop.everything_agrees()


def test_receivers_return_their_shares_before_the_guest_is_refunded(shop: PayingShop) -> None:
    order = shared_order(shop, items=[item(4)])  # ¥60: fee 36 fen, owner 20 % of the rest, brand ¥1
    number = order.tenders[0].out_trade_no
    before = shop.wechat.book_of(str(number))
    assert before["shared_fen"] == 1_192 + 100
    shop.give_back(order.id, lines=[{"line": 0, "quantity": 2}])
    shop.timers(rounds=3)
    after = shop.wechat.book_of(str(number))
    assert after["refunded_fen"] == 3_000
    assert after["shared_fen"] == 596 + 100  # 20 % of ¥30 minus its fee; the fixed part stays
    shop.give_back(order.id, "R00002")
    shop.timers(rounds=3)
    assert shop.wechat.book_of(str(number))["shared_fen"] == 0
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_a_refund_that_begins_before_the_share_leaves_less_to_share(shop: PayingShop) -> None:
    shop.allocate("jingan", **RULES)
    order = shop.bought(shop.register(), items=[item(4)])
    shop.give_back(order.id, lines=[{"line": 0, "quantity": 2}])
    shop.timers(rounds=3)
    book = shop.wechat.book_of(str(order.tenders[0].out_trade_no))
    assert (book["shared_fen"], book["returned_fen"]) == (596 + 100, 0)
    shop.everything_agrees()


def test_a_receiver_who_cant_give_back_is_reported_and_the_refund_waits_for_money(
    shop: PayingShop,
) -> None:
    order = shared_order(shop, items=[item(4)])
    shop.wechat.mode.set({"returns_end": "FAILED"})
    shop.give_back(order.id)
    shop.timers(rounds=2)
    kinds = {found["kind"] for found in shop.database.collection("discrepancies").find({})}
    assert "refund refused" in kinds  # The merchant's own balance doesn't cover it either.
    assert any("share" in kind for kind in kinds)


def test_a_refund_closed_for_good_leaves_the_order_as_it_was(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    shop.wechat.mode.set({"refunds_end": "CLOSED"})
    shop.payments.cancel_order(alice, order.id)
    shop.let_happen()
    found = shop.orders.get_order(order.id)
    assert (found.status, found.refund_status, found.left_fen) == ("paid", None, 1_500)
    shop.wechat.mode.set({"refunds_end": "SUCCESS"})
    shop.clock.advance(minutes=2)
    shop.payments.cancel_order(alice, order.id)
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_above_the_limit_somebody_else_must_approve(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(6)])
    asked = shop.give_back(order.id, role="cashier", amount_fen=6_000)
    assert asked.status == "awaiting_approval"
    assert shop.orders.get_order(order.id).left_fen == 9_000

    def decide(actor: str, role: str, *, approve: bool = True) -> Any:
        fields = {"refund_id": asked.id, "approve": approve, "actor": actor, "role": role}
        return shop.refunds.decide_refund(DecideRefundRequest.model_validate(fields))

    for actor, role in (("till", "manager"), ("colleague", "cashier")):
        with pytest.raises(Refusal) as refused:
            decide(actor, role)
        assert refused.value.code in (RefundErrors.REFUND_NOT_YOURS, RefundErrors.REFUND_OVER_LIMIT)
    results = at_once(
        [
            lambda: decide("ann", "manager"),
            lambda: decide("bob", "manager", approve=False),
        ]
    )
    assert len(winners(results)) == 1
    shop.timers(rounds=2)
    given = shop.wechat.books()["refunded_fen"]
    assert given == (6_000 if not isinstance(results[0], Refusal) else 0)
    shop.everything_agrees()


def test_a_guest_has_one_waiting_request_and_the_store_decides(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice, items=[item(2)])
    for step in ("accepted", "preparing", "ready", "picked_up"):
        order = shop.orders.get_order(order.id)
        shop.fulfilment.take_step(order.id, step, "cook")
    fields = {"order_id": order.id, "reason": "太咸", "lines": [{"line": 0, "quantity": 1}]}
    ask = AskRefundRequest.model_validate(fields)
    results = at_once([lambda: shop.refunds.ask_refund(shop.orders.get_order(order.id), ask)] * 4)
    assert {(refund.id, refund.status) for refund in results} == {
        (results[0].id, "awaiting_approval")
    }
    fields = {"refund_id": results[0].id, "approve": True, "actor": "ann", "role": "cashier"}
    shop.refunds.decide_refund(DecideRefundRequest.model_validate(fields))
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).refund_status == "partially_refunded"
    assert shop.wechat.books()["refunded_fen"] == 1_500
    shop.everything_agrees()


def test_an_unpaid_order_cant_be_refunded(shop: PayingShop) -> None:
    order = shop.order(shop.register())
    with pytest.raises(Refusal) as refused:
        shop.give_back(order.id)
    assert refused.value.code is RefundErrors.ORDER_NOT_REFUNDABLE


def test_refunds_that_wait_for_a_person_dont_delay_others(shop: PayingShop) -> None:
    alice = shop.register()
    shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
    for number in range(3):
        shop.give_back(shop.bought(alice).id, f"A0000{number}")
    shop.let_happen()
    order = shop.bought(alice)
    shop.wechat.mode.set({"fail_next": ["SYSTEM_ERROR"]})
    assert shop.give_back(order.id, "Z00001").status == "requested"
    firsts = set()
    for _ in range(30):
        shop.clock.advance(minutes=1)
        firsts.add(next(iter(shop.refund_progress.due_refunds())))
    assert firsts == {"A00000", "A00001", "A00002", "Z00001"}


def test_a_refund_id_of_a_part_cant_be_used_for_the_rest(shop: PayingShop) -> None:
    order = shop.bought(shop.register(), items=[item(3)])
    shop.give_back(order.id, amount_fen=700)
    with pytest.raises(Refusal) as refused:
        shop.give_back(order.id)
    assert refused.value.code is RefundErrors.REFUND_ID_REUSED


def test_a_surplus_whose_refund_was_closed_can_be_refunded_again(shop: PayingShop) -> None:
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
    again = [shop.refunds.retry_surplus_refund(closed, "ann").id for _ in range(2)]
    assert again == [f"{closed}@again2"] * 2
    shop.timers(rounds=2)
    books = shop.wechat.books()
    assert books["refunded_fen"] == books["taken_fen"] == order.payable_fen
    shop.everything_agrees()
    with pytest.raises(Refusal):
        shop.refunds.retry_surplus_refund(again[0], "ann")


def test_a_refund_request_without_a_staff_role_is_refused() -> None:
    fields = {"order_id": "o1", "refund_id": "R00001", "reason": "x", "actor": "till"}
    for role in ({}, {"role": "system"}, {"role": "member"}):
        with pytest.raises(ValidationError):
            RefundRequest.model_validate(fields | role)
    decision = {"refund_id": "R00001", "approve": False, "actor": "x", "role": "member"}
    with pytest.raises(ValidationError):
        DecideRefundRequest.model_validate(decision)


def test_a_guest_can_ask_for_a_refund_three_times(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    ask = AskRefundRequest(order_id=order.id, reason="x")
    for _ in range(3):
        asked = shop.refunds.ask_refund(order, ask)
        decision = {"refund_id": asked.id, "approve": False, "actor": "ann", "role": "cashier"}
        assert (
            shop.refunds.decide_refund(DecideRefundRequest.model_validate(decision)).status
            == "rejected"
        )
    with pytest.raises(Refusal) as refused:
        shop.refunds.ask_refund(order, ask)
    assert refused.value.code is RefundErrors.REFUND_ASKED_OFTEN


def test_a_refund_that_wechat_pay_refuses_can_be_abandoned(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    shop.wechat.mode.set({"fail_next": ["USER_ACCOUNT_ABNORMAL"]})
    assert shop.give_back(order.id).status == "requested"
    assert shop.refunds.abandon_refund("R00001", "ann").status == "abandoning"
    assert (
        shop.refund_progress.carry_on_refund("R00001") == "abandoning"
    )  # A call may still be on its way.
    shop.timers(minutes=2)
    found = shop.orders.get_order(order.id)
    assert (found.status, found.left_fen) == ("paid", 1_500)
    shop.give_back(order.id, "R00002")
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    with pytest.raises(Refusal):
        shop.refunds.abandon_refund("R00002", "ann")
    shop.everything_agrees()


def test_a_refund_that_wechat_pay_has_accepted_cant_be_abandoned(shop: PayingShop) -> None:
    order = shop.bought(shop.register())
    shop.wechat.mode.set({"answer_lost": True})
    assert shop.give_back(order.id).status == "requested"  # The answer was lost.
    shop.wechat.mode.set({"answer_lost": False})
    shop.refunds.abandon_refund("R00001", "ann")
    shop.notices.clear()
    shop.timers(minutes=2, rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_a_refund_of_the_rest_is_what_is_left_at_its_approval(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice, items=[item(2)])
    asked = shop.refunds.ask_refund(order, AskRefundRequest(order_id=order.id, reason="x"))
    shop.give_back(order.id, lines=[{"line": 0, "quantity": 1}])
    shop.timers(rounds=2)
    decision = {"refund_id": asked.id, "approve": True, "actor": "ann", "role": "finance"}
    assert (
        shop.refunds.decide_refund(DecideRefundRequest.model_validate(decision)).amount_fen == 1_500
    )
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_an_order_stored_by_older_code_is_refunded_from_its_payment(
    shop: PayingShop,
) -> None:
    order = shop.bought(shop.register())
    old = {"tenders.0.out_trade_no": "", "tenders.0.merchant": ""}
    shop.database.collection("orders").update_one({"_id": order.id}, {"$unset": old})
    shop.give_back(order.id)
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_many_small_refunds_of_one_person_on_a_day_need_a_second_person(shop: PayingShop) -> None:
    rules = {"_id": "refunds", "schema": 1, "revision": 9, "manager_day_limit_fen": 2_500}
    shop.database.collection("rules").replace_one({"_id": "refunds"}, rules, upsert=True)
    alice = shop.register()
    orders = [shop.bought(alice, items=[item(1)]) for _ in range(4)]
    refunds: list[Callable[[], Any]] = [
        lambda n=n, o=order: shop.give_back(o.id, f"R1000{n}", amount_fen=1_000, role="manager")
        for n, order in enumerate(orders)
    ]
    results = at_once([*refunds, *refunds])
    by_id = {refund.id: refund.status == "awaiting_approval" for refund in winners(results)}
    assert sorted(by_id.values()) == [False, False, True, True]
    shop.clock.advance(days=1)
    assert shop.give_back(orders[0].id, "R20000", amount_fen=400).status != "awaiting_approval"


def test_approving_what_guests_asked_for_counts_against_the_day_of_who_approves(
    shop: PayingShop,
) -> None:
    rules = {"_id": "refunds", "schema": 1, "revision": 9, "manager_day_limit_fen": 3_000}
    shop.database.collection("rules").replace_one({"_id": "refunds"}, rules, upsert=True)
    asked = []
    alice = shop.register()
    for _ in range(3):
        order = shop.bought(alice, items=[item(1)])  # ¥15
        request = AskRefundRequest(order_id=order.id, reason="凉了")
        asked.append(shop.refunds.ask_refund(shop.orders.get_order(order.id), request).id)

    def approve(refund_id: str, actor: str = "ann") -> object:
        decision = DecideRefundRequest(
            refund_id=refund_id, approve=True, actor=actor, role="manager"
        )
        return shop.refunds.decide_refund(decision)

    results = at_once([lambda r=refund_id: approve(r) for refund_id in asked])
    refused = [one.code for one in results if isinstance(one, Refusal)]
    assert refused == [RefundErrors.REFUND_OVER_LIMIT]
    for refund_id in asked:  # Another manager has a limit of their own.
        with suppress(Refusal):
            approve(refund_id, "bob")
    books = shop.database.collection("refunds").find({"_id": {"$in": asked}})
    assert {row["status"] for row in books} <= {"requested", "processing", "success"}
