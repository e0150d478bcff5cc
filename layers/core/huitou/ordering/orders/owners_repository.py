"""Queries on `orders` by their owner: what a merge hands over, and what an erasure forgets."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.rules import ENDED, UNPAID
from huitou.runtime.database import Database
from huitou.runtime.triggers import DUE


class OwnersRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")

    def first_open(self, member_ids: Sequence[str], session: ClientSession) -> str | None:
        """Return the id of an order that isn't completed, cancelled or refunded; None if none."""
        where = {"member_id": {"$in": list(member_ids)}, "status": {"$nin": list(ENDED)}}
        found = self._orders.find_one(where, {"_id": 1}, session=session)
        return str(found["_id"]) if found else None

    def holding_points(self, member_id: str, session: ClientSession) -> list[LedgerOrder]:
        """Return the member's orders for which points may still be set aside."""
        found = self._orders.find(
            {
                "member_id": member_id,
                "points_used": {"$gt": 0},
                "$or": [{"status": {"$in": list(UNPAID)}}, {"settlement": DUE}],
            },
            LedgerOrder.projection(),
            session=session,
        )
        return [LedgerOrder.model_validate(order) for order in found]

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give all orders of one member to another, in a merge; returns how many.

        The version rises: whoever read an order before, and goes on with it, conflicts and reads
        it again. `placed_by` keeps the first owner, whose OpenID paid.
        """
        placed_by = {"$ifNull": ["$placed_by", "$member_id"]}
        moved = {"placed_by": placed_by, "member_id": into_id, "version": {"$add": ["$version", 1]}}
        return self._orders.update_many(
            {"member_id": source_id}, [{"$set": moved}], session=session
        ).modified_count

    def paid_by_owner(self, order_id: str, session: ClientSession) -> None:
        """Note that the owner's own WeChat paid an order that another id had placed."""
        self._orders.update_one({"_id": order_id}, {"$unset": {"placed_by": ""}}, session=session)

    def forget(self, member_ids: Sequence[str], session: ClientSession) -> None:
        """Delete the addresses of these members' orders, and the e-mails for invoices.

        The accounts don't need them. The invoice itself stays: tax law wants it.
        """
        self._orders.update_many(
            {"member_id": {"$in": list(member_ids)}, "delivery": {"$exists": True}},
            {"$unset": {"delivery": ""}},
            session=session,
        )
        self._orders.update_many(
            {"member_id": {"$in": list(member_ids)}, "invoice.email": {"$exists": True}},
            {"$unset": {"invoice.email": ""}},
            session=session,
        )
