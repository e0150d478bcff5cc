"""Every query on `orders` and `pickup_numbers`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from huitou.ordering.orders.models import (
    LEDGER_FIELDS,
    Invoice,
    LedgerOrder,
    Moment,
    Order,
    Paper,
    Status,
)
from huitou.ordering.orders.rules import ENDED, UNPAID, before
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DONE, DUE

DUE_AT_ONCE = 10_000  # Of one sweep; the next one finds the rest.


class OrderRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")
        self._numbers = database.collection("pickup_numbers")

    def insert(self, order: Order, session: ClientSession) -> None:
        """Insert; a second order of the same quote is a DuplicateKeyError."""
        self._orders.insert_one(order.document(), session=session)

    def find(self, order_id: str, session: ClientSession | None = None) -> Order | None:
        found = self._orders.find_one({"_id": order_id}, session=session)
        return Order.model_validate(found) if found else None

    def of_member(self, member_id: str, page: PageRequest) -> tuple[list[Order], str | None]:
        rows, after = newest_first(self._orders, {"member_id": member_id}, page, "created_at")
        return [Order.model_validate(row) for row in rows], after

    def any_open(self, member_id: str, session: ClientSession) -> bool:
        """Whether an order of a member isn't at its end yet."""
        where = {"member_id": member_id, "status": {"$nin": list(ENDED)}}
        return self._orders.find_one(where, {"_id": 1}, session=session) is not None

    def forget(self, member_id: str, session: ClientSession) -> None:
        """Take away where a member's orders went: the books don't need it."""
        self._orders.update_many(
            {"member_id": member_id, "delivery": {"$exists": True}},
            {"$unset": {"delivery": ""}},
            session=session,
        )

    def step(
        self,
        order_id: str,
        to: Status,
        at: datetime,
        session: ClientSession | None = None,
        *,
        actor: str | None = None,
        **changes: Any,
    ) -> bool:
        """Move an order on; False unless it stands where this step may begin.

        The old state is in the filter, so of two callers who both saw it, one must lose.
        """
        moment = Moment(status=to, at=at, actor=actor).model_dump(exclude_none=True)
        update: Document = {
            "$set": {"status": to, **changes},
            "$inc": {"version": 1},
            "$push": {"timeline": moment},
        }
        if to == "completed":
            update["$unset"] = {"complete_by": ""}
        moved = self._orders.update_one(
            {"_id": order_id, "status": {"$in": before(to)}}, update, session=session
        )
        return moved.matched_count == 1

    def put_refunds(
        self, before: Order, after: Order, moments: list[Moment], due: bool, session: ClientSession
    ) -> bool:
        """Write what a refund's beginning or end makes of an order; False if it changed meanwhile.

        The version read is in the filter: of two refunds that both saw the same rest one must
        come again and find less.
        """
        kept = {
            "status": after.status,
            "refund_status": after.refund_status,
            "before_refund": after.before_refund,
            "refunding": [pending.model_dump() for pending in after.refunding] or None,
            "refunds": [back.model_dump() for back in after.refunds] or None,
        }
        update: Document = {
            "$set": {name: value for name, value in kept.items() if value is not None},
            "$unset": {name: "" for name, value in kept.items() if value is None},
            "$inc": {"version": 1},
            "$push": {"timeline": {"$each": [m.model_dump(exclude_none=True) for m in moments]}},
        }
        if due:
            update["$set"] |= {"settlement": DUE, "settlement_since": time.time()}
        if after.status == "refunded":
            update["$unset"]["complete_by"] = ""
        if not update["$unset"]:
            del update["$unset"]
        moved = self._orders.update_one(
            {"_id": before.id, "version": before.version}, update, session=session
        )
        return moved.matched_count == 1

    def next_number(self, store_id: str, day: str) -> int:
        """Take the next 取餐号 of a store's business day; a number not used stays a gap.

        Its own document and no transaction: orders of a busy store must not wait for each other.
        """
        counted = self._numbers.find_one_and_update(
            {"_id": f"{store_id}:{day}"},
            {"$inc": {"last": 1}, "$setOnInsert": {"schema": 1, "day": day}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int((counted or {})["last"])

    def to_complete(self, at: datetime) -> Iterator[str]:
        """Paid orders whose time to end by themselves has come; oldest first."""
        due = (
            self._orders.find({"complete_by": {"$lt": at}}, {"_id": 1})
            .sort("complete_by", 1)
            .limit(DUE_AT_ONCE)
        )
        yield from (order["_id"] for order in due)

    def untold(self, paper: Paper) -> Iterator[str]:
        """Orders of which WeChat has yet to hear."""
        due = self._orders.find({paper: DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (order["_id"] for order in due)

    def told(self, order: Order, paper: Paper, outcome: str) -> None:
        """Note what became of telling WeChat; an order that moved on meanwhile is told again."""
        as_told = {"_id": order.id, paper: DUE, "version": order.version}
        self._orders.update_one(as_told, {"$set": {paper: outcome}})

    def put_invoice(self, order_id: str, invoice: Invoice) -> bool:
        """Keep the invoice asked for; False if one was: of two requests the first one stands."""
        kept = self._orders.update_one(
            {"_id": order_id, "invoice": {"$exists": False}},
            {"$set": {"invoice": invoice.model_dump(exclude_none=True)}},
        )
        return kept.matched_count == 1

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
        """Mark a due order settled and return it as it was; None if it isn't due.

        Inside the settling transaction this is its first write: a second settler of the same
        order conflicts here and, retried, finds nothing due; a refund that comes in between
        conflicts too and is settled as the newer state.
        """
        found = self._orders.find_one_and_update(
            {"_id": order_id, "settlement": DUE},
            {"$set": {"settlement": DONE, "rollup": DUE, "features": DUE}},
            projection=LEDGER_FIELDS,
            session=session,
        )
        return LedgerOrder.model_validate(found) if found else None
