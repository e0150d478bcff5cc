"""Every query on the tier part of `accounts`, on `tier_changes` and on the tier rules."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.client_session import ClientSession

from huitou.runtime.database import Database, Document
from huitou.runtime.triggers import DONE, DUE
from huitou.tiers.models import DEFAULT_RULES, Standing, TierAccount, TierChange, TierRules
from huitou.tiers.rules import Evaluation

DUE_AT_ONCE = 10_000  # Of one sweep; the next one finds the rest.
_TIER_FIELDS = {"spend_by_day": 1, "tier": 1, "review_on": 1, "benefits": 1, "version": 1}


class TierRepository:
    def __init__(self, database: Database) -> None:
        self._recent = database.recent
        self._accounts = database.collection("accounts")
        self._changes = database.collection("tier_changes")
        self._rules = database.collection("rules")

    def rules(self, at_least: int = 0) -> TierRules:
        """The chain's tier rules, or the defaults before any were set.

        `at_least` is a revision that somebody has already applied: older ones are read anew.
        """

        def read() -> TierRules:
            found = self._rules.find_one({"_id": "tiers"})
            return TierRules.model_validate(found) if found else DEFAULT_RULES

        rules = self._recent.get("tier rules", read)
        return rules if rules.revision >= at_least else read()

    def account(self, member_id: str) -> TierAccount | None:
        found = self._accounts.find_one({"_id": member_id}, _TIER_FIELDS)
        return TierAccount.model_validate(found) if found else None

    def store(
        self,
        seen: TierAccount,
        standing: Standing,
        evaluation: Evaluation,
        *,
        grant_benefits: bool,
        session: ClientSession | None,
    ) -> bool:
        """Write an evaluation; False if an order or refund moved the account meanwhile.

        The version read before guards it: whoever settled in between left the review due.
        """
        changes: Document = {
            "tier": standing.model_dump(exclude_none=True),
            "spend_by_day": evaluation.kept_days,
            "tier_review": DONE,
        }
        if evaluation.review_on is not None:
            changes["review_on"] = evaluation.review_on
        if standing.level != seen.tier.level:
            # Who falls before being served is owed nothing of the level that is gone.
            changes["benefits"] = DUE if grant_benefits else DONE
        update: Document = {"$set": changes, "$inc": {"version": 1}}
        if evaluation.review_on is None:
            update["$unset"] = {"review_on": ""}
        stored = self._accounts.update_one(
            {"_id": seen.id, "version": seen.version}, update, session=session
        )
        return stored.matched_count == 1

    def append(self, change: TierChange, session: ClientSession) -> None:
        self._changes.insert_one(change.document(), session=session)

    def due(self, today: str) -> Iterator[str]:
        """Members whose review is due: by a settled order, or because the day has come."""
        marked = (
            self._accounts.find({"tier_review": DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        )
        yield from (account["_id"] for account in marked)
        by_day = self._accounts.find({"review_on": {"$lte": today}}, {"_id": 1}).sort(
            "review_on", 1
        )
        yield from (account["_id"] for account in by_day)

    def benefits_due(self) -> Iterator[str]:
        """Members whose new level's coupons are still to be issued."""
        marked = (
            self._accounts.find({"benefits": DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        )
        yield from (account["_id"] for account in marked)

    def benefits_granted(self, member_id: str, standing: Standing) -> bool:
        """Clear the marker unless the tier moved on meanwhile: then there is more to grant."""
        cleared = self._accounts.update_one(
            {
                "_id": member_id,
                "benefits": DUE,
                "tier.level": standing.level,
                "tier.since_day": standing.since_day,
            },
            {"$set": {"benefits": DONE}},
        )
        return cleared.matched_count == 1
