"""A fenced lease on the database server's time: one holder at a time, however clocks differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import ReturnDocument

from huitou.runtime.database import Database, Document

TTL_MS = 6_000  # A holder that dies can be followed after this long.
LATE_MS = 3_000  # A holder that has not renewed for this long is probably dead.


@dataclass(frozen=True)
class Lease:
    """Held by whoever has the highest `fence`; every write it guards names the fence."""

    name: str
    fence: int


def acquire(database: Database, name: str, *, until_ms: int) -> Lease | None:
    """Take the lease if nobody holds it; `until_ms` from now is when we mean to hand over.

    The filter and the write are one operation on a document that is always there, so of two
    takers one must lose: it finds `expires_at` moved.
    """
    collection = database.collection("leases")
    collection.update_one(
        {"_id": name},
        {"$setOnInsert": {"schema": 1, "fence": 0, "expires_at": datetime.fromtimestamp(0, UTC)}},
        upsert=True,
    )
    taken = collection.find_one_and_update(
        {"_id": name, "$expr": {"$lt": ["$expires_at", "$$NOW"]}},
        [{"$set": {
            "fence": {"$add": ["$fence", 1]},
            "expires_at": {"$add": ["$$NOW", TTL_MS]},
            "hands_over_at": {"$add": ["$$NOW", until_ms]},
        }}],
        return_document=ReturnDocument.AFTER,
    )  # fmt: skip
    return Lease(name, taken["fence"]) if taken else None


def renew(database: Database, lease: Lease) -> bool:
    """Hold on for another TTL; False when a later fence has taken over."""
    return _as_holder(database, lease, {"expires_at": {"$add": ["$$NOW", TTL_MS]}})


def release(database: Database, lease: Lease) -> None:
    """Let go at once, so that a waiting successor needn't sit out the TTL."""
    _as_holder(database, lease, {"expires_at": {"$subtract": ["$$NOW", 1]}})


def _as_holder(database: Database, lease: Lease, changes: Document) -> bool:
    held = {"_id": lease.name, "fence": lease.fence}
    return database.collection("leases").update_one(held, [{"$set": changes}]).matched_count == 1


def seconds_until_handover(database: Database, name: str) -> float:
    """How long the present holder means to stay; 0 when it is gone, late or due."""
    alive = {"$gt": ["$expires_at", {"$add": ["$$NOW", TTL_MS - LATE_MS]}]}
    found = database.collection("leases").aggregate([
        {"$match": {"_id": name, "$expr": alive}},
        {"$project": {"left_ms": {"$subtract": ["$hands_over_at", "$$NOW"]}}},
    ])  # fmt: skip
    return max(0.0, next((row["left_ms"] / 1000 for row in found), 0.0))
