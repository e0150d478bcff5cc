"""Every query on `erasures`, and deleting a member's documents in other collections."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.operations.erasures.models import Erasure
from huitou.runtime.database import Database

# Collections that describe a member and that nobody needs once the member is erased.
BY_MEMBER = (
    "limit_uses", "subscriptions", "referral_codes", "notices", "arrivals", "campaign_waiting",
)  # fmt: skip
BY_ID = ("features", "positions", "code_tries")


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

    def forget(self, member_id: str, session: ClientSession) -> None:
        """Delete a member's documents in the collections above."""
        for name in BY_MEMBER:
            self._database.collection(name).delete_many({"member_id": member_id}, session=session)
        for name in BY_ID:
            self._database.collection(name).delete_one({"_id": member_id}, session=session)
