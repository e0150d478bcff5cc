"""The queries on `members` about ids: which ones a person has, and whether anybody still has them.

The area `members/profiles` owns the collection. These queries stand below it, because coupons and
points must know a person, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field
from pymongo.client_session import ClientSession

from huitou.runtime.database import Database
from huitou.runtime.documents import Record

_NOT_MERGED = {"merged_into": None}
_ALIVE = {**_NOT_MERGED, "erased_at": None}
_TOUCH = {"$inc": {"touched": 1}}


class MemberIds(Record):
    """The part of a member that tells whose id it is."""

    id: str = Field(alias="_id")
    merged_into: str | None = None
    merged_ids: list[str] = Field(default=[])
    erased_at: datetime | None = None


_FIELDS = {"merged_into": 1, "merged_ids": 1, "erased_at": 1}


class PersonRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")

    def find(self, member_id: str, session: ClientSession | None = None) -> MemberIds | None:
        found = self._members.find_one({"_id": member_id}, _FIELDS, session=session)
        return MemberIds.model_validate(found) if found else None

    def merged_among(
        self, member_ids: Sequence[str], session: ClientSession | None = None
    ) -> list[MemberIds]:
        """Return those of these members into whom others were merged."""
        where = {"_id": {"$in": list(member_ids)}, "merged_ids": {"$exists": True}}
        found = self._members.find(where, _FIELDS, session=session)
        return [MemberIds.model_validate(document) for document in found]

    def alive_among(self, member_ids: Sequence[str], session: ClientSession) -> list[str]:
        """Return those of these members who are neither merged into others nor erased."""
        where = {"_id": {"$in": list(member_ids)}, **_ALIVE}
        found = self._members.find(where, {"_id": 1}, session=session).sort("_id", 1)
        return [member["_id"] for member in found]

    def merged_away(
        self, member_ids: Sequence[str], session: ClientSession | None = None
    ) -> set[str]:
        """Return those of these ids that were merged into others."""
        where = {"_id": {"$in": list(member_ids)}, "merged_into": {"$exists": True}}
        return {found["_id"] for found in self._members.find(where, {"_id": 1}, session=session)}

    def touch(self, member_id: str, session: ClientSession, *, erased: bool) -> MemberIds | None:
        """Write a member and return them; None if they are nobody.

        With `erased`, a member who was erased is written, too.
        """
        where = {"_id": member_id} | (_NOT_MERGED if erased else _ALIVE)
        touched = self._members.find_one_and_update(
            where, _TOUCH, projection=_FIELDS, session=session
        )
        return MemberIds.model_validate(touched) if touched else None

    def touch_all(self, member_ids: Sequence[str], session: ClientSession) -> int:
        """Write these members, if they are somebody; returns how many there were."""
        where = {"_id": {"$in": list(member_ids)}, **_ALIVE}
        return self._members.update_many(where, _TOUCH, session=session).matched_count
