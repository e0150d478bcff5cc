"""Every query on the tier part of `accounts`, on `tier_changes` and on the tier rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.loyalty.tiers.models import (
    BY_DAY,
    DEFAULT_RULES,
    Standing,
    TierAccount,
    TierBase,
    TierChange,
    TierRules,
)
from huitou.loyalty.tiers.rules import Evaluation
from huitou.runtime.database import Database, Document
from huitou.runtime.revisions import history_of, put_revision, revision_of, revisions_in_force
from huitou.runtime.triggers import DONE, DUE

DUE_AT_ONCE = 10_000  # Of one sweep; the next one finds the rest.
REVISION_KEPT_S = 3_600.0  # A revision never changes.
_TIER_FIELDS = dict.fromkeys(set(TierAccount.model_fields) - {"id", "schema_"}, 1)


class TierRepository:
    def __init__(self, database: Database) -> None:
        self._recent = database.recent
        self._accounts = database.collection("accounts")
        self._members = database.collection("members")
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

    def revision(self, revision: int) -> TierRules | None:
        """The rules as they were in one revision, if that was kept."""

        def read() -> TierRules | None:
            found = revision_of(self._rules, "tiers", revision)
            return TierRules.model_validate(found) if found else None

        # That one wasn't kept is kept in mind, too.
        return self._recent.get(("tier rules", revision), lambda: (read(),), REVISION_KEPT_S)[0]

    def timeline(self, last: TierRules) -> list[tuple[str, TierRules]]:
        """All revisions through the last, with the business day each came into force.

        Of several on one day only the last is there. The first ones count from "", before all days.
        """

        def read() -> list[tuple[str, TierRules]]:
            found: dict[str, TierRules] = {}
            day = ""
            for at, document in revisions_in_force(self._rules, "tiers", last.revision):
                day = max(day, brand_day(at) if at is not None else "")
                found[day] = TierRules.model_validate(document)
            if last not in found.values():
                found[day] = last
            first, *later = found.items()
            return [("", first[1]), *later]

        return self._recent.get(("tier timeline", last.revision), read, REVISION_KEPT_S)

    def put_rules(self, rules: TierRules, field: str, at: datetime) -> None:
        """Store a later revision, in force from `at` on; the defaults until the first one too."""
        unset = self._rules.find_one({"_id": "tiers"}, {"_id": 1}) is None
        if unset and rules.revision > DEFAULT_RULES.revision:
            put_revision(self._rules, DEFAULT_RULES.document(), field)
        put_revision(self._rules, rules.document(), field, at)

    def history(self) -> list[TierRules]:
        """The rules in all their revisions, the latest first."""
        return [TierRules.model_validate(found) for found in history_of(self._rules, "tiers")]

    def account(self, member_id: str, session: ClientSession | None = None) -> TierAccount | None:
        found = self._accounts.find_one({"_id": member_id}, _TIER_FIELDS, session=session)
        return TierAccount.model_validate(found) if found else None

    def standing(self, member_id: str) -> Standing | None:
        """Only where the member stands: a quote needs no figures."""
        found = self._accounts.find_one({"_id": member_id}, {"tier": 1})
        return Standing.model_validate(found.get("tier", {})) if found else None

    def page(self, after: str, limit: int) -> list[TierAccount]:
        """The next accounts by their id."""
        found = (
            self._accounts.find({"_id": {"$gt": after}}, _TIER_FIELDS).sort("_id", 1).limit(limit)
        )
        return [TierAccount.model_validate(account) for account in found]

    def accounts(self, member_ids: Iterable[str], session: ClientSession) -> list[TierAccount]:
        ids = {"_id": {"$in": list(member_ids)}}
        found = self._accounts.find(ids, _TIER_FIELDS, session=session)
        return [TierAccount.model_validate(account) for account in found]

    def joined_days(
        self, member_ids: Iterable[str], session: ClientSession | None = None
    ) -> dict[str, str]:
        """The days on which members joined: the one thing of theirs that tiers count from."""
        ids = {"_id": {"$in": list(member_ids)}}
        found = self._members.find(ids, {"registered_day": 1}, session=session)
        return {member["_id"]: member["registered_day"] for member in found}

    def store(
        self,
        seen: TierAccount,
        evaluation: Evaluation,
        *,
        monthly_on: str | None,
        session: ClientSession | None,
    ) -> bool:
        """Write an evaluation; False if an order or refund moved the account meanwhile.

        The version read before guards it: whoever settled in between left the review due.
        """
        changes: Document = {
            "tier": evaluation.standing.model_dump(exclude_none=True),
            "tier_base": evaluation.base.model_dump(exclude_none=True),
            "tier_review": DONE,
        }
        gone: Document = {}
        for name in BY_DAY:
            days = getattr(seen, name)
            gone |= dict.fromkeys(
                (f"{name}.{d}" for d in set(days) - set(evaluation.kept(days))), ""
            )
        if evaluation.review_on is not None:
            changes["review_on"] = evaluation.review_on
        else:
            gone["review_on"] = ""
        if monthly_on is not None:
            changes["monthly_on"] = monthly_on
        if evaluation.standing.level != seen.tier.level:
            # Who falls before being served is owed nothing of the level that is gone.
            changes["benefits"] = DUE if evaluation.raised else DONE
        update: Document = {"$set": changes, "$inc": {"version": 1}}
        if gone:
            update["$unset"] = gone
        stored = self._accounts.update_one(
            {"_id": seen.id, "version": seen.version}, update, session=session
        )
        return stored.matched_count == 1

    def append(self, change: TierChange, session: ClientSession) -> None:
        self._changes.insert_one(change.document(), session=session)

    def append_many(self, changes: list[TierChange], session: ClientSession) -> None:
        """Note what history makes of many members' tiers, inside the importer's transaction."""
        if changes:
            self._changes.insert_many([change.document() for change in changes], session=session)

    def bring_in(
        self, seen: TierAccount, standing: Standing, base: TierBase, change: TierChange,
        session: ClientSession,
    ) -> bool:  # fmt: skip
        """Set a standing from elsewhere, its review to be looked at; False if the account moved.

        The change's id is the fact: a second time is a DuplicateKeyError.
        """
        self.append(change, session)
        tier = {"tier": standing.model_dump(exclude_none=True),
                "tier_base": base.model_dump(exclude_none=True)}  # fmt: skip
        # The version read before: an order settled meanwhile may have raised the member.
        moved = self._accounts.update_one(
            {"_id": seen.id, "version": seen.version},
            {
                "$set": {**tier, "tier_review": DUE},
                "$unset": {"review_on": ""},
                "$inc": {"version": 1},
            },
            session=session,
        )
        return moved.matched_count == 1

    def promise(self, seen: TierAccount, base: TierBase) -> bool:
        """Add a promise to an account that stands higher; False if the account moved."""
        changes = {"tier_base": base.model_dump(exclude_none=True), "tier_review": DUE}
        moved = self._accounts.update_one(
            {"_id": seen.id, "version": seen.version}, {"$set": changes, "$inc": {"version": 1}}
        )
        return moved.matched_count == 1

    def leave(self, seen: TierAccount) -> bool:
        """Look no more at an account that stands nowhere; False if it moved."""
        moved = self._accounts.update_one(
            {"_id": seen.id, "version": seen.version},
            {"$set": {"tier_review": DONE}, "$unset": {"review_on": ""}, "$inc": {"version": 1}},
        )
        return moved.matched_count == 1

    def set_fields(self, member_id: str, changes: Document, session: ClientSession) -> None:
        """Change an account that the caller's transaction has written: no one else can now.

        None takes a field away.
        """
        update: Document = {"$inc": {"version": 1}, "$set": {}, "$unset": {}}
        for name, value in changes.items():
            update["$unset" if value is None else "$set"][name] = "" if value is None else value
        self._accounts.update_one(
            {"_id": member_id}, {name: fields for name, fields in update.items() if fields},
            session=session,
        )  # fmt: skip

    def raised_by_rules(self, revision: int) -> int:
        """How many members the application of a revision has raised."""
        return self._changes.count_documents({"cause": "rules", "rules_revision": revision})

    def due(self, today: str) -> Iterator[str]:
        """Members whose review is due: by a settled order, or because the day has come."""
        yield from self._marked("tier_review")
        yield from self._by_day("review_on", today)

    def benefits_due(self) -> Iterator[str]:
        """Members whose new level's coupons are still to be issued."""
        yield from self._marked("benefits")

    def monthly_due(self, today: str) -> Iterator[str]:
        """Members whose coupons of this month are still to be issued."""
        yield from self._by_day("monthly_on", today)

    def birthdays_due(self, today: str) -> Iterator[str]:
        """Members whose birthday has come and whose coupons are still to be issued."""
        yield from self._by_day("birthday_on", today)

    def _marked(self, marker: str) -> Iterator[str]:
        marked = self._accounts.find({marker: DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (account["_id"] for account in marked)

    def _by_day(self, name: str, today: str) -> Iterator[str]:
        due = self._accounts.find({name: {"$lte": today}}, {"_id": 1}).sort([(name, 1), ("_id", 1)])
        yield from (account["_id"] for account in due)  # Streamed; whoever sweeps stops in time.

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

    def monthly_granted(self, seen: TierAccount, following: str | None) -> bool:
        """Move on to the next month, unless the tier moved meanwhile: then there is more."""
        return self._moved_on(seen, {"tier.level": seen.tier.level}, "monthly_on", following)

    def birthday_granted(self, seen: TierAccount, following: str) -> bool:
        """Move on to the next birthday; of two that granted this one, one does."""
        return self._moved_on(seen, {}, "birthday_on", following)

    def _moved_on(
        self, seen: TierAccount, guard: dict[str, Any], name: str, following: str | None
    ) -> bool:
        change: Document = {"$unset": {name: ""}}
        if following is not None:
            change = {"$set": {name: following}}
        moved = self._accounts.update_one(
            {"_id": seen.id, name: getattr(seen, name), **guard}, change
        )
        return moved.matched_count == 1

    def born(
        self, member_id: str, month_day: str, birthday_on: str, session: ClientSession
    ) -> None:
        """Note a member's birthday, and the next day on which it is one."""
        self._accounts.update_one(
            {"_id": member_id},
            {"$set": {"birthday_md": month_day, "birthday_on": birthday_on}},
            session=session,
        )
