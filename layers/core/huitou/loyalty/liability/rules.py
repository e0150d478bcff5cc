"""Sum up what became of points by month, and build the report of what is owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from huitou.loyalty.liability.models import (
    LiabilityAnswer,
    PointsMonth,
    ShownMonth,
    ShownSums,
    Sums,
)
from huitou.loyalty.points.models import NEVER
from huitou.loyalty.points.rules import day_after
from huitou.loyalty.points.sums import points_sums

CLOSES_AFTER_DAYS = 3  # A store may open further west: its day ends later.
_NAMES = tuple(Sums.model_fields)


def month_of(day: str) -> str:
    """Return a day's month, as YYYY-MM."""
    return day[:7]


def last_day(month: str) -> str:
    """Return the last day of a month."""
    return (date.fromisoformat(f"{next_month(month)}-01") - timedelta(days=1)).isoformat()


def next_month(month: str) -> str:
    """Return the following month."""
    return (date.fromisoformat(f"{month}-01") + timedelta(days=31)).isoformat()[:7]


def months_between(first: str, last: str) -> Iterator[str]:
    """Yield the months from `first` to `last`, both included."""
    while first <= last:
        yield first
        first = next_month(first)


def is_over(month: str, today: str) -> bool:
    """Tell whether no entry can be booked in a month any more."""
    return day_after(last_day(month), CLOSES_AFTER_DAYS) < today


def counted(
    month: str, kinds: Iterable[dict[str, Any]], lots: Iterable[dict[str, Any]]
) -> PointsMonth:
    """Sum up what the database grouped: entries by kind, moves of lots by year of expiry."""
    sums: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    owed = 0
    for group in kinds:
        is_test = group["_id"]["is_test"]
        for name, points in points_sums([(group["_id"]["kind"], group["points"])]).items():
            sums[is_test][name] += points
        owed += 0 if is_test else group["debt"]
    moved: dict[str, Counter[str]] = {"open": Counter(), "pending": Counter()}
    for group in lots:
        year = "never" if group["_id"]["year"] == NEVER[:4] else group["_id"]["year"]
        moved["pending" if group["_id"]["pending"] else "open"][year] += group["points"]
    return PointsMonth(
        id=month,
        sums=Sums(**sums[False]),
        test=Sums(**sums[True]),
        owed=owed,
        **{name: _without_zeros(years) for name, years in moved.items()},
    )


def sum_months(months: Sequence[PointsMonth], month_id: str = "") -> PointsMonth:
    """Add up months, or the days of one month."""
    open_points: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    for month in months:
        open_points.update(month.open)
        pending.update(month.pending)
    return PointsMonth(
        id=month_id,
        sums=_sum_of(month.sums for month in months),
        test=_sum_of(month.test for month in months),
        open=_without_zeros(open_points),
        pending=_without_zeros(pending),
        owed=sum(month.owed for month in months),
    )


def report(
    as_of: str,
    months: Sequence[PointsMonth],
    closed: frozenset[str],
    point_value_fen: int,
    *,
    rest: bool,
) -> LiabilityAnswer:
    """Build the report of what was owed after these months."""
    shown, outstanding = [], 0
    for month in months:
        outstanding += month.sums.outstanding
        shown.append(
            ShownMonth(
                month=month.id,
                closed=month.id in closed,
                outstanding_at_end=outstanding,
                **month.sums.model_dump(),
            )
        )
    total = sum_months(months)
    open_points, pending = sum(total.open.values()), sum(total.pending.values())
    by_year = Counter(total.open)
    by_year.update(total.pending)
    return LiabilityAnswer(
        as_of=as_of,
        point_value_fen=point_value_fen,
        months=shown,
        total=ShownSums(**total.sums.model_dump()),
        test=ShownSums(**total.test.model_dump()),
        open_points=open_points,
        pending_points=pending,
        owed_points=total.owed,
        by_year=dict(sorted(_without_zeros(by_year).items())),
        agrees=all(left_over(month.sums) == month.sums.outstanding for month in (*months, total))
        and total.sums.outstanding == open_points + pending - total.owed,
        rest=rest,
    )


def left_over(sums: Sums) -> int:
    """Return what is left of the points issued."""
    return sums.issued - sums.used - sums.expired - sums.clawed_back - sums.taken


def _sum_of(sums: Iterable[Sums]) -> Sums:
    total: Counter[str] = Counter()
    for one in sums:
        total.update(one.model_dump())
    return Sums(**{name: total[name] for name in _NAMES})


def _without_zeros(years: Counter[str]) -> dict[str, int]:
    return {year: points for year, points in years.items() if points}
