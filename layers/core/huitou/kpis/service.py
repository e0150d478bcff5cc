"""Roll up what is new, and tell the KPIs of any day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession

from huitou.kpis.models import DaysRequest, KpiDay, ReportRequest
from huitou.kpis.repository import KpiRepository
from huitou.kpis.rules import (
    BURN_DAYS,
    EVERYTHING,
    REACH_DAYS,
    Chain,
    Series,
    activity,
    counted_fen,
    days_between,
    movements,
    order_figures,
    series_of,
    shifted,
)
from huitou.members.models import Channel
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.stores.rules import business_day, day_bounds
from huitou.tiers.service import BRAND_CUT, BRAND_ZONE

AT_ONCE = 1_000  # Orders or log-ins of one transaction.
SETTLES_WITHIN = timedelta(hours=1)  # A day that is over for this long gets no entry any more.


class Kpis:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = KpiRepository(database)

    def recount(self, days: Iterable[str], session: ClientSession) -> None:
        """Mark days whose members or points changed after they were over."""
        self._repository.mark(days, session)

    def roll_up(self, seconds: float) -> dict[str, Any]:
        """Bring the kept days up to what is known now; safe to repeat, interrupt, run twice.

        Orders and log-ins are counted by what they change, each batch in one transaction with
        their markers; members and points of a day are counted as a whole, for days that are
        marked or not closed yet. `rest`: the time was over first.
        """
        ends = time.monotonic() + seconds
        self._repository.prepare()
        done: Counter[str] = Counter(orders=0, logins=0, days=0)
        for name, count in (("orders", self._count_orders), ("logins", self._count_logins)):
            while True:
                counted = self._database.transact(count)
                done[name] += counted
                if counted < AT_ONCE:
                    break
                if time.monotonic() > ends:
                    return {**done, "rest": True}
        for day in self._days_to_count():
            self._database.transact(partial(self._count_day, day))
            done["days"] += 1
            if time.monotonic() > ends:
                return {**done, "rest": True}
        return {**done, "rest": False}

    def _count_orders(self, session: ClientSession) -> int:
        self._repository.one_at_a_time(session)
        due = self._repository.due_orders(AT_ONCE, session)
        if not due:
            return 0
        changed = {order.member_id for order in due if order.counted_fen != counted_fen(order)}
        first = shifted(due[0].business_day, -REACH_DAYS)
        last = shifted(due[-1].business_day, REACH_DAYS)
        visits = self._repository.counted(sorted(changed), first, last, session) if changed else []
        self._repository.move(movements(due, visits), session)
        self._repository.mark_counted(due, session)
        return len(due)

    def _count_logins(self, session: ClientSession) -> int:
        self._repository.one_at_a_time(session)
        due = self._repository.due_logins(AT_ONCE, session)
        if not due:
            return 0
        members = sorted({login.member_id for login in due})
        around = self._repository.logins_of(
            members,
            shifted(due[0].business_day, -REACH_DAYS),
            shifted(due[-1].business_day, REACH_DAYS),
            session,
        )
        moves = activity(due, around, self._repository.registered_days(members, session))
        cells = {(day, *EVERYTHING): Counter(active_members=moved) for day, moved in moves.items()}
        self._repository.move(cells, session)
        self._repository.mark_logins_counted(due, session)
        return len(due)

    def _days_to_count(self) -> Iterator[str]:
        """Days that were marked; then the day that is running and those not closed before it."""
        while marked := self._repository.marked():
            yield from marked
        now = self._clock.now()
        today = business_day(now, BRAND_ZONE, BRAND_CUT)
        over = shifted(business_day(now - SETTLES_WITHIN, BRAND_ZONE, BRAND_CUT), -1)
        closed = self._repository.closed_through()
        begins = shifted(closed, 1) if closed else self._repository.first_registered_day() or today
        for day in days_between(begins, today):
            yield day
            if day <= over:  # The one who took it has counted it by now.
                self._repository.close_through(day)

    def _count_day(self, day: str, session: ClientSession) -> None:
        """Count a day's new members and points as a whole."""
        members: Counter[Series] = Counter()
        for (store_id, channel), count in self._repository.registered_on(day, session).items():
            for series in series_of(store_id, channel):
                members[series] += count
        bounds = day_bounds(day, BRAND_ZONE, BRAND_CUT)
        points = self._repository.points_between(*bounds, session)
        self._repository.set_day(day, points, members, session)

    def report(self, request: ReportRequest) -> dict[str, Any]:
        """Tell every figure as of a business day, as known now; also by channel and by store.

        Orders, revenue and new members are of that day, `…_30d` of the thirty up to it. Activity
        and points are the whole chain's whatever is selected.
        """
        as_of = request.as_of.isoformat() if request.as_of else self._yesterday()
        chosen: Series = (request.store_id, request.channel)
        first = shifted(as_of, 1 - REACH_DAYS)
        by_channel = self._repository.days({"store_id": request.store_id}, first, as_of)
        by_store = self._repository.days({"channel": request.channel}, first, as_of)
        series = _by_series([*by_channel, *by_store])
        channels: set[Channel] = {"mini_program"}
        channels |= {c for s, c in series if s == request.store_id and c}
        stores = {s for s, c in series if c == request.channel and s}
        return {
            "as_of": as_of,
            "store_id": request.store_id,
            "channel": request.channel,
            **order_figures(series.get(chosen, {}), as_of).model_dump(),
            **self._chain(as_of, as_of).figures(as_of).model_dump(),
            "by_channel": {
                channel: order_figures(
                    series.get((request.store_id, channel), {}), as_of
                ).model_dump()
                for channel in sorted(channels)
            },
            "by_store": {
                store_id: order_figures(
                    series.get((store_id, request.channel), {}), as_of
                ).model_dump()
                for store_id in sorted(stores)
            },
        }

    def days(self, request: DaysRequest) -> dict[str, Any]:
        """Tell the figures of each day of a period."""
        first, last = request.first.isoformat(), request.last.isoformat()
        found = self._repository.days(
            {"store_id": request.store_id, "channel": request.channel},
            shifted(first, 1 - REACH_DAYS),
            last,
        )
        kept = {day.day: day for day in found}
        chain = self._chain(first, last)
        return {
            "days": [
                {"day": day}
                | order_figures(kept, day).model_dump()
                | chain.figures(day).model_dump()
                for day in days_between(first, last)
            ]
        }

    def _chain(self, first: str, last: str) -> Chain:
        """The whole chain from the earliest day that a figure of `first` looks back to."""
        begins = shifted(first, -BURN_DAYS)
        whole = dict(zip(("store_id", "channel"), EVERYTHING, strict=True))
        days = self._repository.days(whole, begins, last)
        return Chain(self._repository.sums_before(begins), days)

    def _yesterday(self) -> str:
        return shifted(business_day(self._clock.now(), BRAND_ZONE, BRAND_CUT), -1)


def _by_series(days: Iterable[KpiDay]) -> dict[Series, dict[str, KpiDay]]:
    series: dict[Series, dict[str, KpiDay]] = {}
    for day in days:
        series.setdefault((day.store_id, day.channel), {})[day.day] = day
    return series
