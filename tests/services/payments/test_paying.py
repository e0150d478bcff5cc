"""Payments: an order is paid once however often we are called, and never without proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from at_once import at_once
from chain_data import FakeClock, item
from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.refunds.errors import RefundErrors
from huitou.runtime.database import Database
from huitou.runtime.declarations import migrations
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets, load_secrets
from localcloud.wechat_pay import FORGERIES
from paying import PayingShop


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


def test_a_notice_pays_an_order_once_with_its_number_and_its_share(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.confirm(alice, order)
    notice = shop.vendor_acts()[0]
    assert shop.let_happen() == ["paid"]
    assert [shop.take(notice) for _ in range(3)] == ["repeated"] * 3
    paid = shop.orders.get_order(order.id)
    assert (paid.status, paid.shown().pickup_number) == ("paid", "001")
    assert shop.bought(alice).pickup_number == 2
    shop.timers()
    shop.everything_agrees()


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_notice_pays_nothing(shop: PayingShop, kind: str) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.confirm(alice, order)
    shop.vendor_acts().clear()
    forged = shop.take(shop.wechat.forge(kind))
    assert isinstance(forged, Refusal)
    assert forged.code in (ChargeErrors.SIGNATURE_INVALID, ChargeErrors.NOTIFICATION_MISMATCH)
    assert shop.orders.get_order(order.id).status == "paying"
    noted = shop.database.collection("discrepancies").count_documents({"status": "open"})
    assert noted == (1 if forged.code is ChargeErrors.NOTIFICATION_MISMATCH else 0)


def test_wechat_pay_is_asked_about_a_lost_notice_ever_more_rarely(shop: PayingShop) -> None:
    shop.wechat.mode.set({"copies": 0})
    alice = shop.register()
    order = shop.order(alice)
    shop.prepaid(alice, order)
    shop.timers(minutes=0.5)
    assert list(shop.payments.unanswered_attempts()) == []
    shop.timers(minutes=1)
    asked = shop.payments._payments.find(f"{order.id}n1")
    assert asked is not None
    assert asked.ask_at == shop.clock.now() + (shop.clock.now() - asked.created_at)
    shop.confirm(alice, order)
    shop.timers(minutes=2)
    assert shop.orders.get_order(order.id).status == "paid"
    shop.timers()
    shop.everything_agrees()


def test_an_order_paid_twice_at_once_is_paid_once(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    caller = Caller("alice", shop.keys.appid)

    def prepay() -> object:
        try:
            return shop.payments.prepay_order(alice, caller, order.id).payment
        except Unavailable:
            return None  # Another call is opening the attempt just now.

    answers = [a for a in at_once([prepay] * 6) if a is not None]
    packages = {answer.package for answer in answers}
    assert len(packages) == 1
    shop.wechat.pay("alice", answers[0].model_dump())
    assert shop.let_happen() == ["paid"]
    assert shop.wechat.books()["taken_fen"] == order.payable_fen


def test_an_order_paid_by_coupon_and_points_alone_needs_no_wechat_pay(shop: PayingShop) -> None:
    shop.database.collection("rules").update_one(
        {"_id": "points"}, {"$set": {"max_order_share_bp": 10_000, "revision": 2}}, upsert=True
    )
    shop.forget()
    alice = shop.register()
    shop.give_points(alice, 3_000)
    order = shop.order(alice, points=3_000, items=[item(2)])
    assert order.payable_fen == 0
    shop.wechat.mode.set({"down": True})
    answer = shop.payments.prepay_order(alice, Caller("alice", shop.keys.appid), order.id)
    assert (answer.status, answer.payment) == ("paid", None)
    # The pieces took no money, so refunding one of two must not return all the points.
    with pytest.raises(Refusal) as refused:
        shop.give_back(order.id, lines=[{"line": 0, "quantity": 1}])
    assert refused.value.code is RefundErrors.REFUND_WORTH_NOTHING
    shop.give_back(order.id, lines=[{"line": 0, "quantity": 2}])
    assert shop.orders.get_order(order.id).status == "refunded"


def test_money_for_a_cancelled_order_is_refunded(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.order(alice)
    shop.prepaid(alice, order)
    shop.timers(minutes=16)
    assert shop.orders.get_order(order.id).status == "cancelled"
    shop.wechat.force_paid(f"{order.id}n1")
    shop.wechat.notify_paid(f"{order.id}n1")
    assert shop.let_happen() == ["surplus"]
    shop.timers(rounds=2)
    books = shop.wechat.books()
    assert books["refunded_fen"] == books["taken_fen"] == order.payable_fen
    shop.everything_agrees()


def test_a_store_with_its_own_merchant_is_paid_in_partner_mode(shop: PayingShop) -> None:
    stores = shop.database.collection("stores")
    stores.update_one({"_id": "jingan"}, {"$set": {"sub_mchid": "1900000999"}})
    alice = shop.register()
    order = shop.bought(alice)
    assert order.status == "paid"
    assert order.tenders[0].merchant is not None
    assert order.tenders[0].merchant.sub_mchid == "1900000999"
    # The store changes its merchant: the old merchant refunds what was paid to it.
    stores.update_one({"_id": "jingan"}, {"$unset": {"sub_mchid": ""}})
    shop.forget()
    shop.give_back(order.id)
    shop.timers(rounds=2)
    assert shop.orders.get_order(order.id).status == "refunded"
    shop.everything_agrees()


def test_a_guest_can_cancel_until_the_kitchen_begins(shop: PayingShop) -> None:
    alice = shop.register()
    early, late = shop.bought(alice, items=[item(2)]), shop.bought(alice)
    assert shop.payments.cancel_order(alice, early.id).status == "refunding"
    shop.let_happen()
    assert shop.orders.get_order(early.id).status == "refunded"
    for step in ("accepted", "preparing"):
        shop.fulfilment.take_step(late.id, step, "cook")
    with pytest.raises(Refusal) as refused:
        shop.payments.cancel_order(alice, late.id)
    assert refused.value.code is ChargeErrors.ORDER_NOT_CANCELLABLE
    shop.timers()
    shop.everything_agrees()


def test_an_order_past_its_end_cant_be_cancelled_even_if_staff_took_no_step(
    shop: PayingShop,
) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    shop.clock.advance(days=1)  # The timer hasn't run meanwhile.
    with pytest.raises(Refusal) as refused:
        shop.payments.cancel_order(alice, order.id)
    assert refused.value.code is ChargeErrors.ORDER_NOT_CANCELLABLE


def test_old_paid_orders_without_an_end_are_completed_and_not_cancelled(
    shop: PayingShop,
) -> None:
    alice = shop.register()
    order, orders = shop.bought(alice), shop.database.collection("orders")
    of_then = dict.fromkeys(("complete_by", "pickup_number", "tenders.0.out_trade_no"), "")
    orders.update_one({"_id": order.id}, {"$unset": of_then})
    shop.clock.advance(days=200)
    with pytest.raises(Refusal):
        shop.payments.cancel_order(alice, order.id)
    migrations()[2].run(shop.database)
    shop.timers()
    found = shop.orders.get_order(order.id)
    assert (found.status, found.shipping) == ("completed", "not_needed")
    assert shop.give_back(order.id).status == "processing"


def test_an_order_paid_after_the_day_cut_belongs_to_the_new_day(shop: PayingShop) -> None:
    shop.clock.moment = shop.clock.moment.replace(hour=19, minute=55)  # 03:55; the cut is at 04:00
    alice = shop.register()
    shop.bought(alice)
    order = shop.order(alice)
    shop.clock.advance(minutes=6)
    shop.confirm(alice, order)
    shop.let_happen()
    shop.timers(minutes=1)
    found = shop.orders.get_order(order.id)
    assert (found.status, found.pickup_number) == ("paid", 1)


def test_cancelling_again_shows_the_same_order(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    assert [shop.payments.cancel_order(alice, order.id).status for _ in range(2)] == [
        "refunding"
    ] * 2
    shop.let_happen()
    assert shop.payments.cancel_order(alice, order.id).status == "refunded"
    assert shop.wechat.books()["refunded_fen"] == order.payable_fen


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", {"total": 10**30, "currency": "CNY"}), ("out_trade_no", "o 1"), ("amount", [])],
)
def test_a_genuine_notice_that_cant_be_read_is_recorded(
    shop: PayingShop, field: str, value: object
) -> None:
    order = shop.order(alice := shop.register())
    shop.confirm(alice, order)
    shop.vendor_acts().clear()
    truth = shop.wechat.shown(shop.wechat.payment(f"{order.id}n1"))
    body = shop.wechat.notice("TRANSACTION.SUCCESS", "transaction", truth | {field: value})
    refused = shop.take((shop.wechat.signed_headers(body), body))
    assert isinstance(refused, Refusal)
    assert refused.code is ChargeErrors.NOTIFICATION_MISMATCH
    assert shop.database.collection("discrepancies").count_documents({"status": "open"}) == 1


def test_a_header_with_invalid_text_is_refused(shop: PayingShop) -> None:
    order = shop.order(alice := shop.register())
    shop.confirm(alice, order)
    headers, body = shop.vendor_acts()[0]
    refused = shop.take((headers | {"Wechatpay-Nonce": "\ud800"}, body))
    assert isinstance(refused, Refusal)
    assert refused.code is ChargeErrors.SIGNATURE_INVALID


def test_guests_dont_see_which_member_of_staff_took_a_step(shop: PayingShop) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    shop.fulfilment.take_step(order.id, "accepted", "zhang-san")
    assert "zhang-san" not in shop.payments.show_order(alice, order.id).model_dump_json()
    assert shop.orders.get_order(order.id).timeline[-1].actor == "zhang-san"
