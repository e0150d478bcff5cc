"""What is known of many members at once."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.marketing.audiences.models import Standing
from huitou.members.profiles.models import Member
from huitou.runtime.database import Database

AT_ONCE = 1_001  # In one answer of the server: one more, and it knows that this is all.


class AudienceRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")
        self._accounts = database.collection("accounts")

    def members(self, member_ids: Sequence[str]) -> dict[str, Member]:
        """Return those of these members that there are.

        Who was merged is another one now, and who was forgotten is nobody.
        """
        found = self._members.find({"_id": {"$in": list(member_ids)}}).batch_size(AT_ONCE)
        members = (Member.model_validate(row) for row in found)
        return {member.id: member for member in members if member.is_somebody}

    def standings(self, member_ids: Sequence[str]) -> dict[str, Standing]:
        """Return tier and points of these members."""
        found = self._accounts.find(
            {"_id": {"$in": list(member_ids)}}, {"tier.level": 1, "available": 1}
        ).batch_size(AT_ONCE)
        return {
            row["_id"]: Standing((row.get("tier") or {}).get("level", "basic"), row["available"])
            for row in found
        }

    def first_members(self, after: str, limit: int) -> list[str]:
        """Return the next member ids; these are random, so the first ones are a fair sample."""
        found = self._members.find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1)
        return [row["_id"] for row in found.limit(limit)]

    def members_in_all(self) -> int:
        """Return about how many members there are."""
        return self._members.estimated_document_count()
