"""Differences between groups, with intervals that one may look at every day.

The interval is an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", 2021, theorem 2.2): with
probability 95 % it contains the true difference at *all* looks together. An ordinary interval has
this probability only at a single look. In return ours is wider by about half.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import NamedTuple

from huitou.marketing.measurement.models import Effect, Metric
from huitou.runtime.errors import Lang

ALPHA = 0.05
TIGHTEST_AT = 1_000  # The interval is tuned to be narrowest at this number of members.
LEAST_MEMBERS = 50  # With fewer members in a group the report says nothing.
# In each group so many must have come back, and so many not: the theory needs some of both.
LEAST_EVENTS = 5
WORTH_KNOWING = 0.03  # The report says how many members show a difference of 3 points.


@dataclass
class Outcomes:
    """Running sums of one figure over the members of a group."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    positive: int = 0

    def add(self, value: float) -> None:
        """Count one more member."""
        self.count += 1
        self.total += value
        self.squares += value * value
        self.positive += value > 0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        if self.count < 2:
            return 0.0
        return max(0.0, (self.squares - self.count * self.mean**2) / (self.count - 1))


class Interval(NamedTuple):
    """A difference of means, and the two ends of its interval."""

    difference: float
    low: float
    high: float


def enough(treated: Outcomes, holdout: Outcomes) -> bool:
    """Tell whether both groups are large enough for the interval to be valid."""
    return all(
        group.count >= LEAST_MEMBERS
        and min(group.positive, group.count - group.positive) >= LEAST_EVENTS
        for group in (treated, holdout)
    )


def interval(treated: Outcomes, holdout: Outcomes, alpha: float = ALPHA) -> Interval:
    """Return the difference between two groups, with an interval that is valid at every look."""
    count = treated.count + holdout.count
    difference = treated.mean - holdout.mean
    variance = count * (treated.variance / treated.count + holdout.variance / holdout.count)
    width = sqrt(variance) * _boundary(count, alpha)
    return Interval(difference, difference - width, difference + width)


def _boundary(count: int, alpha: float) -> float:
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / TIGHTEST_AT
    grown = count * rho2 + 1
    return sqrt(2 * grown / (count**2 * rho2) * log(sqrt(grown) / alpha))


def members_needed(rate: float, holdout_share: float, alpha: float = ALPHA) -> int:
    """Return how many members it takes to show a difference of 3 percentage points.

    `rate` is the share of members who come back, `holdout_share` that of the hold-out, 0 to 1.
    """
    per_member = rate * (1 - rate) * (1 / (1 - holdout_share) + 1 / holdout_share)
    count = 2 * LEAST_MEMBERS
    while sqrt(per_member) * _boundary(count, alpha) > WORTH_KNOWING and count < 10**8:
        count = count * 5 // 4
    return count


def effect(
    metric: Metric, group: str, treated: Outcomes, holdout: Outcomes, alpha: float = ALPHA
) -> Effect:
    """Return a group's difference in one figure, rounded for the report."""
    found = interval(treated, holdout, alpha)
    digits = 1 if metric == "revenue_fen" else 4
    return Effect(
        metric=metric,
        group=group,
        difference=round(found.difference, digits),
        low=round(found.low, digits),
        high=round(found.high, digits),
        tells=found.low > 0 or found.high < 0,
    )


def verdict(
    treated: Outcomes, holdout: Outcomes, days: int, waiting: int, lang: Lang = "zh"
) -> str:
    """Return one sentence about whether members came back because of the campaign.

    `waiting` is how many members haven't been observed for all `days` yet.
    """
    english = lang == "en"
    if treated.count == holdout.count == waiting == 0:
        return "Nobody was told yet." if english else "还没有触达任何会员。"
    if holdout.count == 0 and waiting == 0:
        return (
            "Without a hold-out nobody can tell whether it works."
            if english
            else "没有对照组，无法判断是否有效。"
        )
    if not enough(treated, holdout):
        more = (
            (
                f" Of {waiting} the {days} days aren't over yet."
                if english
                else f"还有 {waiting} 位会员未满 {days} 天。"
            )
            if waiting
            else ""
        )
        return "Too few members to tell." + more if english else "人数太少，还不能判断。" + more
    found = interval(treated, holdout)
    points, low, high = (100 * value for value in found)
    if found.low > 0 or found.high < 0:
        if english:
            word = "more" if found.difference > 0 else "fewer"
            return (
                f"{abs(points):.1f} points {word} came back within {days} days because of it "
                f"(95 %: {low:+.1f} to {high:+.1f})."
            )
        word = "提高" if found.difference > 0 else "降低"
        return (
            f"{days} 天复购率因此{word} {abs(points):.1f} 个百分点"
            f"（95% 区间 {low:+.1f} 至 {high:+.1f}）。"
        )
    rate = (treated.total + holdout.total) / (treated.count + holdout.count)
    share = holdout.count / (treated.count + holdout.count)
    needed = members_needed(rate, share)
    if english:
        return (
            f"The data can't tell: {points:+.1f} points (95 %: {low:+.1f} to {high:+.1f}); "
            f"for 3 points it takes about {needed:,} members."
        )
    return (
        f"数据还看不出差别：{points:+.1f} 个百分点（95% 区间 {low:+.1f} 至 {high:+.1f}）；"
        f"要看出 3 个百分点约需 {needed:,} 位会员。"
    )
