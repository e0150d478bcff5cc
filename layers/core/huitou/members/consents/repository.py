"""Every query on `consents`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from huitou.members.consents.models import Consent, Purpose
from huitou.runtime.database import Database

AT_ONCE = 1_001  # Rows in the server's first answer; if there are fewer, it is the last one.
_IN_ORDER = [("member_id", 1), ("purpose", 1), ("n", 1)]


class ConsentRepository:
    def __init__(self, database: Database) -> None:
        self._consents = database.collection("consents")

    def of(self, member_ids: Sequence[str], session: ClientSession | None = None) -> list[Consent]:
        """Return all decisions of these members; for each purpose, the latest comes last."""
        wanted = {"member_id": {"$in": list(member_ids)}}
        found = self._consents.find(wanted, session=session).sort(_IN_ORDER)
        return [Consent.model_validate(row) for row in found]

    def held(self, member_ids: Sequence[str]) -> list[tuple[str, Purpose, bool]]:
        """Return (member id, purpose, given) of all decisions, in the same order as `of`."""
        wanted = {"member_id": {"$in": list(member_ids)}}
        shown = {"_id": 0, "member_id": 1, "purpose": 1, "given": 1}
        found = self._consents.find(wanted, shown).sort(_IN_ORDER).batch_size(AT_ONCE)
        return [(row["member_id"], row["purpose"], row["given"]) for row in found]

    def append(self, consent: Consent, session: ClientSession) -> None:
        """Add a decision; DuplicateKeyError if another one has this number."""
        self._consents.insert_one(consent.document(), session=session)
