"""Every query on `discrepancies`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from huitou.payments.discrepancies.models import SYSTEM, Difference, Discrepancy, Resolution, Source
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import PageRequest, newest_first

MOST_CHAPTERS = 20
MOST_TRIES = 3
_DUPLICATE = 11_000


class DiscrepancyRepository:
    def __init__(self, database: Database) -> None:
        self._discrepancies = database.collection("discrepancies")

    def find(self, discrepancy_id: str) -> Discrepancy | None:
        found = self._discrepancies.find_one({"_id": discrepancy_id})
        return Discrepancy.model_validate(found) if found else None

    def note(
        self,
        source: Source,
        differences: Sequence[Difference],
        now: datetime,
        session: ClientSession | None = None,
    ) -> set[str]:
        """Note differences in one write; returns the ids that were not there before.

        If two calls note the same new difference at once, both try to insert it, and one of them
        gets a duplicate key. Outside a transaction it tries again and finds the document; inside
        one, the conflict makes the whole transaction run again.
        """
        waiting = [
            UpdateOne({"_id": d.discrepancy_id}, _noted(source, d, now), upsert=True)
            for d in differences
        ]
        ids = [difference.discrepancy_id for difference in differences]
        new: set[str] = set()
        for attempt in range(1, MOST_TRIES + 1):
            if not waiting:
                break
            try:
                upserted = self._discrepancies.bulk_write(
                    waiting, ordered=False, session=session
                ).upserted_ids
                return new | {ids[number] for number in upserted or {}}
            except BulkWriteError as error:
                lost = [failed["index"] for failed in error.details["writeErrors"]]
                codes = {failed["code"] for failed in error.details["writeErrors"]}
                if session is not None or codes != {_DUPLICATE} or attempt == MOST_TRIES:
                    raise
                new |= {ids[done["index"]] for done in error.details["upserted"]}
                waiting, ids = [waiting[i] for i in lost], [ids[i] for i in lost]
        return new

    def page(
        self, statuses: Sequence[str], day: str | None, page: PageRequest
    ) -> tuple[list[Discrepancy], str | None]:
        where: Document = {"status": statuses[0] if len(statuses) == 1 else {"$in": [*statuses]}}
        if day is not None:
            where["day"] = day
        rows, after = newest_first(self._discrepancies, where, page, "last_at")
        return [Discrepancy.model_validate(row) for row in rows], after

    def count_open(self, day: str) -> int:
        return self._discrepancies.count_documents({"day": day, "status": "open"})

    def resolve(
        self, discrepancy_id: str, resolution: Resolution, session: ClientSession | None = None
    ) -> bool:
        """Resolve an open one; False if it isn't open.

        If two people resolve it at once, the second one finds it no longer open.
        """
        resolved = self._discrepancies.update_one(
            {"_id": discrepancy_id, "status": "open"},
            {"$set": {"status": "resolved", "resolution": resolution.model_dump()}},
            session=session,
        )
        return resolved.matched_count == 1

    def resolve_about(
        self,
        source: Source,
        references: Sequence[str],
        still: Sequence[str],
        resolution: Resolution,
        session: ClientSession | None = None,
    ) -> int:
        """Resolve a source's open ones about some references, except the ids in `still`."""
        # Filtered by status, so that what a person resolves meanwhile keeps that person's note.
        resolved = self._discrepancies.update_many(
            {
                "reference": {"$in": [*references]},
                "status": "open",
                "source": source,
                "_id": {"$nin": [*still]},
            },
            {"$set": {"status": "resolved", "resolution": resolution.model_dump()}},
            session=session,
        )
        return resolved.modified_count


def _noted(source: Source, difference: Difference, now: datetime) -> list[dict[str, Any]]:
    """Return the update that notes a difference, whether its document exists or not.

    What a person resolved stays resolved as long as the values are those the person saw. Other
    values open it again. What was resolved automatically is opened again in any case.
    """
    said = {name: {"$literal": getattr(difference, name)} for name in ("expected", "found")}
    was_resolved = {"$eq": ["$status", "resolved"]}
    same = {"$and": [{"$eq": [f"${name}", value]} for name, value in said.items()]}
    accepted = {"$and": [was_resolved, same, {"$ne": ["$resolution.actor", SYSTEM]}]}
    past = {"expected": "$expected", "found": "$found", "resolution": "$resolution"}
    history = {"$ifNull": ["$history", []]}
    longer = {"$slice": [{"$concatArrays": [history, [past]]}, -MOST_CHAPTERS]}
    facts = difference.model_dump(include={"kind", "reference", "day", "store_id"})
    return [
        {
            "$set": {
                "schema": {"$ifNull": ["$schema", 1]},
                "source": source,
                **{name: {"$literal": value} for name, value in facts.items()},
                **said,
                "status": {"$cond": [accepted, "resolved", "open"]},
                "resolution": {"$cond": [accepted, "$resolution", "$$REMOVE"]},
                "history": {
                    "$cond": [{"$and": [was_resolved, {"$not": accepted}]}, longer, history]
                },
                "first_at": {"$ifNull": ["$first_at", now]},
                "last_at": now,
                "seen": {"$add": [{"$ifNull": ["$seen", 0]}, 1]},
            }
        }
    ]
