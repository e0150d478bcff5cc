"""Which tier a member's figures deserve, until when it holds, and when to look again.

Periods: the rolling window ends today; a calendar year and a membership year (12 months from the
day of joining, or of reaching the level) are cycles. A level reached in a cycle holds to its end,
and is then reviewed by that cycle's figures: who reached it keeps it for one more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.tiers.models import (
    LONGEST_DAYS,
    Cause,
    Figures,
    Goals,
    Level,
    Standing,
    TierAccount,
    TierRules,
)

# Reconciliation compares this many days of an account with its entries. An account keeps them,
# and the days of a cycle whose review is still to come: at most 366 + MOST_GRACE_DAYS, three
# numbers each, so some 20 KB for a member who eats here every day.
MOST_DAYS = LONGEST_DAYS
FOR_EVER = "9999-12-31"
NO_OTHERS: Mapping[int, TierRules] = MappingProxyType({})
MOST_REVIEWS = 100  # At once: of a member at whom nobody looked for years.
LATE_DAYS = 3  # An order of the last days of a cycle may be evaluated in the next one.


@dataclass(frozen=True)
class Evaluation:
    """Where the member stands today: what moved them, the days to keep, the day to look again.

    `figures` are those of the period that counts today. `notice` tells that the member is now to
    be told what is missing.
    """

    standing: Standing
    level: Level
    figures: Figures
    review_on: str | None
    cause: Cause | None = None
    notice: bool = False
    kept_from: str = ""
    raised: bool = False

    def kept(self, by_day: dict[str, int]) -> dict[str, int]:
        """Return the days of a figure that may still count."""
        return {day: count for day, count in by_day.items() if day >= self.kept_from and count}


def figures_of(account: TierAccount, first: str, last: str) -> Figures:
    """Sum the account's figures from one day to another, both included."""

    def total(by_day: dict[str, int]) -> int:
        return sum(count for day, count in by_day.items() if first <= day <= last)

    return Figures(
        spend_fen=total(account.spend_by_day),
        orders=total(account.orders_by_day),
        points=total(account.points_by_day),
    )


def _days(account: TierAccount) -> list[str]:
    return sorted({*account.spend_by_day, *account.orders_by_day, *account.points_by_day})


def _anniversary(anchor: date, year: int) -> date:
    try:
        return anchor.replace(year=year)
    except ValueError:  # 29 February, in other years the 28th.
        return date(year, 2, 28)


def period(rules: TierRules, account: TierAccount, standing: Standing, day: str) -> tuple[str, str]:
    """Return the first and last day whose figures count on `day` by these rules.

    In a rolling window days after `day` count too: a store whose clock is ahead may be there.
    """
    if rules.window == "rolling":
        return shifted(day, 1 - rules.window_days), FOR_EVER
    if rules.window == "calendar_year":
        return f"{day[:4]}-01-01", f"{day[:4]}-12-31"
    joined = account.joined_day or min(_days(account), default=day)
    started = standing.since_day if rules.anchor == "level_start" else None
    anchor, today = date.fromisoformat(started or joined), date.fromisoformat(day)
    year = today.year if _anniversary(anchor, today.year) <= today else today.year - 1
    end = _anniversary(anchor, year + 1) - timedelta(days=1)
    return _anniversary(anchor, year).isoformat(), end.isoformat()


def first_fall(account: TierAccount, rules: TierRules, goals: Goals, today: str) -> str:
    """Return the first day from today on whose rolling window no longer reaches the goals."""
    start = shifted(today, 1 - rules.window_days)
    left: Counter[str] = Counter(figures_of(account, start, FOR_EVER).model_dump())
    if not goals.reached(Figures(**left)):
        return today
    for day in _days(account):
        if day < start:
            continue
        left["spend_fen"] -= account.spend_by_day.get(day, 0)
        left["orders"] -= account.orders_by_day.get(day, 0)
        left["points"] -= account.points_by_day.get(day, 0)
        if not goals.reached(Figures(**left)):
            return shifted(day, rules.window_days)
    return FOR_EVER


