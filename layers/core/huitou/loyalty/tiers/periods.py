"""The days whose figures count together: rolling windows, cycles, years; and sums over days.

Days are integers here (`date.toordinal`), since finding a tier compares thousands of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from huitou.loyalty.tiers.models import Figures, Goals, TierAccount, TierRules

Sums = tuple[int, int, int]  # Spend in fen, orders, points.
NOTHING: Sums = (0, 0, 0)
FOR_EVER = date.max.toordinal()
_FIGURES = ("spend_fen", "orders", "points")


def ordinal(day: str) -> int:
    """Return the ordinal of an ISO day; an empty text gives 0, which is before all days."""
    return date.fromisoformat(day).toordinal() if day else 0


def iso(day: int) -> str:
    """Return the ISO day of an ordinal."""
    return date.fromordinal(day).isoformat()


def anniversary(day: date, year: int) -> date:
    """Return the same date in another year; 29 February becomes the 28th if there is none."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def years_on(day: int, years: int) -> int:
    """Return the same date so many years later."""
    there = date.fromordinal(day)
    return anniversary(there, there.year + years).toordinal()


def meets(goals: Goals) -> Callable[[Sums], bool]:
    """Return a function that tests sums against the goals: `Goals.reached`, fast for many sums."""
    wanted = [(_FIGURES.index(name), goal) for name, goal in goals.wanted().items()]
    if len(wanted) == 1:
        [(only, least)] = wanted
        return lambda sums: sums[only] >= least
    enough = any if goals.match == "any" and wanted else all
    return lambda sums: enough(sums[figure] >= goal for figure, goal in wanted)


@dataclass(frozen=True)
class DaySums:
    """An account's days in order, and for each the sums of all days before it."""

    days: list[int]
    before: list[Sums]

    @classmethod
    def of(cls, account: TierAccount) -> DaySums:
        """Sum up those days of an account that have figures."""
        by_day = (account.spend_by_day, account.orders_by_day, account.points_by_day)
        days, before = list[int](), [NOTHING]
        for day in sorted({*by_day[0], *by_day[1], *by_day[2]}):
            spend_fen, orders, points = (figures.get(day, 0) for figures in by_day)
            points -= account.waived_by_day.get(day, 0)
            if spend_fen or orders or points:
                days.append(ordinal(day))
                before.append(_plus(before[-1], (spend_fen, orders, points)))
        return cls(days, before)

    def through(self, last: int) -> DaySums:
        """Return the days through `last`."""
        end = bisect_right(self.days, last)
        return DaySums(self.days[:end], self.before[: end + 1])

    def total(self, first: int, last: int) -> Sums:
        """Return the sums of the days from `first` through `last`."""
        start, end = bisect_left(self.days, first), bisect_right(self.days, last)
        return _minus(self.before[max(start, end)], self.before[start])

    def running(self, first: int, last: int) -> Iterator[tuple[int, Sums]]:
        """Yield each day with figures in a period, and the sums from `first` through that day."""
        start, end = bisect_left(self.days, first), bisect_right(self.days, last)
        for place in range(start, end):
            yield self.days[place], _minus(self.before[place + 1], self.before[start])

    def windows(self, length: int, since: int) -> list[tuple[int, int, Sums]]:
        """Return spans of days from `since` on (first, last, sums) whose windows have equal sums.

        A day's window is the `length` days that end with it.
        """
        days, found = self.days, []
        turns = {*days, *(day + length for day in days), since}
        come = gone = 0
        for first, following in pairwise(sorted(day for day in turns if day >= since)):
            while come < len(days) and days[come] <= first:
                come += 1
            while gone < come and days[gone] <= first - length:
                gone += 1
            found.append((first, following - 1, _minus(self.before[come], self.before[gone])))
        return found


def _plus(mine: Sums, theirs: Sums) -> Sums:
    return mine[0] + theirs[0], mine[1] + theirs[1], mine[2] + theirs[2]


def _minus(mine: Sums, theirs: Sums) -> Sums:
    return mine[0] - theirs[0], mine[1] - theirs[1], mine[2] - theirs[2]


def figures_of(sums: Sums) -> Figures:
    """Return sums as figures with names."""
    return Figures(spend_fen=sums[0], orders=sums[1], points=sums[2])


def cycle(rules: TierRules, joined_day: str | None, day: int) -> tuple[int, int]:
    """Return the first and last day of the cycle that contains a day."""
    anchor, there = date(2000, 1, 1), date.fromordinal(day)
    if rules.window == "anchor" and joined_day is not None:
        anchor = date.fromisoformat(joined_day)
    year = there.year if anniversary(anchor, there.year) <= there else there.year - 1
    following = anniversary(anchor, year + 1).toordinal()
    return anniversary(anchor, year).toordinal(), following - 1


def counted(rules: TierRules, joined_day: str | None, day: int) -> tuple[int, int]:
    """Return the first and last day whose figures count on a day for reaching a level.

    If a window ends on the day, later days count too: a store may be a day ahead.
    """
    if rules.window == "rolling":
        return day - rules.window_days + 1, FOR_EVER
    if is_by_stretches(rules):
        return years_on(day, -1) + 1, FOR_EVER
    return cycle(rules, joined_day, day)


def period_from(rules: TierRules, joined_day: str | None, day: int) -> int:
    """Return the last day of a period that begins on this day, or of the cycle that contains it."""
    if rules.window == "rolling":
        return day + rules.window_days - 1
    if is_by_stretches(rules):
        return years_on(day, 1) - 1
    return cycle(rules, joined_day, day)[1]


def is_by_stretches(rules: TierRules) -> bool:
    """Tell whether 12 months begin each time a member reaches a level."""
    return rules.window == "anchor" and rules.anchor == "level_start"
