"""Every query on `points_holds`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from huitou.loyalty.holds.models import Hold
from huitou.runtime.database import Database

DUE_AT_ONCE = 10_000  # The most of one sweep; the next one finds the rest.


class HoldRepository:
    def __init__(self, database: Database) -> None:
        self._holds = database.collection("points_holds")

    def insert(self, hold: Hold, session: ClientSession) -> None:
        """Insert; raises DuplicateKeyError if the id exists already."""
        self._holds.insert_one(hold.document(), session=session)

    def find(self, hold_id: str, session: ClientSession | None = None) -> Hold | None:
        found = self._holds.find_one({"_id": hold_id}, session=session)
        return Hold.model_validate(found) if found else None

    def end(
        self, hold_id: str, status: Literal["used", "released"], session: ClientSession
    ) -> Hold | None:
        """End a hold and return it; None if it isn't held any more.

        The filter names the old status. If a use and a release run at once, one of them conflicts
        here, runs again and finds the hold ended.
        """
        found = self._holds.find_one_and_update(
            {"_id": hold_id, "status": "held"},
            {"$set": {"status": status}, "$inc": {"version": 1}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return Hold.model_validate(found) if found else None

    def held_of(self, member_id: str, session: ClientSession) -> list[Hold]:
        """Return the holds of a member that are neither used nor released."""
        where = {"member_id": member_id, "status": "held"}
        found = self._holds.find(where, session=session)
        return [Hold.model_validate(document) for document in found]

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give what one member holds to another, in a merge; ended holds stay with their entry."""
        self._holds.update_many(
            {"member_id": source_id, "status": "held"},
            {"$set": {"member_id": into_id}, "$inc": {"version": 1}},
            session=session,
        )

    def past(self, at: datetime) -> Iterator[str]:
        """Yield holds whose time is over, the oldest first."""
        due = (
            self._holds.find({"status": "held", "expires_at": {"$lt": at}}, {"_id": 1})
            .sort("expires_at", 1)
            .limit(DUE_AT_ONCE)
        )
        yield from (hold["_id"] for hold in due)
