"""Every query on `refunds`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from huitou.payments.refunds.errors import REFUND
from huitou.payments.refunds.models import Refund, RefundRules, RefundStatus
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

OPEN: tuple[RefundStatus, ...] = ("requested", "abandoning", "processing", "abnormal")
MOST_OF_ONE_ORDER = 200
OPEN_AT_ONCE = 5_000  # The most that one run reads; the next run finds the rest.


class RefundRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._refunds = database.collection("refunds")
        self._rules = database.collection("rules")
        self._payments = database.collection("payments")

    def insert(self, refund: Refund, session: ClientSession | None = None) -> None:
        """Insert a refund; raises DuplicateKeyError if the id exists."""
        self._refunds.insert_one(refund.document(), session=session)

    def find(self, refund_id: str, session: ClientSession | None = None) -> Refund | None:
        found = self._refunds.find_one({"_id": refund_id}, session=session)
        return Refund.model_validate(found) if found else None

    def get(self, refund_id: str) -> Refund:
        """Return a refund; raises Refusal NOT_FOUND if there is none."""
        refund = self.find(refund_id)
        if refund is None:
            raise Refusal(Code.NOT_FOUND, field="refund_id", detail=REFUND)
        return refund

    def step(
        self,
        refund_id: str,
        before: Sequence[RefundStatus],
        after: RefundStatus,
        session: ClientSession | None = None,
        **changes: Any,
    ) -> bool:
        """Move a refund to status `after`; False unless its status is one of `before`.

        Callbacks, queries and the timer all call this. If two call it at once, the second changes
        nothing.
        """
        moved = self._refunds.update_one(
            {"_id": refund_id, "status": {"$in": list(before)}},
            {"$set": {"status": after, **changes}},
            session=session,
        )
        return moved.matched_count == 1

    def open_ones(self) -> Iterator[str]:
        """Refunds that may still change; a person may still complete an abnormal one."""
        found = self._refunds.find({"status": {"$in": list(OPEN)}}, {"_id": 1}).sort("_id", 1)
        yield from (refund["_id"] for refund in found.limit(OPEN_AT_ONCE))

    def listing(self, status: RefundStatus, after: str | None, limit: int) -> list[Refund]:
        """Refunds of one status after a cursor, sorted by id."""
        where = {"status": status, "_id": {"$gt": after or ""}}
        found = self._refunds.find(where).sort("_id", 1).limit(limit)
        return [Refund.model_validate(document) for document in found]

    def of_order(self, order_id: str) -> list[Refund]:
        """All refunds of an order, whatever their status."""
        found = self._refunds.find({"order_id": order_id}).limit(MOST_OF_ONE_ORDER)
        return [Refund.model_validate(document) for document in found]

    def paid_by(self, order_id: str, session: ClientSession) -> str | None:
        """The out_trade_no that paid an order; orders stored by older versions don't name it."""
        found = self._payments.find_one(
            {"order_id": order_id, "status": "success"}, {"_id": 1}, session=session
        )
        return str(found["_id"]) if found else None

    def rules(self) -> RefundRules:
        """The chain's limits; the defaults if it has set none."""

        def read() -> RefundRules:
            found = self._rules.find_one({"_id": "refunds"})
            return RefundRules.model_validate(found) if found else RefundRules()

        return self._cache.get("refund rules", read)
