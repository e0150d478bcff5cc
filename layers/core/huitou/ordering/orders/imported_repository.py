"""Orders of other systems: every query that an import needs."""

from __future__ import annotations

from datetime import datetime

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.ordering.orders.imported_models import ImportedOrder
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.models import NOBODY, Order
from huitou.runtime.database import Database
from huitou.runtime.triggers import DONE, DUE

_TOLD = {field.alias or name: 1 for name, field in ImportedOrder.model_fields.items()}


class ImportedOrderRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")

    def by_ids(self, order_ids: list[str], session: ClientSession) -> dict[str, ImportedOrder]:
        """Return the orders that are there already, by id."""
        found = self._orders.find({"_id": {"$in": order_ids}}, _TOLD, session=session)
        return {order["_id"]: ImportedOrder.model_validate(order) for order in found}

    def of_members(
        self,
        member_ids: list[str],
        amounts_fen: list[int],
        since: datetime,
        until: datetime,
        session: ClientSession,
    ) -> list[ImportedOrder]:
        """Return these members' imported orders of these amounts, from `since` to before `until`.

        Those that were taken back are left out: they are not there any more.
        """
        found = self._orders.find(
            {
                "member_id": {"$in": member_ids},
                "created_at": {"$gte": since, "$lt": until},
                "origin": "import",
                "payable_fen": {"$in": amounts_fen},
                "undone_by": None,
            },
            _TOLD,
            session=session,
        )
        return [ImportedOrder.model_validate(order) for order in found]

    def insert(self, orders: list[Order], session: ClientSession) -> None:
        """Insert the orders; DuplicateKeyError if another import of the same file was faster."""
        self._orders.insert_many([order.document() for order in orders], session=session)

    def orders(self, order_ids: list[str], session: ClientSession) -> dict[str, LedgerOrder]:
        """Return imported orders by id, with the fields from which the ledgers follow."""
        found = self._orders.find(
            {"_id": {"$in": order_ids}, "origin": "import"},
            LedgerOrder.projection(),
            session=session,
        )
        return {order["_id"]: LedgerOrder.model_validate(order) for order in found}

    def refund(self, orders: list[LedgerOrder], session: ClientSession) -> None:
        """Write the orders' refunds and status.

        The caller read the orders in the same transaction, so no other refund is overwritten.
        """
        updates = [
            UpdateOne(
                {"_id": order.id},
                {
                    "$set": {
                        "status": order.status,
                        "refunds": [back.model_dump() for back in order.refunds],
                        "rollup": DUE,
                        "features": DUE if order.member_id != NOBODY else DONE,
                    },
                    "$inc": {"version": 1},
                    "$push": {"timeline": {"status": order.status, "at": order.refunds[-1].at}},
                },
            )
            for order in orders
        ]
        self._orders.bulk_write(updates, session=session)

    def mark_undone(self, order_ids: list[str], import_id: str, session: ClientSession) -> None:
        """Note with which import these orders were taken back."""
        self._orders.update_many(
            {"_id": {"$in": order_ids}, "origin": "import"},
            {"$set": {"undone_by": import_id}},
            session=session,
        )

    def who_ordered(self, member_ids: list[str], session: ClientSession) -> set[str]:
        """Return those of these members who have any order that was not taken back."""
        return set(
            self._orders.distinct(
                "member_id",
                {"member_id": {"$in": member_ids}, "undone_by": None},
                session=session,
            )
        )

    def count_of_others(self, order_ids: list[str], import_id: str, session: ClientSession) -> int:
        """Count those of the orders that an import has not taken back."""
        return self._orders.count_documents(
            {"_id": {"$in": order_ids}, "undone_by": {"$ne": import_id}}, session=session
        )
