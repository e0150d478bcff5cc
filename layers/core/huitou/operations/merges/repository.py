"""Every query on `merges`."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.operations.merges.models import Merge
from huitou.runtime.database import Database


class MergeRepository:
    def __init__(self, database: Database) -> None:
        self._merges = database.collection("merges")

    def insert(self, merge: Merge, session: ClientSession) -> None:
        """Insert a merge; raises DuplicateKeyError if the id exists."""
        self._merges.insert_one(merge.document(), session=session)

    def find(self, merge_id: str, session: ClientSession | None = None) -> Merge | None:
        found = self._merges.find_one({"_id": merge_id}, session=session)
        return Merge.model_validate(found) if found else None
