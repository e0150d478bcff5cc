"""Bring a member's tier up to what their figures deserve, and say what comes with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.loyalty.notices.rules import to_reach, words
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.tiers.models import (
    Level,
    Standing,
    TierAccount,
    TierChange,
    TierPreviewAnswer,
    TierPreviewRequest,
    TierRules,
)
from huitou.loyalty.tiers.repository import TierRepository
from huitou.loyalty.tiers.rules import Case, Evaluation, evaluate, figures_of, period
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable
from huitou.runtime.triggers import DUE

MOST_TRIES = 5
# What an account has that is a person's, and no one's once they go elsewhere or are forgotten.
_OF_A_PERSON = ("tier", "benefits", "monthly_on", "review_on", "birthday_md", "birthday_on")
_SHOWN = {"spend_fen": "missing_fen", "orders": "missing_orders", "points": "missing_points"}


class Tiers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = TierRepository(database)
        self._notices = Notices(database, clock)

    def level_of(self, member_id: str) -> tuple[Level, int]:
        """Return the member's level, as the rules now describe it, and the rules' revision.

        A level that is in the rules no more keeps its benefits until its review.
        """
        standing = self._repository.standing(member_id)
        if standing is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        return self.level_for(standing)

    def level_for(self, standing: Standing) -> tuple[Level, int]:
        """Return the same for a standing in hand."""
        rules = self._repository.rules(standing.rules_revision)
        return self._level(standing, rules), rules.revision

    def rules(self) -> TierRules:
        return self._repository.rules()

    def put_rules(self, rules: TierRules) -> None:
        """Store a later revision; members follow as they order or are reviewed."""
        self._repository.put_rules(rules)

    def history(self) -> dict[str, Any]:
        """Return the rules in all their revisions as they are stored, the latest first."""
        revisions = self._repository.history() or [self.rules()]
        return {"revisions": [rules.document() for rules in revisions]}

    def preview(self, request: TierPreviewRequest, lang: Lang) -> TierPreviewAnswer:
        """Tell what somebody with these figures would be told, were these the rules."""
        rules, figures = request.rules, request.figures
        level = rules.earned(figures)
        higher = rules.above(level.level)
        told = _next(higher, higher.missing(figures) or {}, lang)["text"] if higher else None
        return TierPreviewAnswer(name=level.name, text=told)

    def page(self, after: str, limit: int) -> list[TierAccount]:
        """Return the next accounts by id, for who goes through all of them."""
        return self._repository.page(after, limit)

    def raised_by_rules(self, revision: int) -> int:
        """Return how many members the application of a revision has raised."""
        return self._repository.raised_by_rules(revision)

    def shown(self, member_id: str, lang: Lang = "zh") -> dict[str, Any]:
        """Return what the member sees: level, until when, what is missing for more or to keep."""
        account = self._account(member_id)
        rules = self._repository.rules(account.tier.rules_revision)
        [account] = self.with_joined([account], rules)
        standing, level, today = account.tier, self._level(account.tier, rules), self.today()
        answer: dict[str, Any] = level.model_dump(include={"level", "name", "discount_bp"})
        if standing.holds_through is not None:
            answer["holds_through"] = standing.holds_through
        counted = figures_of(account, *period(rules, account, standing, today))
        higher = rules.above(level.level)
        if higher is not None:
            short = higher.missing(counted) or {}
            answer["next"] = _next(higher, short, lang)
        case = Case(account, rules, today, self.revisions(standing, rules))
        data = self._to_keep(case, standing)
        if data is not None and today >= shifted(
            str(standing.holds_through), 1 - rules.notice_days
        ):
            short = {name: int(data[name]) for name in _SHOWN if name in data}
            text = words("tier-keep", data, "", lang)
            answer["keep"] = {"by": data["by"], "text": text, **_missing(level, short, keep=True)}
        return answer

    def due(self) -> Iterator[str]:
        return self._repository.due(self.today())

    # --- benefits -------------------------------------------------------------------------------

    def owed(self, member_id: str) -> tuple[Level, Standing] | None:
        """Return the level whose benefits the member is still owed, or None."""
        account = self._account(member_id)
        if account.benefits != DUE:
            return None
        rules = self._repository.rules(account.tier.rules_revision)
        return self._level(account.tier, rules), account.tier

    def benefits_due(self) -> Iterator[str]:
        return self._repository.benefits_due()

    def benefits_granted(self, member_id: str, standing: Standing) -> bool:
        """Record that this standing's coupons are issued; False if it has changed since."""
        return self._repository.benefits_granted(member_id, standing)

    def monthly_due(self) -> Iterator[str]:
        return self._repository.monthly_due(self.today())

    def birthdays_due(self) -> Iterator[str]:
        return self._repository.birthdays_due(self.today())

    def gifts(self, member_id: str) -> tuple[TierAccount, Level]:
        """Return the account, with the days on which coupons are due, and the member's level."""
        account = self._account(member_id)
        rules = self._repository.rules(account.tier.rules_revision)
        return account, self._level(account.tier, rules)

    def monthly_granted(self, seen: TierAccount, level: Level) -> bool:
        """Record that this month's coupons are issued; False if the tier has changed since."""
        today = self.today()
        year, month = int(today[:4]), int(today[5:7])
        following = f"{year + month // 12:04}-{month % 12 + 1:02}-01"
        return self._repository.monthly_granted(seen, following if level.monthly_coupons else None)

    def birthday_granted(self, seen: TierAccount, following: str) -> bool:
        """Record that this birthday's coupons are issued; False if another did."""
        return self._repository.birthday_granted(seen, following)

    def born(
        self, member_id: str, month_day: str, birthday_on: str, session: ClientSession
    ) -> None:
        """Note a member's birthday (MM-DD) and when it is next."""
        self._repository.born(member_id, month_day, birthday_on, session)

    # --- evaluation -----------------------------------------------------------------------------

    def evaluate(self, member_id: str, *, applying: int | None = None) -> str:
        """Evaluate one member; safe to repeat, and against orders settled at the same time.

        `applying` is a revision that is being brought to all members.
        """
        for _ in range(MOST_TRIES):
            seen = self._account(member_id)
            rules = self._repository.rules(max(seen.tier.rules_revision, applying or 0))
            [seen] = self.with_joined([seen], rules)
            found = evaluate(seen, rules, self.today(), self.revisions(seen.tier, rules))
            if found.raised and applying is not None:
                found = replace(found, cause="rules")
            if found.notice:  # Before it counts as given: a crash in between gives it again.
                self._give_notice(seen, found, rules)
            if self._stored(seen, found, rules):
                if found.standing.level == seen.tier.level:
                    return "noticed" if found.notice else "unchanged"
                return "raised" if found.raised else "lowered"
        raise Unavailable  # Orders of this member keep coming in; the marker is still due.

    def bring_in(
        self, member_id: str, level: str, since_day: str, holds_through: str, source: str
    ) -> str:
        """Take a tier over from another system, with the last day it holds; safe to repeat.

        Without entry coupons, and safe from refunds until its review. Who stands higher here
        stays there. Raises Refusal NOT_FOUND naming `level` or `member_id`.
        """
        rules = self._repository.rules()
        if rules.find(level) is None:
            raise Refusal(Code.NOT_FOUND, field="level", detail="level")
        standing = Standing(
            level=level, rules_revision=rules.revision, since_day=since_day,
            holds_through=holds_through,
        )  # fmt: skip
        for _ in range(MOST_TRIES):
            seen = self._account(member_id)
            case = Case(seen, rules, self.today(), self.revisions(seen.tier, rules))
            if case.rank(seen.tier) > case.rank(standing):
                return "stands higher"
            change = TierChange(
                id=f"migrate:{source}:{member_id}", member_id=member_id, before=seen.tier.level,
                after=level, cause="migration", spend_fen=0, rules_revision=rules.revision,
                at=self._clock.now(),
            )  # fmt: skip

            def write(
                session: ClientSession, seen: TierAccount = seen, change: TierChange = change
            ) -> None:
                if not self._repository.bring_in(seen, standing, change, session):
                    raise Unavailable  # Nothing of it stays: read again.

            try:
                self._database.transact(write)
            except DuplicateKeyError:
                return "brought in before"
            except Unavailable:
                continue
            return "brought in"
        raise Unavailable

    def figures(self, member_id: str, session: ClientSession) -> dict[str, dict[str, int]]:
        """Return what tiers count of a member's days, by figure and day."""
        account = self._repository.account(member_id, session)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        names = ("spend_by_day", "orders_by_day", "points_by_day")
        days = {name: getattr(account, name) for name in names}
        return {name: {day: n for day, n in found.items() if n} for name, found in days.items()}

    def take_over(self, source_id: str, into_id: str, cause: str, session: ClientSession) -> None:
        """Give a merged member the higher of two standings, and leave nothing to the other one.

        For a transaction that has written both accounts; the days' figures move with the points.
        """
        source = self._repository.account(source_id, session)
        into = self._repository.account(into_id, session)
        if source is None or into is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        rules = self._repository.rules(max(a.tier.rules_revision for a in (source, into)))
        changes: dict[str, Any] = {"tier_review": DUE}
        ranks = [Case(a, rules, self.today(), self.revisions(a.tier, rules)).rank(a.tier)
                 for a in (source, into)]  # fmt: skip
        if ranks[0] > ranks[1]:
            changes |= {"tier": source.tier.model_dump(exclude_none=True), "review_on": None}
            changes |= {"monthly_on": source.monthly_on, "benefits": source.benefits}
        if into.birthday_md is None and source.birthday_md is not None:
            changes |= {"birthday_md": source.birthday_md, "birthday_on": source.birthday_on}
        self._repository.set_fields(into_id, changes, session)
        self._repository.set_fields(source_id, dict.fromkeys(_OF_A_PERSON), session)
        after = source.tier.level if "tier" in changes else into.tier.level
        moves = ((source, Standing().level), (into, after))
        for account, level in moves:
            if account.tier.level != level:
                self._repository.append(TierChange(
                    id=f"merge:{cause}:{account.id}", member_id=account.id,
                    before=account.tier.level, after=level, cause="merge", spend_fen=0,
                    rules_revision=rules.revision, at=self._clock.now(),
                ), session)  # fmt: skip

    def _stored(self, seen: TierAccount, found: Evaluation, rules: TierRules) -> bool:
        """Write what changed; False if the account has moved since it was read."""
        monthly = bool(found.level.monthly_coupons) and (found.raised or seen.monthly_on is None)
        monthly_on = self.today() if monthly else None
        if found.standing.level == seen.tier.level:
            idle = (seen.tier, seen.review_on) == (found.standing, found.review_on)
            if idle and monthly_on is None and seen.tier_review != DUE:
                return True
            return self._repository.store(seen, found, monthly_on=monthly_on, session=None)
        change = change_of(seen, found, rules.revision, self._clock)

        def write(session: ClientSession) -> bool:
            stored = self._repository.store(seen, found, monthly_on=monthly_on, session=session)
            if stored:
                self._repository.append(change, session)
            return stored

        return self._database.transact(write)

    def _give_notice(self, seen: TierAccount, found: Evaluation, rules: TierRules) -> None:
        case = Case(seen, rules, self.today(), self.revisions(found.standing, rules))
        data = self._to_keep(case, found.standing)
        review_on = shifted(str(found.standing.holds_through), 1)
        if data is not None:
            self._notices.put("tier-keep", seen.id, review_on, data)

    def _to_keep(self, case: Case, standing: Standing) -> dict[str, str | int] | None:
        """Return what words need that tell how to keep the level, or None if it is safe."""
        short, last = case.missing_to_keep(standing), standing.holds_through
        if short is None or last is None:
            return None
        level = case.level(standing)
        by = last if case.today <= last else shifted(last, case.rules.grace_days)
        named: dict[str, str | int] = {"level": level.level, "name": level.name, "by": by}
        return named | {"match": level.kept_by.match} | short

    def forget(self, member_id: str, session: ClientSession) -> None:
        """Leave no standing and no birthday; for a transaction that has written the account."""
        self._repository.set_fields(member_id, dict.fromkeys(_OF_A_PERSON), session)

    def revisions(self, standing: Standing, rules: TierRules) -> dict[int, TierRules]:
        """Return the rules of before by which a standing, and those under it, were given."""
        found: dict[int, TierRules] = {}
        given: Standing | None = standing
        while given is not None:
            number = given.rules_revision
            if number not in (0, rules.revision) and number not in found:
                kept = self._repository.revision(number)
                found |= {number: kept} if kept else {}
            given = given.under
        return found

    def _level(self, standing: Standing, rules: TierRules) -> Level:
        found = rules.find(standing.level)
        if found is None and standing.rules_revision not in (0, rules.revision):
            of_then = self._repository.revision(standing.rules_revision)
            found = of_then.find(standing.level) if of_then else None
        return found or rules.levels[0]

    def with_joined(self, accounts: Iterable[TierAccount], rules: TierRules) -> list[TierAccount]:
        """Fill in the day of joining, where these rules count from it."""
        accounts = list(accounts)
        unknown = [account.id for account in accounts if account.joined_day is None]
        if rules.window != "anchor" or not unknown:
            return accounts
        days = self._repository.joined_days(unknown)
        return [
            account.model_copy(update={"joined_day": days[account.id]})
            if account.id in days
            else account
            for account in accounts
        ]

    def _account(self, member_id: str) -> TierAccount:
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        return account

    def today(self) -> str:
        """Return the brand's business day."""
        return brand_day(self._clock.now())


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


def _next(higher: Level, short: dict[str, int], lang: Lang) -> dict[str, Any]:
    text = to_reach(higher.name, {"match": higher.match, **short}, lang)
    return {"name": higher.name, "text": text, **_missing(higher, short)}


def _missing(level: Level, short: dict[str, int], *, keep: bool = False) -> dict[str, Any]:
    goals = level.kept_by if keep else level
    told: dict[str, Any] = {_SHOWN[name]: count for name, count in short.items()}
    return told | ({"match": goals.match} if len(short) > 1 else {})
