"""Evaluate members' tiers, show them, and record which benefits they bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.errors import ACCOUNT
from huitou.loyalty.tiers.models import (
    BY_DAY,
    EvaluationOutcome,
    Level,
    Promise,
    Standing,
    TierAccount,
    TierBase,
    TierChange,
    TierRules,
)
from huitou.loyalty.tiers.repository import TierRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable
from huitou.runtime.loading import late_imports
from huitou.runtime.triggers import DONE, DUE

with late_imports():
    from huitou.loyalty.tiers.holding import Timeline
    from huitou.loyalty.tiers.periods import ordinal
    from huitou.loyalty.tiers.rules import Case, Evaluation
    from huitou.loyalty.tiers.shown import next_level, shown_tier, to_keep
    from huitou.loyalty.tiers.shown_models import TierPreviewAnswer, TierPreviewRequest

MOST_TRIES = 5
# An account's personal fields: removed when the member is merged into another or erased.
_PERSONAL_FIELDS = (
    "tier", "tier_base", "joined_day", "benefits", "monthly_on", "review_on", "birthday_md",
    "birthday_on",
)  # fmt: skip


class Tiers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = TierRepository(database)
        self._notices = Notices(database, clock)

    def level_of(self, member_id: str) -> tuple[Level, int]:
        """Return the member's level, as the rules now describe it, and the rules' revision.

        A level that was removed from the rules keeps its benefits until its review.
        """
        standing = self._repository.standing(member_id)
        if standing is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return self.level_of_standing(standing)

    def level_of_standing(self, standing: Standing) -> tuple[Level, int]:
        """Return the level of a standing and the rules' revision, as `level_of` does."""
        rules = self._repository.rules(standing.rules_revision)
        return self._level(standing, rules), rules.revision

    def rules(self) -> TierRules:
        return self._repository.rules()

    def put_rules(self, rules: TierRules, field: str = "rules.revision") -> None:
        """Store a later revision, in force from now on; each evaluation brings one member to it.

        `field` is the name that a Refusal gives to the revision.
        """
        self._repository.put_rules(rules, field, self._clock.now())

    def rules_history(self) -> dict[str, Any]:
        """Return all revisions of the rules as they are stored, the latest first."""
        revisions = self._repository.history() or [self.rules()]
        return {"revisions": [rules.document() for rules in revisions]}

    def preview_rules(self, request: TierPreviewRequest, lang: Lang) -> TierPreviewAnswer:
        """Return what a member with these figures would read under these draft rules."""
        level = request.rules.earned(request.figures)
        higher = request.rules.above(level.level)
        text = next_level(higher, request.figures, lang)["text"] if higher else None
        return TierPreviewAnswer(name=level.name, text=text)

    def list_accounts(self, after: str, limit: int) -> list[TierAccount]:
        """Return the next accounts after this id, by id: one page of all accounts."""
        return self._repository.page(after, limit)

    def count_raised_by_rules(self, revision: int) -> int:
        """Return how many members the roll-out of a revision has raised."""
        return self._repository.raised_by_rules(revision)

    def show_tier(self, member_id: str, lang: Lang = "zh") -> dict[str, Any]:
        """Return what the member sees: the level, its last day, what raises or keeps it."""
        return shown_tier(self.case(self._account(member_id)), lang)

    def due_reviews(self) -> Iterator[str]:
        return self._repository.due(self.today())

    # --- benefits -------------------------------------------------------------------------------

    def owed_benefits(self, member_id: str) -> tuple[Level, Standing] | None:
        """Return the level whose benefits the member is still owed, or None."""
        account = self._account(member_id)
        if account.benefits != DUE:
            return None
        rules = self._repository.rules(account.tier.rules_revision)
        return self._level(account.tier, rules), account.tier

    def due_entry_coupons(self) -> Iterator[str]:
        return self._repository.benefits_due()

    def record_entry_coupons(self, member_id: str, standing: Standing) -> bool:
        """Record that this standing's coupons are issued; False if it has changed since."""
        return self._repository.benefits_granted(member_id, standing)

    def due_monthly_coupons(self) -> Iterator[str]:
        return self._repository.monthly_due(self.today())

    def due_birthday_coupons(self) -> Iterator[str]:
        return self._repository.birthdays_due(self.today())

    def account_and_level(self, member_id: str) -> tuple[TierAccount, Level]:
        """Return the account, with the days on which coupons are due, and the member's level."""
        account = self._account(member_id)
        rules = self._repository.rules(account.tier.rules_revision)
        return account, self._level(account.tier, rules)

    def record_monthly_coupons(self, seen: TierAccount, level: Level) -> bool:
        """Record that this month's coupons are issued; False if the tier has changed since."""
        today = self.today()
        year, month = int(today[:4]), int(today[5:7])
        following = f"{year + month // 12:04}-{month % 12 + 1:02}-01"
        return self._repository.monthly_granted(seen, following if level.monthly_coupons else None)

    def record_birthday_coupons(self, seen: TierAccount, following: str) -> bool:
        """Record that this birthday's coupons are issued; False if another call did."""
        return self._repository.birthday_granted(seen, following)

    def put_birthday(
        self, member_id: str, month_day: str, birthday_on: str, session: ClientSession
    ) -> None:
        """Store a member's birthday (MM-DD), and the next day on which it falls."""
        self._repository.born(member_id, month_day, birthday_on, session)

    # --- evaluation -----------------------------------------------------------------------------

    def evaluate_member(self, member_id: str, *, applying: int | None = None) -> EvaluationOutcome:
        """Evaluate one member; safe to repeat, and safe while orders of the member settle.

        `applying` is the revision that a roll-out brings to all members.
        """
        for _ in range(MOST_TRIES):
            case = self.case(self._account(member_id), applying=applying or 0)
            seen = case.account
            if seen.forgotten:
                if seen.tier_review != DUE or self._repository.leave(seen):
                    return "unchanged"
                continue
            found = case.judged()
            if found.raised and applying is not None:
                found = replace(found, cause="rules")
            if found.notice:  # Given before it is recorded: after a crash it is given again.
                self._give_notice(case, found)
            if self._store(case, found):
                return _outcome(seen, found)
        raise Unavailable  # Orders of this member keep coming in; the marker is still due.

    def evaluate_members(self, member_ids: Sequence[str]) -> list[EvaluationOutcome]:
        """Evaluate members and write what changes in one transaction; returns their outcomes.

        Raises Unavailable and writes nothing if one of them can't be done together with others:
        a forgotten member, or one whose account changes meanwhile. `evaluate_member` can do each.
        """
        found_ones = self.with_joined(self._repository.accounts(member_ids))
        accounts = {account.id: account for account in found_ones if not account.forgotten}
        if accounts.keys() != set(member_ids):
            raise Unavailable
        cases = [self.case(accounts[member_id]) for member_id in member_ids]
        judged = [(case, case.judged()) for case in cases]
        for case, found in judged:
            if found.notice:
                self._give_notice(case, found)
        moved = [(case, found) for case, found in judged if _has_moved(case.account, found)]
        changes = [
            change_of(case.account, found, case.rules.revision, self._clock)
            for case, found in moved
        ]
        stored = [
            (case.account, found, monthly_on)
            for case, found in judged
            if not _is_idle(case.account, found, monthly_on := self._monthly_on(case, found))
        ]

        def write(session: ClientSession) -> None:
            if not self._repository.store_many(stored, session):
                raise Unavailable
            self._repository.append_many(changes, session)

        if stored:
            self._database.transact(write)
        return [_outcome(case.account, found) for case, found in judged]

    def figures(self, member_id: str, session: ClientSession) -> dict[str, dict[str, int]]:
        """Return the figures of a member that tiers count, by figure and day."""
        account = self._repository.account(member_id, session)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        days = {name: getattr(account, name) for name in BY_DAY}
        return {name: {day: n for day, n in found.items() if n} for name, found in days.items()}

    def cases(self, member_ids: Iterable[str], session: ClientSession) -> dict[str, Case]:
        """Return the cases of those of these members who have an account, by member."""
        accounts = self._repository.accounts(member_ids, session)
        accounts = self.with_joined(accounts, session)
        return {account.id: self.case(account) for account in accounts}

    def take_over_tier(self, source: Case, into: Case, cause: str, session: ClientSession) -> None:
        """Give `into` the higher standing of two merged members, and leave none to `source`.

        The caller's transaction has written both accounts; the days' figures move with the points.
        `into` goes on with the base and the day of joining of the account that gives the higher
        tier: so the member loses nothing, and refunds still count.
        """
        promises = [*source.base.promises, *into.base.promises]
        ways = [
            replace(case, account=_merged(source.account, into.account, case.account, case.base,
                                          promises))
            for case in (into, source)
        ]  # fmt: skip
        best = max(ways, key=Case.standing_place)
        higher = source.rank(source.account.tier) > into.rank(into.account.tier)
        kept = source.account if higher else into.account
        changes: dict[str, Any] = {
            "tier_review": DUE, "tier_base": best.base.model_dump(exclude_none=True),
        }  # fmt: skip
        if best is ways[1]:
            changes["joined_day"] = source.account.joined_day
        if higher:
            changes |= {"tier": kept.tier.model_dump(exclude_none=True), "review_on": None}
            changes |= {"monthly_on": kept.monthly_on, "benefits": kept.benefits}
        if into.account.birthday_md is None and source.account.birthday_md is not None:
            changes |= {"birthday_md": source.account.birthday_md,
                        "birthday_on": source.account.birthday_on}  # fmt: skip
        self._repository.set_fields([into.account.id], changes, session)
        self.forget_tiers([source.account.id], session)
        moves = ((source.account, Standing().level), (into.account, kept.tier.level))
        for account, level in moves:
            if account.tier.level != level:
                self._repository.append(TierChange(
                    id=f"merge:{cause}:{account.id}", member_id=account.id,
                    before=account.tier.level, after=level, cause="merge", spend_fen=0,
                    rules_revision=best.rules.revision, at=self._clock.now(),
                ), session)  # fmt: skip

    def _store(self, case: Case, found: Evaluation) -> bool:
        """Write what changed; False if the account has changed since it was read."""
        seen, monthly_on = case.account, self._monthly_on(case, found)
        if _is_idle(seen, found, monthly_on):
            return True
        if not _has_moved(seen, found):
            return self._repository.store(seen, found, monthly_on=monthly_on, session=None)
        change = change_of(seen, found, case.rules.revision, self._clock)

        def write(session: ClientSession) -> bool:
            stored = self._repository.store(seen, found, monthly_on=monthly_on, session=session)
            if stored:
                self._repository.append(change, session)
            return stored

        return self._database.transact(write)

    def _monthly_on(self, case: Case, found: Evaluation) -> str | None:
        """Return today if the coupons of this month are due from now on; None for no change."""
        begins = found.raised or case.account.monthly_on is None
        return self.today() if found.level.monthly_coupons and begins else None

    def _give_notice(self, case: Case, found: Evaluation) -> None:
        data = to_keep(case, found.standing)
        review_on = shifted(str(found.standing.holds_through), 1)
        if data is not None:
            self._notices.put_notice("tier-keep", case.account.id, review_on, data)

    def forget_tiers(self, member_ids: Sequence[str], session: ClientSession) -> None:
        """Remove standing and birthday of members who go."""
        gone = dict.fromkeys(_PERSONAL_FIELDS)
        self._repository.set_fields(
            member_ids, {**gone, "forgotten": True, "tier_review": DONE}, session
        )

    def case(self, account: TierAccount, *, applying: int = 0) -> Case:
        """Return a member's case for today, with the rules of each time.

        `applying` is a revision that is applied already: no older rules are used.
        """
        base = account.tier_base
        seen = max(account.tier.rules_revision, base.revision if base else 0, applying)
        rules = self._repository.rules(seen)
        times = self._repository.timeline(rules)
        if len(times) > 1 or rules.window == "anchor":
            [account] = self.with_joined([account])
        start = base.day if base and base.day else shifted(account.joined_day or "0001-01-02", -1)
        first = max(place for place, (day, _) in enumerate(times) if day <= start)
        steps = [(0, times[first][1])]
        steps += [(ordinal(day), changed) for day, changed in times[first + 1 :]]
        return Case(account, steps, self.today(), self._known(account, steps))

    def _known(self, account: TierAccount, steps: Timeline) -> dict[int, TierRules]:
        """Return the older rules that gave the account's levels, by revision."""
        wanted = {p.revision for p in account.tier_base.promises} if account.tier_base else set()
        given: Standing | None = account.tier
        while given is not None:
            wanted.add(given.rules_revision)
            given = given.under
        wanted -= {0, *(rules.revision for _, rules in steps)}
        found = {number: self._repository.revision(number) for number in sorted(wanted)}
        return {number: rules for number, rules in found.items() if rules is not None}

    def _level(self, standing: Standing, rules: TierRules) -> Level:
        found = rules.find(standing.level)
        if found is None and standing.rules_revision not in (0, rules.revision):
            older = self._repository.revision(standing.rules_revision)
            found = older.find(standing.level) if older else None
        return found or rules.levels[0]

    def with_joined(
        self, accounts: Iterable[TierAccount], session: ClientSession | None = None
    ) -> list[TierAccount]:
        """Fill in the day of joining of accounts that don't have it yet."""
        accounts = list(accounts)
        unknown = [account.id for account in accounts if account.joined_day is None]
        days = self._repository.joined_days(unknown, session) if unknown else {}
        return [
            account.model_copy(update={"joined_day": days[account.id]})
            if account.id in days
            else account
            for account in accounts
        ]

    def _account(self, member_id: str) -> TierAccount:
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return account

    def today(self) -> str:
        """Return the brand's business day."""
        return brand_day(self._clock.now())


