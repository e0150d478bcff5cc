"""Reads birthdays from `members`, for points and tiers."""

from __future__ import annotations

from huitou.runtime.database import Database


class BirthdayRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")

    def birthday(self, member_id: str) -> str | None:
        """Return a member's birthday (YYYY-MM-DD), None if they never said."""
        found = self._members.find_one({"_id": member_id}, {"birthday": 1})
        return found.get("birthday") if found else None
