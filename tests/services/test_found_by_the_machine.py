"""What random lives with crashes have found, each in its smallest form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from at_rest import Books, come_to_rest, everything_is_right, sweep
from chain_data import NOON, FakeClock, item
from crashing import CrashingShop
from huitou.orders.models import Order
from huitou.runtime.database import Database
from localcloud.keys import LocalSecrets
from sharing_stores import clear


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> CrashingShop:
    shop = CrashingShop(chain, clock, keys, tmp_path)
    clear(shop, NOON)
    return shop


def bought(shop: CrashingShop, store_id: str = "jingan") -> Order:
    return shop.bought(shop.register(), store_id=store_id, items=[item(3)])


def shared(shop: CrashingShop) -> Order:
    order = bought(shop, "xujiahui")
    shop.timers(rounds=2)
    assert Books(shop).shares[order.id]["status"] == "finished"
    return order


def at_each_step(shop: CrashingShop, prepare: Callable[[], Callable[[], object]]) -> None:
    """Prepare something anew for each of its steps, die there, and see that all comes right."""
    number, died = 0, True
    while died:
        number += 1
        clear(shop, NOON)
        work = prepare()
        died = shop.crashes(number, work)
        everything_is_right(shop, come_to_rest(shop))
    assert number > 1


def test_people_hear_of_a_closed_refund_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def closed() -> Callable[[], object]:
        order = bought(shop)
        shop.wechat.mode.set({"refunds_end": "CLOSED"})
        shop.give_back(order.id)
        notice = shop.vendor_acts().pop()
        return lambda: shop.take(notice)

    at_each_step(shop, closed)


def test_people_hear_of_a_share_that_failed_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def failing() -> Callable[[], object]:
        bought(shop, "xujiahui")
        shop.clock.advance(minutes=2)
        shop.wechat.mode.set({"fail_next": ["RULE_LIMIT"]})
        return lambda: sweep(shop, "shares")

    at_each_step(shop, failing)


def test_people_hear_of_a_closed_part_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def closed() -> Callable[[], object]:
        bought(shop, "xujiahui")
        shop.wechat.mode.set({"shares_end": "CLOSED"})
        shop.clock.advance(minutes=2)
        sweep(shop, "shares")
        shop.vendor_acts()
        shop.clock.advance(minutes=2)
        return lambda: sweep(shop, "shares")

    at_each_step(shop, closed)


def test_people_hear_of_a_failed_return_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def failing() -> Callable[[], object]:
        order = shared(shop)
        shop.wechat.mode.set({"returns_end": "FAILED"})
        return lambda: shop.give_back(order.id, amount_fen=700)

    at_each_step(shop, failing)


def test_a_mended_refund_is_no_discrepancy_wherever_an_instance_dies(shop: CrashingShop) -> None:
    def mended() -> Callable[[], object]:
        order = bought(shop)
        shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
        shop.give_back(order.id)
        shop.let_happen()
        shop.wechat.mend_refund("R00001")
        return lambda: sweep(shop, "refunds")

    at_each_step(shop, mended)


def test_a_late_notice_of_a_mended_refund_is_no_discrepancy(shop: CrashingShop) -> None:
    order = bought(shop)
    shop.wechat.mode.set({"refunds_end": "ABNORMAL"})
    shop.give_back(order.id)
    notice = shop.vendor_acts()[0]
    shop.let_happen()
    shop.wechat.mend_refund("R00001")
    shop.timers()
    shop.take(notice)
    everything_is_right(shop, come_to_rest(shop))


def test_a_refund_refused_once_whose_answer_is_lost_then_is_no_discrepancy(
    shop: CrashingShop,
) -> None:
    order = bought(shop)
    shop.wechat.mode.set({"fail_next": ["NOT_ENOUGH"]})
    assert shop.give_back(order.id).status == "requested"
    shop.wechat.mode.set({"answer_lost": True})
    assert shop.give_back(order.id).status == "requested"
    shop.wechat.mode.reset()
    assert shop.let_happen() == ["success"]
    everything_is_right(shop, come_to_rest(shop))


@pytest.mark.parametrize("code", ["NO_AUTH", "RULE_LIMIT", "INVALID_REQUEST"])
def test_a_share_wechat_pay_took_is_not_given_up_because_it_may_not_be_asked_about(
    shop: CrashingShop, code: str
) -> None:
    order = bought(shop, "xujiahui")
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
