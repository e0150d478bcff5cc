"""Every query on `referrals` and `referral_codes`, and on the referral rules in `rules`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from huitou.growth.referrals.models import Referral, ReferralCode, ReferralRules
from huitou.runtime.database import Database, insert_new
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.revisions import revision_of

MOST_LATELY = 500  # So many of an inviter's latest friends are searched for a pattern.
DUE_AT_ONCE = 1_000


class ReferralRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._referrals = database.collection("referrals")
        self._codes = database.collection("referral_codes")
        self._rules = database.collection("rules")

    def rules(self) -> ReferralRules:
        """Return the chain's rules, or the default ones if it has set none."""

        def read() -> ReferralRules:
            found = self._rules.find_one({"_id": "referrals"})
            return ReferralRules.model_validate(found) if found else ReferralRules()

        return self._cache.get("referral rules", read)

    def rules_of(self, revision: int) -> ReferralRules:
        """Return the rules of a revision; if it wasn't kept, the present rules."""
        found = revision_of(self._rules, "referrals", revision)
        return ReferralRules.model_validate(found) if found else self.rules()

    # --- codes --------------------------------------------------------------------------------

    def code_of(self, member_id: str) -> str | None:
        """Return a member's personal code; None if they have none yet."""
        found = self._codes.find_one({"member_id": member_id}, {"_id": 1})
        return str(found["_id"]) if found else None

    def put_code(self, code: ReferralCode) -> bool:
        """Store a new code; False if it is taken, or the member has one already."""
        return insert_new(self._codes, code.document())

    def owner_of(self, code: str, session: ClientSession | None = None) -> str | None:
        """Return the id of the member with this code; None if it belongs to nobody."""
        found = self._codes.find_one({"_id": code}, session=session)
        return str(found["member_id"]) if found else None

    # --- referrals ----------------------------------------------------------------------------

    def insert(self, referral: Referral, session: ClientSession) -> None:
        """Insert a referral; DuplicateKeyError if the member has an inviter already."""
        self._referrals.insert_one(referral.document(), session=session)

    def find(self, referral_id: str) -> Referral | None:
        found = self._referrals.find_one({"_id": referral_id})
        return Referral.model_validate(found) if found else None

    def put(self, before: Referral, **changes: Any) -> bool:
        """Change fields of a referral; a value of None removes the field.

        Returns False if the referral has changed since it was read (`before`). Raises
        DuplicateKeyError if another friend of the inviter has the same `seq` or `place`.
        """
        update: dict[str, Any] = {"$inc": {"version": 1}}
        if kept := {name: value for name, value in changes.items() if value is not None}:
            update["$set"] = kept
        if gone := {name: "" for name, value in changes.items() if value is None}:
            update["$unset"] = gone
        was = {"_id": before.id, "version": before.version}
        return self._referrals.update_one(was, update).matched_count == 1

    def due(self, now: datetime) -> Iterator[str]:
        """Yield the ids of referrals that must be processed; the cost grows with these alone."""
        found = self._referrals.find({"look_at": {"$lte": now}}, {"_id": 1}).sort("look_at", 1)
        yield from (row["_id"] for row in found.limit(DUE_AT_ONCE))

    def lately(self, inviter_id: str) -> list[Referral]:
        """Return the latest referrals of an inviter, to search them for a pattern of abuse."""
        found = self._referrals.find({"inviter_id": inviter_id}).sort("bound_at", -1)
        return [Referral.model_validate(row) for row in found.limit(MOST_LATELY)]

    def counting(self, inviter_id: str) -> list[Referral]:
        """Return the referrals of an inviter that count; the limits keep their number small."""
        found = self._referrals.find({"inviter_id": inviter_id, "seq": {"$gte": 1}})
        return [Referral.model_validate(row) for row in found]

    def friends_page(self, inviter_id: str, page: PageRequest) -> tuple[list[Referral], str | None]:
        """Return a page of an inviter's referrals, the newest first, and the next cursor."""
        where = {"inviter_id": inviter_id}
        rows, after = newest_first(self._referrals, where, page, "bound_at")
        return [Referral.model_validate(row) for row in rows], after

    def held(self, page: PageRequest) -> tuple[list[Referral], str | None]:
        """Return a page of referrals that wait for a decision, and the next cursor."""
        rows, after = newest_first(self._referrals, {"status": "held"}, page, "bound_at")
        return [Referral.model_validate(row) for row in rows], after

    def rank(self, referral_id: str, rank: int) -> None:
        """Store the risk rank that WeChat gave at the registration."""
        self._referrals.update_one({"_id": referral_id}, {"$set": {"rank": rank}})

    def ordered(
        self, member_id: str, order_id: str, look_at: datetime, session: ClientSession
    ) -> None:
        """Mark a referral for processing at `look_at`: its member's first order was paid."""
        self._referrals.update_one(
            {"_id": member_id, "status": "bound"},
            {"$set": {"order_id": order_id, "look_at": look_at}, "$inc": {"version": 1}},
            session=session,
        )

    def went_back(
        self, member_id: str, order_id: str, look_at: datetime, session: ClientSession
    ) -> None:
        """Mark a referral for processing: its order was refunded, in part or fully."""
        self._referrals.update_one(
            {"_id": member_id, "order_id": order_id},
            {"$set": {"look_at": look_at}, "$inc": {"version": 1}},
            session=session,
        )
