"""Instances that die between two steps of a payment, refund or share.

People still hear of every trouble, and the books agree.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from at_rest import Books, come_to_rest, everything_is_right, right_wherever_it_dies, sweep
from chain_data import NOON, FakeClock, item
from crashing import CrashingShop
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets
from localcloud.wechat_pay import Refused
from sharing_stores import clear


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> CrashingShop:
    shop = CrashingShop(chain, clock, keys, tmp_path)
    clear(shop, NOON)
    return shop


def paid_order(shop: CrashingShop, store_id: str = "jingan") -> Order:
    return shop.bought(shop.register(), store_id=store_id, items=[item(3)])


def shared_order(shop: CrashingShop) -> Order:
    order = paid_order(shop, "xujiahui")
    shop.timers(rounds=2)
    assert Books(shop).shares[order.id]["status"] == "finished"
    return order


def test_a_closed_refund_is_reported_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def closed() -> Callable[[], object]:
        order = paid_order(shop)
        shop.wechat.mode.set({"refunds_end": "CLOSED"})
        shop.give_back(order.id)
        notice = shop.vendor_acts().pop()
        return lambda: shop.take(notice)

    right_wherever_it_dies(shop, closed)


def test_a_failed_share_is_reported_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def failing() -> Callable[[], object]:
        paid_order(shop, "xujiahui")
        shop.clock.advance(minutes=2)
        shop.wechat.mode.set({"fail_next": ["RULE_LIMIT"]})
        return lambda: sweep(shop, "shares")

    right_wherever_it_dies(shop, failing)


def test_a_closed_part_is_reported_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def closed() -> Callable[[], object]:
        paid_order(shop, "xujiahui")
        shop.wechat.mode.set({"shares_end": "CLOSED"})
        shop.clock.advance(minutes=2)
        sweep(shop, "shares")
        shop.vendor_acts()
        shop.clock.advance(minutes=2)
        return lambda: sweep(shop, "shares")

    right_wherever_it_dies(shop, closed)


def test_a_failed_return_is_reported_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def failing() -> Callable[[], object]:
        order = shared_order(shop)
        shop.wechat.mode.set({"returns_end": "FAILED"})
        return lambda: shop.give_back(order.id, amount_fen=700)

    right_wherever_it_dies(shop, failing)


def test_a_refund_completed_by_hand_is_no_discrepancy_wherever_an_instance_dies(
    shop: CrashingShop,
) -> None:
    def completed_by_hand() -> Callable[[], object]:
        order = paid_order(shop)
        shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
        shop.give_back(order.id)
        shop.let_happen()
        shop.wechat.mend_refund("R00001")
        return lambda: sweep(shop, "refunds")

    right_wherever_it_dies(shop, completed_by_hand)


def test_a_late_notice_of_a_refund_completed_by_hand_is_no_discrepancy(shop: CrashingShop) -> None:
    order = paid_order(shop)
    shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
    shop.give_back(order.id)
    notice = shop.vendor_acts()[0]
    shop.let_happen()
    shop.wechat.mend_refund("R00001")
    shop.timers()
    shop.take(notice)
    everything_is_right(shop, come_to_rest(shop))


def test_a_refund_refused_once_and_accepted_with_a_lost_answer_is_no_discrepancy(
    shop: CrashingShop,
) -> None:
    order = paid_order(shop)
    shop.wechat.mode.set({"fail_next": ["NOT_ENOUGH"]})
    assert shop.give_back(order.id).status == "requested"
    shop.wechat.mode.set({"answer_lost": True})
    assert shop.give_back(order.id).status == "requested"
    shop.wechat.mode.reset()
    assert shop.let_happen() == ["success"]
    everything_is_right(shop, come_to_rest(shop))


@pytest.mark.parametrize("code", ["NO_AUTH", "RULE_LIMIT", "INVALID_REQUEST"])
def test_an_accepted_share_is_not_given_up_when_queries_are_refused(
    shop: CrashingShop, code: str
) -> None:
    order = paid_order(shop, "xujiahui")
    shop.clock.advance(minutes=2)
    sweep(shop, "shares")
    shop.vendor_acts()
    for _ in range(6):
        shop.clock.advance(minutes=40)
        shop.wechat.mode.set({"fail_next": [code]})
        sweep(shop, "shares")
    books = come_to_rest(shop)
    assert books.shares[order.id]["status"] == "finished"
    everything_is_right(shop, books)


def test_an_attempt_opened_while_its_order_is_cancelled_is_closed(
    shop: CrashingShop,
) -> None:
    came = number = 0
    while came == number:
        number += 1
        clear(shop, NOON)
        member_id = shop.register()
        order = shop.order(member_id)
        caller = Caller("alice", shop.keys.appid)

        def prepay(member_id: str = member_id, order_id: str = order.id, caller=caller) -> None:
            with suppress(Refusal, Unavailable):
                shop.payments.prepay_order(member_id, caller, order_id)

        def cancel(member_id: str = member_id, order_id: str = order.id) -> None:
            shop.payments.cancel_order(member_id, order_id)

        came += shop.interrupts(number, prepay, cancel)[1]
        everything_is_right(shop, come_to_rest(shop))
    assert number > 6


def test_an_attempt_is_closed_when_another_one_has_paid_the_order(shop: CrashingShop) -> None:
    member_id = shop.register()
    order = shop.order(member_id)
    first = shop.prepaid(member_id, order)
    kept = shop.database.collection("payments")
    kept.update_one({"_id": f"{order.id}n1"}, {"$unset": {"prepay_id": ""}})
    shop.wechat.mode.set({"fail_next": ["ORDER_CLOSED"]})  # WeChat Pay answers this by mistake.
    with pytest.raises(Unavailable):
        shop.prepaid(member_id, order)
    second = shop.prepaid(member_id, order)
    shop.wechat.pay("alice", first)
    assert shop.let_happen() == ["paid"]
    shop.timers()
    with pytest.raises(Refused):
        shop.wechat.pay("alice", second)
    everything_is_right(shop, come_to_rest(shop))


def test_receivers_give_all_back_after_a_refund_that_began_before_the_share(
    shop: CrashingShop,
) -> None:
    order = paid_order(shop, "xujiahui")
    shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
    shop.give_back(order.id, "R-part", amount_fen=2_000)
    shop.let_happen()
    shop.timers(rounds=2)  # The refund hasn't ended yet: the share leaves it out.
    shop.wechat.mode.reset()
    shop.give_back(order.id, "R-rest")
    books = come_to_rest(shop)
    assert books.orders[order.id]["status"] == "refunded"
    everything_is_right(shop, books)
