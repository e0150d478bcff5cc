"""Every query on `code_batches`, `code_uses` and `code_tries`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from huitou.coupons.codes.models import CodeBatch, CodeUse
from huitou.runtime.database import Database, insert_new

MOST_TRIES = 20  # Tries to give a new batch the next number, which another one may take first.


class CodeRepository:
    def __init__(self, database: Database) -> None:
        self._batches = database.collection("code_batches")
        self._uses = database.collection("code_uses")
        self._tries = database.collection("code_tries")

    def insert(self, batch: CodeBatch) -> bool:
        """Insert a batch; False if somebody else has taken its name or its number."""
        return insert_new(self._batches, batch.document())

    def batch(self, name: str) -> CodeBatch | None:
        found = self._batches.find_one({"_id": name})
        return CodeBatch.model_validate(found) if found else None

    def batch_of(self, number: int) -> CodeBatch | None:
        found = self._batches.find_one({"number": number})
        return CodeBatch.model_validate(found) if found else None

    def templates_with_codes(self, template_ids: Collection[str]) -> list[str]:
        """Return those of these templates for which there are codes that aren't revoked."""
        rows = self._batches.aggregate(
            [
                {"$match": {"template_id": {"$in": list(template_ids)}, "status": "active"}},
                {"$group": {"_id": "$template_id"}},
            ]
        )
        return [str(row["_id"]) for row in rows]

    def next_number(self) -> int:
        last = self._batches.find_one({"number": {"$gte": 0}}, sort=[("number", -1)])
        return int(last["number"]) + 1 if last else 0

    def latest(self, limit: int) -> list[CodeBatch]:
        found = self._batches.find({"number": {"$gte": 0}}).sort("number", -1).limit(limit)
        return [CodeBatch.model_validate(batch) for batch in found]

    def redeemed(self, names: list[str]) -> dict[str, int]:
        """Return how many codes of each batch have a holder; the index alone answers it."""
        rows = self._uses.aggregate(
            [
                {"$match": {"batch": {"$in": names}}},
                {"$group": {"_id": "$batch", "count": {"$sum": 1}}},
            ]
        )
        return {row["_id"]: int(row["count"]) for row in rows}

    def revoke(self, name: str, actor: str, at: datetime) -> None:
        """Revoke a batch; if it is revoked already, the first actor and moment stay."""
        self._batches.update_one(
            {"_id": name, "status": "active"},
            {"$set": {"status": "revoked", "revoked_by": actor, "revoked_at": at}},
        )

    def hold(self, use: CodeUse) -> str:
        """Make a member the holder of a code; returns the id of the member who holds it then.

        The id is the code's. If two members redeem it at once, one of them finds the other's entry.
        """
        if insert_new(self._uses, use.document()):
            return use.member_id
        found: dict[str, Any] = self._uses.find_one({"_id": use.id}) or {}
        return str(found.get("member_id"))

    def count_try(self, member_id: str, now: float, window_s: float) -> int:
        """Count a try, before the code is checked; returns the number of tries in this hour.

        This is one write, so of a hundred tries at once, each one gets its own number.
        """
        fresh = {"$lt": [{"$ifNull": ["$since", 0]}, now - window_s]}
        found = self._tries.find_one_and_update(
            {"_id": member_id},
            [
                {
                    "$set": {
                        "schema": 1,
                        "tries": {"$cond": [fresh, 1, {"$add": [{"$ifNull": ["$tries", 0]}, 1]}]},
                        "since": {"$cond": [fresh, now, "$since"]},
                    }
                }
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int((found or {})["tries"])

    def uncount_try(self, member_id: str) -> None:
        """Take one try back, because the code was right."""
        self._tries.update_one({"_id": member_id, "tries": {"$gt": 0}}, {"$inc": {"tries": -1}})
