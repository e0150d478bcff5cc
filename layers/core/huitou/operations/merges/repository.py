"""Every query on `merges`, and handing over what moves as it is."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.operations.merges.following import MOVED
from huitou.operations.merges.models import Merge
from huitou.runtime.database import Database, Document


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

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give one member's documents to another, in each collection that moves as it is."""
        for name, drops in MOVED.items():
            moved: Document = {"$set": {"member_id": into_id}}
            if drops:
                moved["$unset"] = dict.fromkeys(drops, "")
            self._database.collection(name).update_many(
                {"member_id": source_id}, moved, session=session
            )
