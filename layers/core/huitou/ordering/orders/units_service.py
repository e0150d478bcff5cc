"""What orders take of limited offers: units of pools, and the uses of each member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession

from huitou.ordering.orders.repository import OrderRepository
from huitou.promotions.quotas.rules import MOST_UNPAID, too_many_unpaid
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

if TYPE_CHECKING:
    from huitou.ordering.orders.models import Order
    from huitou.promotions.quotas.models import InFlight, OrderUse


class OrderUnits:
    """Takes units of pools for orders; a person's unpaid orders with such units are few.

    Without that bound one guest could keep a whole quota from the others and pay for nothing. An
    order that uses no pool costs no command here.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._orders = OrderRepository(database)
        self._limiter = Limiter(database, clock)

    def reserve_units(
        self, member_id: str, order_id: str, uses: Sequence[OrderUse], taken: list[InFlight]
    ) -> list[OrderUse]:
        """Take the units of an order before its transaction; `taken` gets them.

        Returns the uses with the names of their units. Raises Refusal TOO_MANY_UNPAID or
        OFFER_USED_UP. The unpaid orders are counted first, so that a refused order takes no unit.
        """
        if _any_pooled(uses):
            held = self._orders.count_holding_units([member_id], MOST_UNPAID)
            if held >= MOST_UNPAID:
                raise too_many_unpaid()
        return self._limiter.reserve_units(member_id, order_id, uses, taken)

    def count_uses(self, order: Order, earlier: Sequence[str], session: ClientSession) -> None:
        """Count what the order uses, in the transaction that has inserted it.

        Raises Refusal TOO_MANY_UNPAID or OFFER_LIMIT_REACHED. The transaction wrote the person
        before: so of two orders that are created at once, one runs again and counts the other.
        `earlier` are the ids that were merged into the member's.
        """
        if _any_pooled(order.uses):
            ids = [order.member_id, *earlier]
            if self._orders.count_holding_units(ids, MOST_UNPAID + 1, session) > MOST_UNPAID:
                raise too_many_unpaid()
        self._limiter.count_uses(order.member_id, order.uses, session)

    def settle_units(self, taken: Sequence[InFlight], order: Order | None) -> None:
        """Settle the units after the order was written, or refused (None)."""
        self._limiter.settle_units(taken, order.uses if order else [])

    def give_back_uses(self, order: Order, session: ClientSession) -> None:
        """Take back the uses of a cancelled order, in the transaction that cancels it."""
        self._limiter.give_back_uses(order.member_id, order.uses, order.created_at, session)

    def quota_units(self, order_id: str) -> set[str] | None:
        """Return the quota units that an order has used; None if there is no such order."""
        order = self._orders.find(order_id)
        if order is None:
            return None
        return {use.piece for use in order.uses if use.piece is not None}


def _any_pooled(uses: Sequence[OrderUse]) -> bool:
    return any(use.pooled for use in uses)
