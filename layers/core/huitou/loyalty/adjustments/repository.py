"""Every query on `points_adjustments`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pymongo.client_session import ClientSession

from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustmentsRequest,
    AdjustmentStatus,
    DecideAdjustmentRequest,
)
from huitou.runtime.database import Database, insert_new
from huitou.runtime.paging import newest_first

Given = Literal["gifts", "refunds", "codes"]
_SUMS: dict[Given, str] = {
    "gifts": "gifts_fen",
    "refunds": "refunds_fen",
    "codes": "codes_fen",
}
MOST_A_DAY = 1_000  # Adjustments by one actor for one member; far over any limit.


class AllowanceRepository:
    """What each person of the staff gave on a business day: one document with guarded sums."""

    def __init__(self, database: Database) -> None:
        self._given = database.collection("staff_gifts")

    def open(self, actor: str, day: str) -> None:
        """Make the document before the transaction, so that nobody's first gift conflicts."""
        key = {"actor": actor, "day": day}
        if self._given.find_one({"_id": key}, {"_id": 1}) is None:
            insert_new(self._given, {"_id": key, "schema": 1, **dict.fromkeys(_SUMS.values(), 0)})

    def take(
        self, kind: Given, actor: str, day: str, fen: int, limit_fen: int, session: ClientSession
    ) -> bool:
        """Add to a sum of the day unless it would pass the limit; False if it would.

        If two gifts are made at once, they conflict on this document: the second one runs again
        and finds the first one's sum.
        """
        key, name = {"actor": actor, "day": day}, _SUMS[kind]
        taken = self._given.update_one(
            {"_id": key, name: {"$lte": limit_fen - fen}}, {"$inc": {name: fen}}, session=session
        )
        return taken.matched_count == 1


class AdjustmentRepository:
    def __init__(self, database: Database) -> None:
        self._adjustments = database.collection("points_adjustments")

    def insert(self, adjustment: Adjustment, session: ClientSession) -> None:
        """Insert; raises DuplicateKeyError if the id exists already."""
        self._adjustments.insert_one(adjustment.document(), session=session)

    def find(self, adjustment_id: str, session: ClientSession | None = None) -> Adjustment | None:
        found = self._adjustments.find_one({"_id": adjustment_id}, session=session)
        return Adjustment.model_validate(found) if found else None

    def same_day(
        self, member_id: str, actor: str, day: str, session: ClientSession
    ) -> list[Adjustment]:
        """Return what one actor has asked for one member on a business day."""
        where = {"member_id": member_id, "actor": actor, "day": day}
        found = self._adjustments.find(where, session=session).limit(MOST_A_DAY)
        return [Adjustment.model_validate(document) for document in found]

    def decide(
        self,
        request: DecideAdjustmentRequest,
        status: AdjustmentStatus,
        at: datetime,
        session: ClientSession,
    ) -> bool:
        """Decide a waiting adjustment; False if it isn't waiting any more."""
        changes = {
            "status": status,
            "decided_by": request.actor,
            "decided_role": request.role,
            "decided_at": at,
        }
        if request.reason is not None:
            changes["decided_reason"] = request.reason
        # The filter names the old status: if two people decide at once, only one of them matches.
        moved = self._adjustments.update_one(
            {"_id": request.adjustment_id, "status": "awaiting_approval"},
            {"$set": changes},
            session=session,
        )
        return moved.matched_count == 1

    def page(self, request: AdjustmentsRequest) -> tuple[list[Adjustment], str | None]:
        """Return a page of one status, the newest first, and the next cursor."""
        where = {"status": request.status}
        rows, after = newest_first(self._adjustments, where, request, "created_at")
        return [Adjustment.model_validate(row) for row in rows], after
