"""Every query on `orders`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from huitou.orders.models import LEDGER_FIELDS, GivenBack, LedgerOrder, Order, Status
from huitou.orders.rules import UNPAID, before
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DONE, DUE

DUE_AT_ONCE = 10_000  # Of one sweep; the next one finds the rest.


class OrderRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")

    def insert(self, order: Order, session: ClientSession) -> None:
        """Insert; a second order of the same quote is a DuplicateKeyError."""
        self._orders.insert_one(order.document(), session=session)

    def find(self, order_id: str, session: ClientSession | None = None) -> Order | None:
        found = self._orders.find_one({"_id": order_id}, session=session)
        return Order.model_validate(found) if found else None

    def of_member(self, member_id: str, page: PageRequest) -> tuple[list[Order], str | None]:
        rows, after = newest_first(self._orders, {"member_id": member_id}, page, "created_at")
        return [Order.model_validate(row) for row in rows], after

    def step(
        self,
        order_id: str,
        to: Status,
        at: datetime,
        session: ClientSession | None = None,
        *,
        given_back: GivenBack | None = None,
        **changes: Any,
    ) -> bool:
        """Move an order on; False unless it stands where this step may begin.

        The old state is in the filter, so of two callers who both saw it, one must lose.
        """
        pushed: Document = {"timeline": {"status": to, "at": at}}
        if given_back is not None:
            pushed["refunds"] = given_back.model_dump()
        moved = self._orders.update_one(
            {"_id": order_id, "status": {"$in": before(to)}},
            {
                "$set": {"status": to, **changes},
                "$inc": {"version": 1},
                "$push": pushed,
            },
            session=session,
        )
        return moved.matched_count == 1

    def step_back_to_paid(
        self, order_id: str, refund_id: str, at: datetime, session: ClientSession
    ) -> bool:
        """Take back a refund that came to nothing, under its own id."""
        moved = self._orders.update_one(
            {"_id": order_id, "status": "refunding", "refund_id": refund_id},
            {
                "$set": {"status": "paid"},
                "$unset": {"refund_id": ""},
                "$inc": {"version": 1},
                "$push": {"timeline": {"status": "paid", "at": at}},
            },
            session=session,
        )
        return moved.matched_count == 1

    def unpaid_past(self, at: datetime) -> Iterator[str]:
        """Orders whose time to pay is over, or that were left half closed; oldest first."""
        due = (
            self._orders.find(
                {"status": {"$in": list(UNPAID)}, "expires_at": {"$lt": at}}, {"_id": 1}
            )
            .sort("expires_at", 1)
            .limit(DUE_AT_ONCE)
        )
        yield from (order["_id"] for order in due)

    def settlement_due(self) -> Iterator[str]:
        """Orders whose ledgers may lag behind; cost follows what is due."""
        due = self._orders.find({"settlement": DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (order["_id"] for order in due)

    def take_due(self, order_id: str, session: ClientSession) -> LedgerOrder | None:
        """Mark a due order settled and return the state being settled; None if it isn't due.

        Inside the settling transaction this is its first write: a second settler of the same
        order conflicts here and, retried, finds nothing due; a refund that comes in between
        conflicts too and is settled as the newer state.
        """
        found = self._orders.find_one_and_update(
            {"_id": order_id, "settlement": DUE},
            {"$set": {"settlement": DONE, "rollup": DUE}},
            projection=LEDGER_FIELDS,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return LedgerOrder.model_validate(found) if found else None
