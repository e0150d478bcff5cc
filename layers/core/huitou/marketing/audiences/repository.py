"""Every query that reads many members and their accounts at once."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.marketing.audiences.models import Standing
from huitou.members.profiles.models import Member
from huitou.runtime.database import Database

# Documents in one answer of the server. One more than a page has: then the server needn't be
# asked again whether there are more.
AT_ONCE = 1_001


class AudienceRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")
        self._accounts = database.collection("accounts")

    def members(self, member_ids: Sequence[str]) -> dict[str, Member]:
        """Return these members by id, without those who were merged into another or erased."""
        found = self._members.find({"_id": {"$in": list(member_ids)}}).batch_size(AT_ONCE)
        members = (Member.model_validate(row) for row in found)
        return {member.id: member for member in members if member.is_somebody}

    def standings(self, member_ids: Sequence[str]) -> dict[str, Standing]:
        """Return the tier and the points of these members by id."""
        found = self._accounts.find(
            {"_id": {"$in": list(member_ids)}}, {"tier.level": 1, "available": 1}
        ).batch_size(AT_ONCE)
        return {
            row["_id"]: Standing((row.get("tier") or {}).get("level", "basic"), row["available"])
            for row in found
        }

    def first_members(self, after: str, limit: int) -> list[str]:
        """Return the next member ids. Ids are random, so the first ones are a random sample."""
        found = self._members.find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1)
        return [row["_id"] for row in found.limit(limit)]

    def members_in_all(self) -> int:
        """Return approximately how many members there are."""
        return self._members.estimated_document_count()
