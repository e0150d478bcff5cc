"""An order from its creation to its last refund; the instance dies at each step in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from at_rest import come_to_rest, everything_is_right, right_wherever_it_dies, sweep
from chain_data import NOON, FakeClock, item
from crashing import CrashingShop
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest, RefundRequest
from huitou.runtime.database import Database
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets
from sharing_stores import clear, welcome

Scene = Callable[[], object]


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> CrashingShop:
    return CrashingShop(chain, clock, keys, tmp_path)


class Life:
    """An order with a coupon and points at a store with profit sharing, refunded in two parts.

    If the instance dies in a scene, the next instance plays the scene again: the guest taps again,
    WeChat Pay repeats its notice, or the timer fires again.
    """

    def __init__(self, shop: CrashingShop, store_id: str) -> None:
        clear(shop, NOON)
        self.shop = shop
        self.member_id = shop.register()
        coupon_id = welcome(shop, self.member_id, "alice")[0]
        self.request = shop.request(
            self.member_id,
            store_id=store_id,
            coupon_id=coupon_id,
            points=501,
            items=[item(3, "beef-noodles", "l"), item(2)],
        )
        self.order_id = ""

    def scenes(self) -> Iterator[Scene]:
        shop = self.shop
        yield self._order
        yield self._pay
        yield self._notices
        yield lambda: shop.settlement.settle_order(self.order_id)
        yield from self._shares()
        yield lambda: self._give_back("R-first", lines=[{"line": 0, "quantity": 1}])
        yield from self._refunded()
        yield lambda: self._give_back("R-second")
        yield from self._refunded()

    def _order(self) -> None:
        self.order_id = self.shop.orders.create_order(self.member_id, self.request).id

    def _pay(self) -> None:
        shown = self.shop.payments.prepay_order(
            self.member_id, Caller("alice", self.shop.keys.appid), self.order_id
        )
        if (
            shown.payment
            and not self.shop.wechat.find(out_trade_no=f"{self.order_id}n1")["transaction_id"]
        ):
            self.shop.wechat.pay("alice", shown.payment.model_dump())

    def _notices(self) -> None:
        for notice in self.shop.vendor_acts()[:]:
            self.shop.take(notice)
            self.shop.notices.remove(notice)

    def _shares(self) -> Iterator[Scene]:
        for _ in range(2):  # First the share is asked for, then its result is read.
            self.shop.clock.advance(minutes=1.2)
            yield lambda: sweep(self.shop, "shares")
            self.shop.vendor_acts()

    def _give_back(self, refund_id: str, **fields: Any) -> None:
        self.shop.refunds.begin_refund(
            RefundRequest.model_validate(
                {
                    "order_id": self.order_id,
                    "refund_id": refund_id,
                    "reason": "cold",
                    "actor": "till",
                    "role": "finance",
                    **fields,
                }
            )
        )

    def _refunded(self) -> Iterator[Scene]:
        yield self._notices
        self.shop.clock.advance(minutes=1.2)  # WeChat Pay requires a minute between two refunds.
        yield lambda: sweep(self.shop, "refunds")
        yield self._notices
        yield lambda: sweep(self.shop, "settlements")

    def live(self, at: int = 0, *, again: bool = True) -> list[str]:
        """Play all scenes; the instance dies at the `at`-th step. Returns the steps up to there.

        With `again`, that scene is played once more and the later ones follow. Without it, nobody
        comes back, and the timers must finish what has begun.
        """
        taken: list[str] = []
        for scene in self.scenes():
            died = self.shop.crashes(max(0, at - len(taken)), scene)
            taken += [] if at and len(taken) >= at else self.shop.faults.taken
            if died and not again:
                break
            if died:
                self.shop.crashes(0, scene)
        return taken


@pytest.mark.parametrize("store_id", ["xujiahui", "partner", "wujiaochang"])
def test_without_crashes_the_whole_order_is_refunded(shop: CrashingShop, store_id: str) -> None:
    life = Life(shop, store_id)
    life.live()
    books = come_to_rest(shop)
    everything_is_right(shop, books)
    assert books.orders[life.order_id]["status"] == "refunded"
    assert books.shares[life.order_id]["status"] == "finished"
    returns = [back["status"] for back in books.shares[life.order_id]["returns"]]
    assert returns == ["success"] * len(returns)
    assert len(returns) >= 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("again", [True, False])
def test_an_instance_may_die_at_any_step_of_an_orders_life(shop: CrashingShop, again: bool) -> None:
    steps = Life(shop, "xujiahui").live()
    for number, step in enumerate(steps, 1):
        life = Life(shop, "xujiahui")
        taken = life.live(number, again=again)
        assert (len(taken), taken[-1]) == (number, step)
        try:
            books = come_to_rest(shop)
            everything_is_right(shop, books)
            if again:
                assert books.orders[life.order_id]["status"] == "refunded"
        except AssertionError as wrong:
            raise AssertionError(f"died at step {number}, {step}") from wrong


def cancelled_unpaid(shop: CrashingShop) -> Scene:
    member_id = shop.register()
    order = shop.order(member_id)
    shop.prepaid(member_id, order)
    return lambda: shop.payments.cancel_order(member_id, order.id)


def closed_by_the_timer(shop: CrashingShop) -> Scene:
    member_id = shop.register()
    shop.prepaid(member_id, shop.order(member_id))
    shop.clock.advance(minutes=16)
    return lambda: sweep(shop, "unpaid")


def paid_while_being_cancelled(shop: CrashingShop) -> Scene:
    member_id = shop.register()
    order = shop.order(member_id, store_id="xujiahui")
    shop.confirm(member_id, order)
    return lambda: shop.payments.cancel_order(member_id, order.id)


def money_for_a_cancelled_order(shop: CrashingShop) -> Scene:
    cancelled_unpaid(shop)()
    (order_id,) = (found["_id"] for found in shop.database.collection("orders").find({}))
    shop.wechat.force_paid(f"{order_id}n1")
    shop.wechat.notify_paid(f"{order_id}n1")
    notice = shop.vendor_acts()[0]
    return lambda: shop.take(notice)


def a_lost_notice_asked_for(shop: CrashingShop) -> Scene:
    shop.wechat.mode.set({"copies": 0})
    member_id = shop.register()
    order = shop.order(member_id, store_id="wujiaochang")
    shop.confirm(member_id, order)
    return lambda: shop.payments.show_order(member_id, order.id)


def paid_with_points_alone(shop: CrashingShop) -> Scene:
    member_id = shop.register()
    welcome(shop, member_id, "alice")
    order = shop.order(member_id, points=1_500)
    assert order.payable_fen == 0
    caller = Caller("alice", shop.keys.appid)
    return lambda: shop.payments.prepay_order(member_id, caller, order.id)


def cancelled_before_it_was_shared(shop: CrashingShop) -> Scene:
    member_id = shop.register()
    order = shop.bought(member_id, store_id="xujiahui")
    return lambda: shop.payments.cancel_order(member_id, order.id)


def refused_after_it_was_shared(shop: CrashingShop) -> Scene:
    order = shop.bought(shop.register(), store_id="partner")
    shop.timers(rounds=2)
    return lambda: shop.refunds.refuse_order(shop.orders.get_order(order.id), "sold out", "cook")


def asked_for_and_approved(shop: CrashingShop) -> Scene:
    order = shop.bought(shop.register(), store_id="wujiaochang", items=[item(2)])
    asked = shop.refunds.ask_refund(order, AskRefundRequest(order_id=order.id, reason="cold"))
    decision = DecideRefundRequest(refund_id=asked.id, approve=True, actor="boss", role="manager")
    return lambda: shop.refunds.decide_refund(decision)


def a_share_closed_by_wechat_pay(shop: CrashingShop) -> Scene:
    shop.bought(shop.register(), store_id="xujiahui")
    shop.wechat.mode.set({"shares_end": "CLOSED"})
    shop.clock.advance(minutes=2)
    sweep(shop, "shares")
    shop.vendor_acts()
    shop.clock.advance(minutes=2)
    return lambda: sweep(shop, "shares")


@pytest.mark.parametrize("prepare", [
    cancelled_unpaid, closed_by_the_timer, paid_while_being_cancelled,
    money_for_a_cancelled_order, a_lost_notice_asked_for, paid_with_points_alone,
    cancelled_before_it_was_shared, refused_after_it_was_shared, asked_for_and_approved,
    a_share_closed_by_wechat_pay,
])  # fmt: skip
def test_the_timers_finish_what_a_dead_instance_began(
    shop: CrashingShop, prepare: Callable[[CrashingShop], Scene]
) -> None:
    assert right_wherever_it_dies(shop, lambda: prepare(shop)) > 1
