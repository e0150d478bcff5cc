"""Orders of other systems: every query that an import needs."""

from __future__ import annotations

from datetime import datetime

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.ordering.orders.imported_models import ImportedOrder
from huitou.ordering.orders.models import LEDGER_FIELDS, LedgerOrder, Order
from huitou.runtime.database import Database
from huitou.runtime.triggers import DUE


class ImportedOrderRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")

    def digests(self, order_ids: list[str], session: ClientSession) -> dict[str, str]:
        """Return the request digests of those orders that exist already, by order id."""
        found = self._orders.find(
            {"_id": {"$in": order_ids}}, {"request_digest": 1}, session=session
        )
        return {order["_id"]: order["request_digest"] for order in found}

    def at_moments(
        self, member_ids: list[str], moments: list[datetime], session: ClientSession
    ) -> list[ImportedOrder]:
        """Return these members' imported orders that were created at these moments."""
        found = self._orders.find(
            {
                "member_id": {"$in": member_ids},
                "created_at": {"$in": moments},
                "origin": "import",
            },
            {field.alias or name: 1 for name, field in ImportedOrder.model_fields.items()},
            session=session,
        )
        return [ImportedOrder.model_validate(order) for order in found]

    def insert(self, orders: list[Order], session: ClientSession) -> None:
        """Insert the orders; DuplicateKeyError if another import of the same file was faster."""
        self._orders.insert_many([order.document() for order in orders], session=session)

    def orders(self, order_ids: list[str], session: ClientSession) -> dict[str, LedgerOrder]:
        """Return imported orders by id, with the fields from which the ledgers follow."""
        found = self._orders.find(
            {"_id": {"$in": order_ids}, "origin": "import"}, LEDGER_FIELDS, session=session
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
                        "features": DUE,
                    },
                    "$inc": {"version": 1},
                    "$push": {"timeline": {"status": order.status, "at": order.refunds[-1].at}},
                },
            )
            for order in orders
        ]
        self._orders.bulk_write(updates, session=session)
