"""Dates, periods and sums for the model of tiers, as plain as they can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from huitou.loyalty.tiers.models import Goals, Level, TierRules

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Order:
    """What remains of an order, on its own business day."""

    on: date
    spend_fen: int = 0
    orders: int = 1
    points: int = 0


class Sums(NamedTuple):
    """The three figures of some days."""

    spend_fen: int
    orders: int
    points: int


class Stretch(NamedTuple):
    """The days from `first` through `last` (`anchor: level_start`)."""

    first: date
    last: date


# Dates.


def days_from(first: date, last: date) -> Iterator[date]:
    """Yield each day from the first through the last."""
    day = first
    while day <= last:
        yield day
        day += ONE_DAY


def same_date(day: date, year: int) -> date:
    """Return the same date in another year; without a 29 February, the 28th."""
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def stretch_from(first: date) -> Stretch:
    """Return the 12 months that begin on this day."""
    return Stretch(first, same_date(first, first.year + 1) - ONE_DAY)


def year_ending(last: date) -> Stretch:
    """Return the 12 months that end on this day: those after the same date of the year before."""
    return Stretch(same_date(last, last.year - 1) + ONE_DAY, last)


def cycle_first(rules: TierRules, joined: date, day: date) -> date:
    """Return the first day of the cycle in which this day lies."""
    if rules.window == "calendar_year":
        return date(day.year, 1, 1)
    anniversary = same_date(joined, day.year)
    return anniversary if anniversary <= day else same_date(joined, day.year - 1)


def cycle_last(rules: TierRules, joined: date, day: date) -> date:
    """Return the last day of the cycle in which this day lies: the next day begins another."""
    year = cycle_first(rules, joined, day).year + 1
    if rules.window == "calendar_year":
        return date(year, 1, 1) - ONE_DAY
    return same_date(joined, year) - ONE_DAY


def by_stretches(rules: TierRules) -> bool:
    """Tell whether each level has its own stretches of 12 months."""
    return rules.window == "anchor" and rules.anchor == "level_start"


def period_from(rules: TierRules, joined: date, day: date) -> date:
    """Return the last day of one period that is given from this day on."""
    if rules.window == "rolling":
        return day + timedelta(days=rules.window_days - 1)
    if by_stretches(rules):
        return stretch_from(day).last
    return cycle_last(rules, joined, day)


# Figures and goals.


class Ledger:
    """The orders, and their plain sums; each sum is remembered once it has been asked for."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.orders = list(orders)
        self.known: dict[tuple[date, date], Sums] = {}

    def total(self, first: date, last: date) -> Sums:
        """Return the sum of all orders from the first day through the last."""
        if (first, last) not in self.known:
            those = [order for order in self.orders if first <= order.on <= last]
            self.known[first, last] = Sums(
                sum(order.spend_fen for order in those),
                sum(order.orders for order in those),
                sum(order.points for order in those),
            )
        return self.known[first, last]

    def through(self, day: date) -> Ledger:
        """Return the orders as they are if nothing more is ordered after this day."""
        return Ledger(order for order in self.orders if order.on <= day)


def meets(goals: Goals, sums: Sums) -> bool:
    """Tell whether these figures meet all or any of the goals that are set."""
    pairs = [
        (goals.spend_fen, sums.spend_fen),
        (goals.orders, sums.orders),
        (goals.points, sums.points),
    ]
    met = [figure >= goal for goal, figure in pairs if goal is not None]
    return any(met) if goals.match == "any" and met else all(met)


def reaches(level: Level, sums: Sums) -> bool:
    """Tell whether these figures reach the level."""
    return meets(level, sums)


def keeps(level: Level, sums: Sums) -> bool:
    """Tell whether these figures keep the level: without `keep`, the same goals count."""
    return meets(level if level.keep is None else level.keep, sums)