def _has_moved(seen: TierAccount, found: Evaluation) -> bool:
    return found.standing.level != seen.tier.level


def _is_idle(seen: TierAccount, found: Evaluation, monthly_on: str | None) -> bool:
    """Tell whether an evaluation changes nothing that is stored."""
    kept = (found.standing, found.base, found.review_on)
    same = (seen.tier, seen.tier_base, seen.review_on) == kept
    return same and monthly_on is None and seen.tier_review != DUE


def _outcome(seen: TierAccount, found: Evaluation) -> EvaluationOutcome:
    if _has_moved(seen, found):
        return "raised" if found.raised else "lowered"
    return "noticed" if found.notice else "unchanged"


def change_of(seen: TierAccount, found: Evaluation, revision: int, clock: Clock) -> TierChange:
    """Build the entry of a move in the member's history."""
    return TierChange(
        id=f"{seen.id}:{seen.version}",
        member_id=seen.id,
        before=seen.tier.level,
        after=found.standing.level,
        cause=found.cause or "rules",
        rules_revision=revision,
        at=clock.now(),
        **found.figures.model_dump(),
    )


def _merged(
    source: TierAccount, into: TierAccount, going_on: TierAccount, base: TierBase,
    promises: list[Promise],
) -> TierAccount:  # fmt: skip
    """Return `into` with both accounts' days, `base` and `promises`, joined when `going_on` was."""
    days: dict[str, dict[str, int]] = {}
    for name in BY_DAY:
        days[name] = dict(getattr(into, name))
        for day, count in getattr(source, name).items():
            days[name][day] = days[name].get(day, 0) + count
    base = base.model_copy(update={"promises": promises})
    return into.model_copy(update={**days, "tier_base": base, "joined_day": going_on.joined_day})
