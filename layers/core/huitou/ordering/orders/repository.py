"""Every query on `orders` and `pickup_numbers`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.results import UpdateResult

from huitou.ordering.orders.rules import UNPAID, before
from huitou.runtime.database import Database, Document
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DONE, DUE

with late_imports():
    from huitou.ordering.orders.ledger_models import LedgerOrder
    from huitou.ordering.orders.models import Invoice, Moment, Order, Status, WeChatUpdate

DUE_AT_ONCE = 10_000  # One sweep reads so many; the next sweep finds the rest.


class OrderRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")
        self._followers = database.followers
        self._numbers = database.collection("pickup_numbers")

    def insert(self, order: Order, session: ClientSession) -> None:
        """Insert the order; DuplicateKeyError if the same quote was ordered before."""
        self._orders.insert_one(order.document(), session=session)

    def find(self, order_id: str, session: ClientSession | None = None) -> Order | None:
        found = self._orders.find_one({"_id": order_id}, session=session)
        return Order.model_validate(found) if found else None

    def first_of(
        self, order_ids: Sequence[str], session: ClientSession | None = None
    ) -> Order | None:
        """Return one of these orders; None if none of them exists."""
        if not order_ids:
            return None
        found = self._orders.find_one({"_id": {"$in": list(order_ids)}}, session=session)
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
        actor: str | None = None,
        **changes: Any,
    ) -> bool:
        """Move an order to the status `to`; False if that isn't allowed from its present status.

        The filter names the old status: if two callers saw the same status, only one succeeds.
        """
        where, update = _move(order_id, to, at, actor, changes)
        moved = self._orders.update_one(where, update, session=session)
        return self._is_written(order_id, moved, update)

    def pay(
        self, order_id: str, at: datetime, session: ClientSession | None, changes: Document
    ) -> str | None:
        """Move an order to "paid" as `step` does; returns whose it is, None if it isn't allowed."""
        move = _move(order_id, "paid", at, None, changes)
        found = self._orders.find_one_and_update(
            *move, projection={"member_id": 1}, session=session
        )
        if found is None:
            return None
        self._followers.written("orders", [order_id], changes)
        return str(found["member_id"])

    def put_refunds(
        self, before: Order, after: Order, moments: list[Moment], due: bool, session: ClientSession
    ) -> bool:
        """Write the order after a refund began or ended; False if it changed since it was read.

        The filter names the version that was read. If two refunds saw the same remaining amount,
        one fails, reads the order again and finds less left.
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
        return self._is_written(before.id, moved, update)

    def _is_written(self, order_id: str, moved: UpdateResult, update: Document) -> bool:
        """Tell whether an update found its order; if so, functions that follow it are started."""
        if moved.matched_count == 1:
            self._followers.written("orders", [order_id], update["$set"])
        return moved.matched_count == 1

    def next_number(self, store_id: str, day: str) -> int:
        """Take the next 取餐号 of a store's business day; an unused number leaves a gap.

        The counter is a document of its own and isn't part of a transaction, so that orders of a
        busy store don't wait for each other.
        """
        counted = self._numbers.find_one_and_update(
            {"_id": f"{store_id}:{day}"},
            {"$inc": {"last": 1}, "$setOnInsert": {"schema": 1, "day": day}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int((counted or {})["last"])

    def to_complete(self, at: datetime) -> Iterator[str]:
        """Yield the paid orders that must be completed automatically by now, oldest first."""
        due = (
            self._orders.find({"complete_by": {"$lt": at}}, {"_id": 1})
            .sort("complete_by", 1)
            .limit(DUE_AT_ONCE)
        )
        yield from (order["_id"] for order in due)

    def untold(self, update: WeChatUpdate) -> Iterator[str]:
        """Yield the orders for which WeChat must still be sent this update."""
        due = self._orders.find({update: DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (order["_id"] for order in due)

    def told(self, order: Order, update: WeChatUpdate, outcome: str) -> None:
        """Write the outcome of an update to WeChat.

        An order that changed since it was sent stays due and is sent again.
        """
        as_sent = {"_id": order.id, update: DUE, "version": order.version}
        self._orders.update_one(as_sent, {"$set": {update: outcome}})

    def put_invoice(self, order_id: str, invoice: Invoice, session: ClientSession) -> None:
        """Keep a request for an invoice; if an earlier request exists, that one stands."""
        self._orders.update_one(
            {"_id": order_id, "invoice": {"$exists": False}},
            {"$set": {"invoice": invoice.model_dump(exclude_none=True)}},
            session=session,
        )

    def unpaid_past(self, at: datetime) -> Iterator[str]:
        """Yield the unpaid orders whose time to pay is over, oldest first.

        Orders whose closing was interrupted are among them.
        """
        due = (
            self._orders.find(
                {"status": {"$in": list(UNPAID)}, "expires_at": {"$lt": at}}, {"_id": 1}
            )
            .sort("expires_at", 1)
            .limit(DUE_AT_ONCE)
        )
        yield from (order["_id"] for order in due)

    def count_holding_units(
        self, member_ids: Sequence[str], most: int, session: ClientSession | None = None
    ) -> int:
        """Return how many unpaid orders of a person hold units of a pool; `most` at most."""
        where = {
            "member_id": {"$in": list(member_ids)},
            "status": {"$in": list(UNPAID)},
            "uses.piece": {"$exists": True},
        }
        return self._orders.count_documents(where, limit=most, session=session)

    def settlement_due(self) -> Iterator[str]:
        """Yield the orders whose ledgers may lag behind; the cost depends only on how many."""
        due = self._orders.find({"settlement": DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (order["_id"] for order in due)

    def take_due(self, order_id: str, session: ClientSession) -> LedgerOrder | None:
        """Mark a due order as settled and return its state; None if it isn't due.

        This is the first write of the settling transaction. A second run for the same order
        conflicts here, is retried and finds nothing due. A refund that comes in between conflicts
        too, and the retry settles the newer state.
        """
        found = self._orders.find_one_and_update(
            {"_id": order_id, "settlement": DUE},
            {
                "$set": {"settlement": DONE, "rollup": DUE, "features": DUE},
                "$unset": {"settlement_since": ""},
            },
            projection=LedgerOrder.projection(),
            session=session,
        )
        self._followers.written("orders", [order_id], {"settlement": DONE})
        return LedgerOrder.model_validate(found) if found else None


def _move(
    order_id: str, to: Status, at: datetime, actor: str | None, changes: Document
) -> tuple[Document, Document]:
    """Return the guarded write that moves an order to the status `to`."""
    moment = Moment(status=to, at=at, actor=actor).model_dump(exclude_none=True)
    update: Document = {
        "$set": {"status": to, **changes},
        "$inc": {"version": 1},
        "$push": {"timeline": moment},
    }
    if to == "completed":
        update["$unset"] = {"complete_by": ""}
    elif to in ("paid", "cancelled"):
        update["$unset"] = {"expires_at": ""}
    return {"_id": order_id, "status": {"$in": before(to)}}, update
