"""Every query on `consents`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pymongo.client_session import ClientSession

from huitou.members.consents.models import Consent, Purpose
from huitou.runtime.database import Database, Document

AT_ONCE = 1_001  # Rows in the server's first answer; if there are fewer, it is the last one.
# So many decisions of a member about one purpose are read; of a longer log only the latest one is.
FEW = 8
_IN_ORDER = [("member_id", 1), ("purpose", 1), ("n", 1)]
_HELD = {"_id": 0, "member_id": 1, "purpose": 1, "given": 1, "n": 1}
_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class ConsentRepository:
    def __init__(self, database: Database) -> None:
        self._consents = database.collection("consents")

    def latest(
        self, member_id: str, purpose: Purpose, session: ClientSession | None = None
    ) -> Consent | None:
        """Return a member's latest decision about a purpose; None if they made none."""
        wanted = {"member_id": member_id, "purpose": purpose}
        found = self._consents.find_one(wanted, sort=[("n", -1)], session=session)
        return Consent.model_validate(found) if found else None

    def latest_of(
        self, member_id: str, session: ClientSession | None = None
    ) -> dict[Purpose, Consent]:
        """Return a member's latest decision about each purpose on which they decided."""
        found = {purpose: self.latest(member_id, purpose, session) for purpose in _PURPOSES}
        return {purpose: consent for purpose, consent in found.items() if consent is not None}

    def held(self, member_ids: Sequence[str]) -> list[tuple[str, Purpose, bool]]:
        """Return (member id, purpose, given); for each member and purpose the latest comes last.

        A member may decide as often as they like, and a page of a campaign has a thousand members.
        So the first decisions are read, and the latest one of each log that is longer.
        """
        wanted = {
            "member_id": {"$in": list(member_ids)},
            "purpose": {"$in": list(_PURPOSES)},
            "n": {"$lte": FEW},
        }
        found = self._consents.find(wanted, _HELD).sort(_IN_ORDER).batch_size(AT_ONCE)
        rows = list(found)
        longer = [row for row in rows if row["n"] == FEW]
        if longer:
            rows += self._last_of(longer)
        return [(row["member_id"], row["purpose"], row["given"]) for row in rows]

    def _last_of(self, rows: Sequence[Document]) -> list[Document]:
        """Return the latest decision of each log to which these decisions belong."""
        log = [{"$eq": [f"${name}", f"$$own_{name}"]} for name in ("member_id", "purpose")]
        last: list[Document] = [
            {"$match": {"$expr": {"$and": log}}},
            {"$sort": {"member_id": -1, "purpose": -1, "n": -1}},
            {"$limit": 1},
            {"$project": _HELD},
        ]
        names = [f"{row['member_id']}:{row['purpose']}:{FEW}" for row in rows]
        members = sorted({row["member_id"] for row in rows})
        pipeline: list[Document] = [
            # The members' names are the shard key.
            {"$match": {"_id": {"$in": names}, "member_id": {"$in": members}}},
            {
                "$lookup": {
                    "from": "consents",
                    "let": {"own_member_id": "$member_id", "own_purpose": "$purpose"},
                    "pipeline": last,
                    "as": "last",
                }
            },
            {"$unwind": "$last"},
            {"$replaceWith": "$last"},
        ]
        return list(self._consents.aggregate(pipeline, batchSize=AT_ONCE))

    def append(self, consent: Consent, session: ClientSession) -> None:
        """Add a decision; DuplicateKeyError if another one has this number."""
        self._consents.insert_one(consent.document(), session=session)
