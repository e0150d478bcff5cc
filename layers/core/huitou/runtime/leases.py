"""A fenced lease: one holder at a time.

It uses the database server's time only, so the clocks of the holders may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import ReturnDocument

from huitou.runtime.database import Database, Document

TTL_MS = 6_000  # If a holder dies, another one can take the lease after this time.
LATE_MS = 3_000  # A holder that has not renewed for this long is probably dead.


@dataclass(frozen=True)
class Lease:
    """A lease we hold, until another holder gets a higher `fence`.

    Every write that the lease guards has the fence in its filter.
    """

    name: str
    fence: int


def acquire(database: Database, name: str, *, until_ms: int) -> Lease | None:
    """Take the lease; None if somebody holds it. We plan to hand over in `until_ms` from now.

    The filter and the write are one operation on a document that always exists. If two callers
    try at once, one of them finds `expires_at` already moved and gets nothing.
    """
    collection = database.collection("leases")
    collection.update_one(
        {"_id": name},
        {"$setOnInsert": {"schema": 1, "fence": 0, "expires_at": datetime.fromtimestamp(0, UTC)}},
        upsert=True,
    )
    taken = collection.find_one_and_update(
        {"_id": name, "$expr": {"$lt": ["$expires_at", "$$NOW"]}},
        [
            {
                "$set": {
                    "fence": {"$add": ["$fence", 1]},
                    "expires_at": {"$add": ["$$NOW", TTL_MS]},
                    "hands_over_at": {"$add": ["$$NOW", until_ms]},
                }
            }
        ],
        return_document=ReturnDocument.AFTER,
    )
    return Lease(name, taken["fence"]) if taken else None


def renew(database: Database, lease: Lease) -> bool:
    """Keep the lease for another TTL; False if somebody with a higher fence has taken over."""
    return _as_holder(database, lease, {"expires_at": {"$add": ["$$NOW", TTL_MS]}})


def release(database: Database, lease: Lease) -> None:
    """Give up the lease now, so that the next holder doesn't have to wait for the TTL."""
    _as_holder(database, lease, {"expires_at": {"$subtract": ["$$NOW", 1]}})


def _as_holder(database: Database, lease: Lease, changes: Document) -> bool:
    held = {"_id": lease.name, "fence": lease.fence}
    return database.collection("leases").update_one(held, [{"$set": changes}]).matched_count == 1


def seconds_until_handover(database: Database, name: str) -> float:
    """Return how many seconds the present holder plans to stay.

    Returns 0 if the holder is gone, hasn't renewed in time, or should have handed over by now.
    """
    alive = {"$gt": ["$expires_at", {"$add": ["$$NOW", TTL_MS - LATE_MS]}]}
    found = database.collection("leases").aggregate(
        [
            {"$match": {"_id": name, "$expr": alive}},
            {"$project": {"left_ms": {"$subtract": ["$hands_over_at", "$$NOW"]}}},
        ]
    )
    return max(0.0, next((row["left_ms"] / 1000 for row in found), 0.0))
