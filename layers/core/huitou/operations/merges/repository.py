"""Every query on `merges`, and handing over what moves as it is."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.operations.merges.following import MOVED
from huitou.operations.merges.models import Merge, MergesRequest
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import newest_first

MOST_ALONE = 1_000  # Merges of one actor on a day; far over any limit.


class MergeRepository:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._merges = database.collection("merges")

    def insert(self, merge: Merge, session: ClientSession) -> None:
        """Insert a merge; raises DuplicateKeyError if the id exists."""
        self._merges.insert_one(merge.document(), session=session)

    def find(self, merge_id: str, session: ClientSession | None = None) -> Merge | None:
        found = self._merges.find_one({"_id": merge_id}, session=session)
        return Merge.model_validate(found) if found else None

    def alone(self, actor: str, day: str, session: ClientSession) -> list[Merge]:
        """Return the merges that an actor made alone, without a code, on a day."""
        named = {"actor": actor, "place": {"$gte": f"{day}#", "$lt": f"{day}$"}}
        found = self._merges.find(named, session=session).limit(MOST_ALONE)
        return [Merge.model_validate(document) for document in found]

    def decide(self, merge: Merge, session: ClientSession) -> bool:
        """Store a decided merge; False if it doesn't wait any more.

        The filter names the old status: if two people decide at once, one of them loses.
        """
        waits = {"_id": merge.id, "status": "awaiting_approval"}
        stored = self._merges.replace_one(waits, merge.document(), session=session)
        return stored.matched_count == 1

    def page(self, request: MergesRequest) -> tuple[list[Merge], str | None]:
        """Return a page of one status, the newest first, and the next cursor."""
        rows, after = newest_first(self._merges, {"status": request.status}, request, "at")
        return [Merge.model_validate(row) for row in rows], after

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give one member's documents to another, in each collection that moves as it is."""
        for name, drops in MOVED.items():
            moved: Document = {"$set": {"member_id": into_id}}
            if drops:
                moved["$unset"] = dict.fromkeys(drops, "")
            self._database.collection(name).update_many(
                {"member_id": source_id}, moved, session=session
            )