def evaluate(
    account: TierAccount,
    rules: TierRules,
    today: str,
    revisions: Mapping[int, TierRules] = NO_OTHERS,
) -> Evaluation:
    """Evaluate a member on a day by the rules in force; upwards at once, downwards at the review.

    `revisions` are the rules of before that the standing names: until its review the level is
    judged by those it was given by, whether a refund undoes what it rests on.
    """
    case = Case(account, rules, today, revisions)
    found = case.judged()
    if case.rank(found.standing) > case.rank(account.tier):
        return replace(found, raised=True, cause="figures")
    return found


@dataclass(frozen=True)
class Case:
    """One member on one day."""

    account: TierAccount
    rules: TierRules
    today: str
    revisions: Mapping[int, TierRules]

    def judged(self) -> Evaluation:
        """Return where the member stands: see `evaluate`."""
        standing = self._complete(self.account.tier)
        if self._is_undone(standing):
            fallen = standing.under or self._at_the_bottom(self.today)
            account = self.account.model_copy(update={"tier": fallen, "review_on": None})
            return replace(replace(self, account=account).judged(), cause="refund")
        cause: Cause | None = None
        risen = self._risen(standing)
        if risen is not None:
            standing, cause = risen, "figures"
        else:
            reviewed = self._reviewed(standing)
            if reviewed.level != standing.level:
                cause, standing = "review", self._risen(reviewed) or reviewed
            else:
                standing = self._refreshed(reviewed) if reviewed is standing else reviewed
        if cause is None and standing.level != self.account.tier.level:
            cause = "rules"  # The lowest level has another name.
        return self._evaluation(standing, cause)

    def given(self, standing: Standing) -> TierRules:
        """Return the rules by which a level was given; those in force where they are lost."""
        if standing.rules_revision == self.rules.revision:
            return self.rules
        return self.revisions.get(standing.rules_revision, self.rules)

    def level(self, standing: Standing) -> Level:
        """Return a standing's level; one that is in force no more as it was."""
        found = self.rules.find(standing.level) or self.given(standing).find(standing.level)
        return found or self.rules.levels[0]

    def rank(self, standing: Standing) -> float:
        """Place a level among the present ones; one that is gone stands between its neighbours."""
        places = {level.level: place for place, level in enumerate(self.rules.levels)}
        if standing.level in places:
            return places[standing.level]
        of_then = [level.level for level in self.given(standing).levels]
        if standing.level not in of_then[1:]:
            return 0
        lower = of_then[: of_then.index(standing.level)]
        return 0.5 + max((places[level] for level in lower if level in places), default=0)

    def _at_the_bottom(self, since_day: str | None) -> Standing:
        lowest = self.rules.levels[0].level
        return Standing(level=lowest, rules_revision=self.rules.revision, since_day=since_day)

    def _complete(self, standing: Standing) -> Standing:
        """Give the days to a level from before they were kept, or from elsewhere."""
        if self.rank(standing) == 0:
            return standing.model_copy(update={"level": self.rules.levels[0].level})
        if standing.holds_through is not None:
            return standing
        rolling = self.given(standing).window == "rolling"
        if self.account.review_on is not None:
            last = shifted(self.account.review_on, -1)
        elif self.rules.window == "rolling":
            last = shifted(self.today, self.rules.window_days - 1)
        else:
            last = period(self.rules, self.account, standing, self.today)[1]
        earned_through = last if rolling and self.account.review_on is not None else None
        return standing.model_copy(update={"earned_through": earned_through, "holds_through": last})

    def _is_undone(self, standing: Standing) -> bool:
        given = self.given(standing)
        level = given.find(standing.level)
        if level is None or standing.earned_through is None or self.rank(standing) == 0:
            return False
        if self.today > standing.earned_through:
            return False
        first, last = standing.earned_from or "", standing.earned_through
        if given.window == "rolling":
            first, last = period(given, self.account, standing, self.today)
        return not level.reached(figures_of(self.account, first, last))

    def _risen(self, standing: Standing) -> Standing | None:
        """Return the higher standing that the figures reach by the rules in force, or None."""
        rank, best = self.rank(standing), None
        for first, last in self._open_periods(standing):
            level = self.rules.earned(figures_of(self.account, first, last))
            place = self.rules.levels.index(level)
            if place > rank:
                rank, best = place, (level, first, last)
        if best is None:
            return None
        level, first, last = best
        risen = self._at_the_bottom(self.today).model_copy(
            update={"level": level.level, "under": standing}
        )
        if self.rules.window == "rolling":
            return self._resting_on_window(self.rules, risen, level)
        holds = period(self.rules, self.account, risen, self.today)[1]
        return risen.model_copy(
            update={"earned_from": first, "earned_through": last, "holds_through": holds}
        )

    def _open_periods(self, standing: Standing) -> list[tuple[str, str]]:
        """Return the period of today, and for its first days the one before."""
        first, last = period(self.rules, self.account, standing, self.today)
        found = [(first, last)]
        from_level = self.rules.window == "anchor" and self.rules.anchor == "level_start"
        if self.rules.window == "rolling" or (from_level and standing.since_day == first):
            return found
        if self.today < shifted(first, LATE_DAYS):
            found.append(period(self.rules, self.account, standing, shifted(first, -1)))
        return found

    def _resting_on_window(self, rules: TierRules, standing: Standing, level: Level) -> Standing:
        """Let a level rest on the rolling window: it falls by itself on known days."""
        reached = first_fall(self.account, rules, level, self.today)
        kept = first_fall(self.account, rules, level.kept_by, self.today)
        return standing.model_copy(
            update={
                "earned_from": None,
                "earned_through": shifted(reached, -1) if reached > self.today else None,
                "holds_through": shifted(kept, -1),
            }
        )

    def _refreshed(self, standing: Standing) -> Standing:
        """Move the days of a level in a rolling window by orders and partial refunds.

        Under rules of before, new orders don't put the review off; under those in force they do.
        """
        holds = standing.holds_through
        if self.rank(standing) == 0 or holds is None or self.today > holds:
            return standing
        rests = standing.earned_through is not None and self.today <= standing.earned_through
        given, moved = self.given(standing), standing
        level, old = self.rules.find(standing.level), given.find(standing.level)
        if rests and old is not None and given.window == "rolling":
            moved = self._resting_on_window(given, standing, old)
            if given is self.rules:
                return moved
            days = ("earned_through", "holds_through")
            sooner = {day: min(getattr(moved, day), getattr(standing, day)) for day in days}
            moved = moved.model_copy(update=sooner)
        if level is None or self.rules.window != "rolling":
            return moved
        now = self._resting_on_window(self.rules, moved, level)
        if (now.holds_through or "") < (moved.holds_through or ""):
            return moved
        if not rests:  # Kept, not earned: orders make it longer, refunds no shorter.
            return moved.model_copy(update={"holds_through": now.holds_through})
        if now.earned_through is None:
            return moved
        return now.model_copy(update={"rules_revision": self.rules.revision})

    def _reviewed(self, standing: Standing) -> Standing:
        """Go through the reviews whose day has come, one after the other."""
        for _ in range(MOST_REVIEWS):
            over = standing.holds_through
            if over is None or self.today <= over or self.rank(standing) == 0:
                return standing
            through = shifted(over, self.rules.grace_days)
            level = self.rules.find(standing.level)
            counted = self.figures_at_review(standing)
            if level is not None and level.kept_by.reached(counted):
                standing = self._for_another_period(standing, level, shifted(over, 1))
            elif self.today <= through:
                return standing
            else:
                standing = self._fallen(standing, counted, shifted(through, 1))
        return standing

    def after_review(self, standing: Standing, on: str) -> Standing:
        """Return where a level that fails its review as figures stand would go, on that day."""
        return self._fallen(standing, self.figures_now(standing), on)

    def figures_now(self, standing: Standing) -> Figures:
        """Return the figures of the period in which the level is judged, as of today."""
        counting = self._counting(standing)
        return figures_of(self.account, *period(counting, self.account, standing, self.today))

    def _counting(self, standing: Standing) -> TierRules:
        """The period is the one under which a level was given; windows may change their length."""
        given = self.given(standing)
        return self.rules if given.window == self.rules.window == "rolling" else given

    def figures_at_review(self, standing: Standing) -> Figures:
        """Return what the review will count, grace included, as far as it is known today."""
        over, counting = standing.holds_through or self.today, self._counting(standing)
        if counting.window == "rolling":
            on = max(shifted(over, 1), self.today)
            return figures_of(self.account, *period(counting, self.account, standing, on))
        first, last = period(counting, self.account, standing, over)
        return figures_of(self.account, first, shifted(last, self.rules.grace_days))

    def _for_another_period(self, standing: Standing, level: Level, since: str) -> Standing:
        """Let a level hold for one more period from `since` on, by the rules in force."""
        following = standing.model_copy(
            update={"rules_revision": self.rules.revision, "under": None}
        )
        if self.rules.window != "rolling":
            last = period(self.rules, self.account, following, since)[1]
            return following.model_copy(update={"holds_through": last})
        resting = self._resting_on_window(self.rules, following, level)
        if (resting.holds_through or "") >= self.today:
            return resting
        # Not by its figures, but by the way down: so it holds for a window of its own.
        last = shifted(since, self.rules.window_days - 1)
        return following.model_copy(
            update={"earned_from": None, "earned_through": None, "holds_through": last}
        )

    def _fallen(self, standing: Standing, counted: Figures, since: str) -> Standing:
        """Return where the member stands after a review that the level didn't pass."""
        level, rank = self.rules.find(standing.level), self.rank(standing)
        if self.rules.downgrade == "never" and level is not None:
            return self._for_another_period(standing, level, since)
        below = [level for place, level in enumerate(self.rules.levels) if place < rank]
        if self.rules.downgrade == "to_earned":
            below = [level for level in below if level.kept_by.reached(counted)]
        if not below or below[-1] is self.rules.levels[0]:
            return self._at_the_bottom(since)
        fallen = self._at_the_bottom(since).model_copy(update={"level": below[-1].level})
        return self._for_another_period(fallen, below[-1], since)

    def _evaluation(self, standing: Standing, cause: Cause | None) -> Evaluation:
        review_on, notice = self._look(standing)
        if notice:
            standing = standing.model_copy(update={"noticed_for": standing.holds_through})
        given, last = self.given(standing), standing.holds_through
        kept_from = shifted(self.today, 1 - MOST_DAYS)
        if last is not None and given.window != "rolling":
            last = min(last, self.today)
            kept_from = min(kept_from, period(given, self.account, standing, last)[0])
        counted = figures_of(self.account, *period(self.rules, self.account, standing, self.today))
        return Evaluation(
            standing, self.level(standing), counted, review_on, cause, notice, kept_from
        )

    def _look(self, standing: Standing) -> tuple[str | None, bool]:
        """Return the next day to look at the standing, and whether a notice is due now."""
        last = standing.holds_through
        if last is None or self.rank(standing) == 0:
            return None, False
        if self.today > last:
            return shifted(last, self.rules.grace_days + 1), False
        told = standing.noticed_for == last or self.rules.notice_days == 0
        if told or self.missing_to_keep(standing) is None:
            return shifted(last, 1), False
        notice_on = shifted(last, 1 - self.rules.notice_days)
        return (notice_on, False) if self.today < notice_on else (shifted(last, 1), True)

    def missing_to_keep(self, standing: Standing) -> dict[str, int] | None:
        """Return what is missing to keep the level at its review, by figure; None if nothing."""
        level = self.rules.find(standing.level)
        if level is None or self.rules.downgrade == "never" or standing.holds_through is None:
            return None
        return level.kept_by.missing(self.figures_at_review(standing))
