"""The chain in which random tests move money, and how a test acts in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from hypothesis import note

from at_rest import sweep
from crashing import CrashingShop
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.models import RefundRequest
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.identity import Caller
from paying import Notice

seen: Counter[str] = Counter()  # Counts what happened: a run in which little happens proves little.


class World:
    """A chain where each action may be refused, interrupted, or end in a crash."""

    def __init__(self, shop: CrashingShop) -> None:
        self.shop = shop
        self.orders: list[Order] = []
        self.phones: list[tuple[str, dict[str, str]]] = []
        self.on_their_way: list[Notice] = []
        self.come: list[Notice] = []
        self.asked: list[RefundRequest] = []
        self.coupons: dict[str, list[str]] = {}
        self.last = -1
        self.members: dict[str, str] = {}

    def attempt(self, at: int, work: Callable[[], object]) -> object:
        """Do something in an instance that dies at its `at`-th step (0: it doesn't die).

        If `at` is below 0, another instance acts between two of its steps (`between`). Returns the
        result or the error; None after a crash.
        """
        seen["steps of ours"] += 1
        result: list[object] = []

        def answered() -> None:
            try:
                result.append(work())
            except (Refusal, Unavailable) as error:
                result.append(error)

        if at < 0:
            seen["interrupted"] += self.shop.interrupts(-at // 8 + 1, answered, self.between(at))[1]
        elif self.shop.crashes(at, answered):
            seen["crashes"] += 1
            note(f"  crashed {self.shop.faults.taken[-1]}")
            return None
        if isinstance(result[0], Exception):
            note(f"  {result[0]!r} {getattr(result[0], 'detail', '')}")
        return result[0]

    def between(self, number: int) -> Callable[[], object]:
        """Return an action of another instance on the order that was used last."""
        shop, order = self.shop, self.orders[self.last] if self.orders else None
        doings: list[Callable[[Order], object]] = [
            lambda order: shop.payments.cancel_order(order.member_id, order.id),
            lambda order: shop.payments.prepay_order(
                order.member_id, Caller(self.name_of(order), shop.keys.appid), order.id
            ),
            lambda order: shop.refunds.refuse_order(
                shop.orders.get_order(order.id), "sold out", "cook"
            ),
            lambda order: shop.give_back(order.id, f"{order.id}-between", amount_fen=300),
            lambda _: [self.shop.take(notice) for notice in self.come + self.on_their_way],
            lambda order: shop.payments.close_unpaid_order(order.id),
            lambda _: sweep(shop, "refunds"),
            lambda order: shop.sharing.carry_on_share(order.id),
        ]

        def do() -> None:
            if order is not None:
                with suppress(Refusal, Unavailable):
                    doings[number % 8](order)

        return do

    def order(self, number: int) -> Order:
        self.last = number % len(self.orders)
        return self.orders[self.last]

    def name_of(self, order: Order) -> str:
        return next(name for name, member in self.members.items() if member == order.member_id)

    def look(self) -> None:
        """Collect the notices that WeChat Pay has sent; they are on their way."""
        self.on_their_way += self.shop.notices
        self.shop.notices.clear()
