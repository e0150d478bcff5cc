"""Every query on `points_adjustments`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pymongo.client_session import ClientSession

from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustmentsRequest,
    AdjustmentStatus,
    DecideAdjustmentRequest,
    Given,
)
from huitou.runtime.database import Database, insert_new
from huitou.runtime.paging import newest_first

# "codes" are all gifts to many: codes, coupons to claim, campaigns. "cuts" are those of a dish's
# prices, in basis points; their document has the dish in place of the actor.
_SUMS: dict[Given, str] = {
    "gifts": "gifts_fen",
    "refunds": "refunds_fen",
    "codes": "codes_fen",
    "cuts": "cuts_bp",
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
        """Add to a sum of the day unless it would pass the limit; False if it would."""
        return self.take_all({kind: (fen, limit_fen)}, actor, day, session)

    def take_all(
        self, sums: Mapping[Given, tuple[int, int]], actor: str, day: str, session: ClientSession
    ) -> bool:
        """Add amounts to sums of the day, each with its limit: all of them, or none.

        If two gifts are made at once, they conflict on this document: the second one runs again
        and finds the first one's sum.
        """
        within = {_SUMS[kind]: {"$lte": most - amount} for kind, (amount, most) in sums.items()}
        taken = self._given.update_one(
            {"_id": {"actor": actor, "day": day}, **within},
            {"$inc": {_SUMS[kind]: amount for kind, (amount, _) in sums.items()}},
            session=session,
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
