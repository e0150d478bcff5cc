"""Every query on the tier part of `accounts`, on `tier_changes` and on the tier rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.loyalty.tiers.models import (
    BY_DAY,
    Standing,
    TierAccount,
    TierBase,
    TierChange,
    TierRules,
    default_rules,
)
from huitou.runtime.database import Database, Document
from huitou.runtime.revisions import history_of, put_revision, revision_of, revisions_in_force
from huitou.runtime.triggers import DONE, DUE

if TYPE_CHECKING:
    from huitou.loyalty.tiers.rules import Evaluation

DUE_AT_ONCE = 10_000  # The most of one sweep; the next one finds the rest.
REVISION_KEPT_S = 3_600.0  # How long a revision is cached; it never changes.
_TIER_FIELDS = dict.fromkeys(set(TierAccount.model_fields) - {"id", "schema_"}, 1)


class TierRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._accounts = database.collection("accounts")
        self._followers = database.followers
        self._members = database.collection("members")
        self._changes = database.collection("tier_changes")
        self._rules = database.collection("rules")

    def rules(self, at_least: int = 0) -> TierRules:
        """Return the chain's tier rules; the defaults if none are stored.

        `at_least` is a revision that is applied already: if the cached rules are older, they are
        read again.
        """

        def read() -> TierRules:
            found = self._rules.find_one({"_id": "tiers"})
            return TierRules.model_validate(found) if found else default_rules()

        rules = self._cache.get("tier rules", read)
        return rules if rules.revision >= at_least else read()

    def revision(self, revision: int) -> TierRules | None:
        """Return one revision of the rules, None if it wasn't kept."""

        def read() -> TierRules | None:
            found = revision_of(self._rules, "tiers", revision)
            return TierRules.model_validate(found) if found else None

        # In a tuple, so that the cache keeps a None too.
        return self._cache.get(("tier rules", revision), lambda: (read(),), REVISION_KEPT_S)[0]

    def timeline(self, last: TierRules) -> list[tuple[str, TierRules]]:
        """Return all revisions through `last`, each with the business day it came into force.

        If there are several on one day, only the last of them is returned. The first one counts
        from "", before all days.
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

        return self._cache.get(("tier timeline", last.revision), read, REVISION_KEPT_S)

    def put_rules(self, rules: TierRules, field: str, at: datetime) -> None:
        """Store a later revision, in force from `at` on; before the first one the defaults too."""
        first = default_rules().revision
        stored = self._rules.find_one({"_id": "tiers"}, {"revision": 1})
        if stored is None and rules.revision > first:
            put_revision(self._rules, default_rules().document(), field)
        is_first = stored is None or stored["revision"] <= first
        put_revision(self._rules, rules.document(), field, at, is_first=is_first)

    def history(self) -> list[TierRules]:
        """Return all revisions of the rules, the latest first."""
        return [TierRules.model_validate(found) for found in history_of(self._rules, "tiers")]

    def account(self, member_id: str, session: ClientSession | None = None) -> TierAccount | None:
        found = self._accounts.find_one({"_id": member_id}, _TIER_FIELDS, session=session)
        return TierAccount.model_validate(found) if found else None

    def standing(self, member_id: str) -> Standing | None:
        """Return the member's standing only: a quote needs no figures."""
        found = self._accounts.find_one({"_id": member_id}, {"tier": 1})
        return Standing.model_validate(found.get("tier", {})) if found else None

    def page(self, after: str, limit: int) -> list[TierAccount]:
        """Return the next accounts after this id, by id."""
        found = (
            self._accounts.find({"_id": {"$gt": after}}, _TIER_FIELDS).sort("_id", 1).limit(limit)
        )
        return [TierAccount.model_validate(account) for account in found]

    def accounts(
        self, member_ids: Iterable[str], session: ClientSession | None = None
    ) -> list[TierAccount]:
        ids = {"_id": {"$in": list(member_ids)}}
        found = self._accounts.find(ids, _TIER_FIELDS, session=session)
        return [TierAccount.model_validate(account) for account in found]

    def joined_days(
        self, member_ids: Iterable[str], session: ClientSession | None = None
    ) -> dict[str, str]:
        """Return the days on which members joined, by member: cycles may begin on them."""
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
        """Write an evaluation; False if the account has changed since it was read.

        If an order settled in between, its review is due, and the account is evaluated again.
        """
        return self._write(*_storing(seen, evaluation, monthly_on), session)

    def store_many(
        self, stored: Sequence[tuple[TierAccount, Evaluation, str | None]], session: ClientSession
    ) -> bool:
        """Write evaluations as `store` does; False if one of the accounts has changed."""
        updates = [_storing(*one) for one in stored]
        writes = [UpdateOne(*update) for update in updates]
        done = self._accounts.bulk_write(writes, ordered=False, session=session)
        for guard, update in updates:
            self._followers.written("accounts", [guard["_id"]], update["$set"])
        return done.matched_count == len(writes)

    def _write(self, guard: Document, update: Document, session: ClientSession | None) -> bool:
        """Update an account; False if it has changed. Starts the functions that follow."""
        matched = self._accounts.update_one(guard, update, session=session).matched_count == 1
        if matched:
            self._followers.written("accounts", [guard["_id"]], update["$set"])
        return matched

    def append(self, change: TierChange, session: ClientSession) -> None:
        self._changes.insert_one(change.document(), session=session)

    def changes_there(self, ids: list[str], session: ClientSession) -> set[str]:
        """Return those of these ids under which a change of a tier is stored."""
        found = self._changes.find({"_id": {"$in": ids}}, {"_id": 1}, session=session)
        return {change["_id"] for change in found}

    def append_many(self, changes: list[TierChange], session: ClientSession) -> None:
        """Append the changes that an import makes to many members' tiers, in its transaction."""
        if changes:
            self._changes.insert_many([change.document() for change in changes], session=session)

    def bring_in(
        self,
        seen: TierAccount,
        standing: Standing,
        base: TierBase,
        change: TierChange,
        session: ClientSession,
    ) -> bool:
        """Set a standing from another system, its review due; False if the account has changed.

        The change's id comes from the business fact: a second call raises DuplicateKeyError.
        """
        self.append(change, session)
        tier = {
            "tier": standing.model_dump(exclude_none=True),
            "tier_base": base.model_dump(exclude_none=True),
        }
        # Guarded by the version read before: an order may have raised the member meanwhile.
        update = {
            "$set": {**tier, "tier_review": DUE},
            "$unset": {"review_on": ""},
            "$inc": {"version": 1},
        }
        return self._write({"_id": seen.id, "version": seen.version}, update, session)

    def promise(self, seen: TierAccount, base: TierBase, session: ClientSession) -> bool:
        """Add a promise to an account that stands higher; False if the account has changed."""
        changes = {"tier_base": base.model_dump(exclude_none=True), "tier_review": DUE}
        update = {"$set": changes, "$inc": {"version": 1}}
        return self._write({"_id": seen.id, "version": seen.version}, update, session)

    def leave(self, seen: TierAccount) -> bool:
        """Mark a forgotten account as reviewed; False if it has changed since it was read."""
        update: Document = {
            "$set": {"tier_review": DONE},
            "$unset": {"review_on": ""},
            "$inc": {"version": 1},
        }
        return self._write({"_id": seen.id, "version": seen.version}, update, None)

    def set_fields(
        self, member_ids: Sequence[str], changes: Document, session: ClientSession
    ) -> None:
        """Change accounts that the caller's transaction has read or written.

        Another transaction that writes one of them conflicts.

        None removes a field.
        """
        update: Document = {"$inc": {"version": 1}, "$set": {}, "$unset": {}}
        for name, value in changes.items():
            update["$unset" if value is None else "$set"][name] = "" if value is None else value
        self._accounts.update_many(
            {"_id": {"$in": list(member_ids)}},
            {name: fields for name, fields in update.items() if fields},
            session=session,
        )
        self._followers.written("accounts", member_ids, update["$set"])

    def raised_by_rules(self, revision: int) -> int:
        """Return how many members the roll-out of a revision has raised."""
        return self._changes.count_documents({"cause": "rules", "rules_revision": revision})

    def due(self, today: str) -> Iterator[str]:
        """Yield members whose review is due: after a settled order, or because its day has come."""
        yield from self._marked("tier_review")
        yield from self._by_day("review_on", today)

    def benefits_due(self) -> Iterator[str]:
        """Yield members whose new level's coupons are still to be issued."""
        yield from self._marked("benefits")

    def monthly_due(self, today: str) -> Iterator[str]:
        """Yield members whose coupons of this month are still to be issued."""
        yield from self._by_day("monthly_on", today)

    def birthdays_due(self, today: str) -> Iterator[str]:
        """Yield members whose birthday has come and whose coupons are still to be issued."""
        yield from self._by_day("birthday_on", today)

    def _marked(self, marker: str) -> Iterator[str]:
        marked = self._accounts.find({marker: DUE}, {"_id": 1}).sort("_id", 1).limit(DUE_AT_ONCE)
        yield from (account["_id"] for account in marked)

    def _by_day(self, name: str, today: str) -> Iterator[str]:
        due = self._accounts.find({name: {"$lte": today}}, {"_id": 1}).sort([(name, 1), ("_id", 1)])
        yield from (account["_id"] for account in due)  # Streamed: a sweep stops in time.

    def benefits_granted(self, member_id: str, standing: Standing) -> bool:
        """Clear the marker; False if the tier has changed, so that there is more to grant."""
        standing_there = {
            "_id": member_id,
            "benefits": DUE,
            "tier.level": standing.level,
            "tier.since_day": standing.since_day,
        }
        return self._write(standing_there, {"$set": {"benefits": DONE}}, None)

    def monthly_granted(self, seen: TierAccount, following: str | None) -> bool:
        """Move on to the next month; False if the tier has changed: then there is more to grant."""
        return self._moved_on(seen, {"tier.level": seen.tier.level}, "monthly_on", following)

    def birthday_granted(self, seen: TierAccount, following: str) -> bool:
        """Move on to the next birthday; False if another call has done so."""
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
        """Store a member's birthday (MM-DD), and the next day on which it falls."""
        self._accounts.update_one(
            {"_id": member_id},
            {"$set": {"birthday_md": month_day, "birthday_on": birthday_on}},
            session=session,
        )


def _storing(
    seen: TierAccount, evaluation: Evaluation, monthly_on: str | None
) -> tuple[Document, Document]:
    """Return an evaluation's write: the filter names the version of the account that was read."""
    changes: Document = {
        "tier": evaluation.standing.model_dump(exclude_none=True),
        "tier_base": evaluation.base.model_dump(exclude_none=True),
        "tier_review": DONE,
    }
    gone: Document = {}
    for name in BY_DAY:
        days = getattr(seen, name)
        gone |= dict.fromkeys((f"{name}.{d}" for d in set(days) - set(evaluation.kept(days))), "")
    if evaluation.review_on is not None:
        changes["review_on"] = evaluation.review_on
    else:
        gone["review_on"] = ""
    if monthly_on is not None:
        changes["monthly_on"] = monthly_on
    if evaluation.standing.level != seen.tier.level:
        # A member who falls before the coupons are issued is owed none of the lost level.
        changes["benefits"] = DUE if evaluation.raised else DONE
    update: Document = {"$set": changes, "$inc": {"version": 1}}
    if gone:
        update["$unset"] = gone
    return {"_id": seen.id, "version": seen.version}, update
