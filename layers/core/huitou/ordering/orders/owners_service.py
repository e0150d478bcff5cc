"""Orders and their owner: a merge hands them over, an erasure takes the names off them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession

from huitou.loyalty.points.repository import PointsRepository
from huitou.ordering.orders.owners_repository import OwnersRepository
from huitou.ordering.orders.rules import drawn_lots
from huitou.runtime.database import Database

if TYPE_CHECKING:
    from huitou.loyalty.points.models import LotMove


class OrderOwners:
    """What merges and erasures do with a member's orders, within their transactions."""

    def __init__(self, database: Database) -> None:
        self._orders = OwnersRepository(database)
        self._ledger = PointsRepository(database)

    def find_open_order(self, member_ids: Sequence[str], session: ClientSession) -> str | None:
        """Return an order of these members that is under way; None if there is none."""
        return self._orders.first_open(member_ids, session)

    def points_set_aside(self, member_id: str, session: ClientSession) -> list[LotMove]:
        """Return the lots that the member's orders hold and that no ledger entry has spent."""
        orders = self._orders.holding_points(member_id, session)
        spent = self._ledger.by_ids([f"use:{order.id}" for order in orders], session)
        waiting = [order for order in orders if f"use:{order.id}" not in spent]
        return [part for order in waiting for part in drawn_lots(order)]

    def hand_over_orders(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give all orders of one member to another; returns how many."""
        return self._orders.hand_over(source_id, into_id, session)

    def note_payer_is_owner(self, order_id: str, session: ClientSession) -> None:
        """Note that the owner's own WeChat paid, and not that of the id that placed the order.

        WeChat wants to be told of a handover under the OpenID that paid.
        """
        self._orders.paid_by_owner(order_id, session)

    def forget_addresses(self, member_ids: Sequence[str], session: ClientSession) -> None:
        """Delete names, phones and addresses of these members' orders."""
        self._orders.forget(member_ids, session)
