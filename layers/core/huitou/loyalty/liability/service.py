"""What members are owed in points as of any day; only months that aren't closed are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from huitou.catalog.stores.rules import days_between
from huitou.loyalty.liability.repository import LiabilityRepository
from huitou.loyalty.liability.rules import (
    counted,
    is_over,
    last_day,
    month_of,
    months_between,
    next_month,
    report,
    sum_months,
)
from huitou.loyalty.points.service import Points
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    from huitou.loyalty.liability.models import LiabilityAnswer, PointsMonth


class Liability:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = LiabilityRepository(database)
        self._points = Points(database, clock)

    def report_liability(self, as_of: str | None, goes_on: Callable[[], bool]) -> LiabilityAnswer:
        """Report what was owed at the end of a day, by month; Refusal INVALID_REQUEST `as_of`.

        Months that are over are closed first, while `goes_on()` is true. A report with `rest`
        lacks the later months: ask again.
        """
        today = self._points.today()
        as_of = as_of or today
        if as_of > today or len(as_of) != len(today) or not _is_day(as_of):
            raise Refusal(Code.INVALID_REQUEST, field="as_of", detail=f"≤ {today}")
        for month in self.closable_months():
            if not goes_on():
                break
            self.close_month(month)
        open_month = month_of(as_of)
        months = self._repository.closed(open_month)
        closed = {month.id for month in months}
        first = next_month(months[-1].id) if months else month_of(self._first_day() or today)
        rest = False
        for month in months_between(first, open_month):
            if not goes_on():
                rest = True
                break
            months.append(self._count(month, min(as_of, last_day(month))))
        if as_of == last_day(open_month) and is_over(open_month, today):
            closed.add(open_month)
        value_fen = self._points.rules().point_value_fen
        return report(as_of, months, frozenset(closed), value_fen, rest=rest)

    def closable_months(self) -> Iterator[str]:
        """Yield months that are over and not closed yet, the oldest first."""
        today = self._points.today()
        last = self._repository.last_closed()
        first_day = None if last else self._first_day()
        if last is None and first_day is None:
            return
        first = next_month(last) if last else month_of(str(first_day))
        for month in months_between(first, month_of(today)):
            if not is_over(month, today):
                return
            yield month

    def close_month(self, month: str) -> Literal["closed"]:
        """Count a month that is over and store it; it is never counted again."""
        self._repository.close(self._count(month, last_day(month)))
        return "closed"

    def _first_day(self) -> str | None:
        return self._repository.first_day()

    def _count(self, month: str, until: str) -> PointsMonth:
        """Count a month through a day; each query sums one day, so that it stays short."""
        with self._repository.snapshot() as session:
            days = [
                counted(
                    month,
                    self._repository.kinds_of(day, session),
                    self._repository.lots_of(day, session),
                )
                for day in days_between(f"{month}-01", until)
            ]
        return sum_months(days, month)


def _is_day(day: str) -> bool:
    try:
        return bool(days_between(day, day))
    except ValueError:
        return False
