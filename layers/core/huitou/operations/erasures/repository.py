"""Every query on `erasures`, and taking a person's documents and words out of other collections."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from huitou.operations.erasures.keeping import (
    BY_ID,
    BY_MEMBER,
    CLEARED,
    GONE,
    SOMEBODY,
    Cleared,
)
from huitou.operations.erasures.models import Erasure
from huitou.runtime.database import Database, Document


class ErasureRepository:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._erasures = database.collection("erasures")

    def find(self, member_id: str, session: ClientSession | None = None) -> Erasure | None:
        found = self._erasures.find_one({"_id": member_id}, session=session)
        return Erasure.model_validate(found) if found else None

    def insert(self, erasure: Erasure, session: ClientSession) -> None:
        """Insert an erasure; raises DuplicateKeyError if the member has one."""
        self._erasures.insert_one(erasure.document(), session=session)

    def insert_many(self, erasures: Sequence[Erasure], session: ClientSession) -> None:
        """Insert the erasures of an import that is taken back."""
        self._erasures.insert_many([one.document() for one in erasures], session=session)

    def with_documents(self, member_ids: Sequence[str], session: ClientSession) -> set[str]:
        """Return those of these members of whom a document in SOMEBODY is stored."""
        wanted = {"member_id": {"$in": list(member_ids)}}
        return {
            str(member_id)
            for name in SOMEBODY
            for member_id in self._database.collection(name).distinct(
                "member_id", wanted, session=session
            )
        }

    def forget(self, ids: Sequence[str], session: ClientSession) -> None:
        """Delete what describes the person, and the words that people typed about them."""
        wanted = {"$in": list(ids)}
        for name in BY_MEMBER:
            self._database.collection(name).delete_many({"member_id": wanted}, session=session)
        for name in BY_ID:
            self._database.collection(name).delete_many({"_id": wanted}, session=session)
        for name, cleared in CLEARED.items():
            for key in cleared.keys:
                of_person: Document = {key: {"$in": [cleared.prefix + one for one in ids]}}
                self._clear(name, cleared, of_person, session)

    def _clear(
        self, name: str, cleared: Cleared, of_person: Document, session: ClientSession
    ) -> None:
        collection = self._database.collection(name)
        if cleared.fields:
            gone = {"$unset": dict.fromkeys(cleared.fields, "")}
            collection.update_many(of_person, gone, session=session)
        for field in cleared.needed:
            there = of_person | {field: {"$exists": True}}
            collection.update_many(there, {"$set": {field: GONE}}, session=session)
