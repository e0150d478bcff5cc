"""Every query on `referrals` and `referral_codes`, and on the referral rules in `rules`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from huitou.runtime.database import Database
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.revisions import revision_of

with late_imports():
    from huitou.growth.referrals.models import Referral, ReferralCode, ReferralRules

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

    def put_code(self, code: ReferralCode, session: ClientSession) -> None:
        """Store a new code; DuplicateKeyError if it is taken, or the member has one already."""
        self._codes.insert_one(code.document(), session=session)

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

    def any_of(self, member_ids: Sequence[str]) -> Referral | None:
        """Return the referral by which one of these ids was invited; None if none was."""
        found = self._referrals.find_one({"_id": {"$in": list(member_ids)}})
        return Referral.model_validate(found) if found else None

    def lately(self, inviter_ids: Sequence[str]) -> list[Referral]:
        """Return the latest referrals of an inviter, to search them for a pattern of abuse."""
        wanted = {"inviter_id": {"$in": list(inviter_ids)}}
        found = self._referrals.find(wanted).sort("bound_at", -1)
        return [Referral.model_validate(row) for row in found.limit(MOST_LATELY)]

    def counting(self, inviter_ids: Sequence[str]) -> list[Referral]:
        """Return the referrals of an inviter that count; the limits keep their number small."""
        wanted = {"inviter_id": {"$in": list(inviter_ids)}, "seq": {"$gte": 1}}
        found = self._referrals.find(wanted)
        return [Referral.model_validate(row) for row in found]

    def friends_page(
        self, inviter_ids: Sequence[str], page: PageRequest
    ) -> tuple[list[Referral], str | None]:
        """Return a page of an inviter's referrals, the newest first, and the next cursor."""
        where = {"inviter_id": {"$in": list(inviter_ids)}}
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
        self, member_ids: Sequence[str], order_id: str, look_at: datetime, session: ClientSession
    ) -> None:
        """Mark a referral for processing at `look_at`: its person's first order was paid.

        If several ids of the person were invited, the first invitation counts.
        """
        bound = {"_id": {"$in": list(member_ids)}, "status": "bound"}
        self._referrals.find_one_and_update(
            bound,
            {"$set": {"order_id": order_id, "look_at": look_at}, "$inc": {"version": 1}},
            sort=[("bound_at", 1), ("_id", 1)],
            session=session,
        )

    def went_back(
        self, member_ids: Sequence[str], order_id: str, look_at: datetime, session: ClientSession
    ) -> None:
        """Mark a referral for processing: its order was refunded, in part or fully."""
        self._referrals.update_one(
            {"_id": {"$in": list(member_ids)}, "order_id": order_id},
            {"$set": {"look_at": look_at}, "$inc": {"version": 1}},
            session=session,
        )
