"""Count what is new into the figures of its day (roll-up), and report the KPIs of any day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, get_args

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE
from huitou.catalog.stores.rules import brand_day, day_bounds, days_between, shifted
from huitou.catalog.stores.service import Stores
from huitou.insight.kpis.models import DaysRequest, ReportRequest, StoreFiguresRequest
from huitou.insight.kpis.repository import KpiRepository
from huitou.insight.kpis.rules import (
    BURN_DAYS,
    EVERYTHING,
    REACH_DAYS,
    Chain,
    Series,
    activity,
    counted_fen,
    joined_activity,
    joined_visits,
    movements,
    order_figures,
    series_of,
)
from huitou.members.profiles.models import Channel
from huitou.ordering.orders.models import NOBODY
from huitou.runtime import leases
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

NAME = "kpi-rollup"
FOUNDING_CHANNEL: Channel = "mini_program"  # Always reported: its rate is the product's aim.
AT_ONCE = 1_000  # Orders or log-ins in one transaction.
SETTLES_WITHIN = timedelta(hours=1)  # So long after its end, a day gets no more entries.


class Kpis:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = KpiRepository(database)

    def mark_days_for_recount(self, days: Iterable[str], session: ClientSession) -> None:
        """Mark days to be counted again, because their members or points changed afterwards."""
        self._repository.mark(days, session)

    def join_members(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Count two members as one person, in the transaction that merges them.

        It must run before the orders and log-ins of `source_id` move to `into_id`.
        """
        self._repository.prepare()
        self._repository.one_at_a_time(session)
        repository = self._repository
        moves = joined_visits(
            repository.every_visit(source_id, session), repository.every_visit(into_id, session)
        )
        registered = repository.registered_days([source_id, into_id], session)
        of_person = (registered[source_id], registered[into_id], registered[into_id])
        one, other = (repository.counted_logins(name, session) for name in (source_id, into_id))
        for day, active in joined_activity(one, other, of_person).items():
            moves.setdefault((day, *EVERYTHING), Counter())["active_members"] += active
        repository.move(moves, session)
        repository.mark([registered[source_id]], session)

    def roll_up_figures(self, seconds: float) -> dict[str, Any]:
        """Bring the stored days up to date; it may be repeated, interrupted or run twice at once.

        Orders and log-ins are counted by the changes they bring; each batch is one transaction,
        together with their markers. New members and points of a day are always counted as a whole,
        for the days that are marked or not closed yet. `rest` is true if the time was over before
        everything was counted, or if another roll-up is running.
        """
        ends = time.monotonic() + seconds
        done: Counter[str] = Counter(orders=0, logins=0, days=0)
        lease = leases.acquire(self._database, NAME, until_ms=int(seconds * 1000))
        if lease is None:
            return {**done, "rest": True}
        try:
            self._repository.prepare()
            for number, (name, count) in enumerate(self._steps()):
                # Losing the lease does no harm: two roll-ups conflict in `one_at_a_time`.
                if number and (time.monotonic() > ends or not leases.renew(self._database, lease)):
                    return {**done, "rest": True}
                done[name] += self._database.transact(count)
            return {**done, "rest": False}
        finally:
            leases.release(self._database, lease)

    def _steps(self) -> Iterator[tuple[str, Callable[[ClientSession], int]]]:
        """Yield the transactions that are still to be run; looks for work again after each one."""
        while self._repository.any_due("orders"):
            yield "orders", self._count_orders
        while self._repository.any_due("logins"):
            yield "logins", self._count_logins
        while marked := self._repository.marked():
            for day in marked:
                yield "days", partial(self._count_day, day)
        now = self._clock.now()
        today = brand_day(now)
        over = shifted(brand_day(now - SETTLES_WITHIN), -1)
        closed = self._repository.closed_through()
        begins = shifted(closed, 1) if closed else self._repository.first_registered_day() or today
        # Today is always counted, even if it is closed because a clock was set back.
        for day in days_between(min(begins, today), today):
            yield "days", partial(self._count_day, day, closes=day <= over)

    def _count_orders(self, session: ClientSession) -> int:
        self._repository.one_at_a_time(session)
        due = self._repository.due_orders(AT_ONCE, session)
        if not due:
            return 0
        changed = {order.member_id for order in due if order.counted_fen != counted_fen(order)}
        changed.discard(NOBODY)
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

    def _count_day(self, day: str, session: ClientSession, *, closes: bool = False) -> int:
        """Count a day's new members and points as a whole.

        `closes` tells that the day is over and that later changes will be marked.
        """
        members: Counter[Series] = Counter()
        for (store_id, channel), count in self._repository.registered_on(day, session).items():
            for series in series_of(store_id, channel):
                members[series] += count
        bounds = day_bounds(day, BRAND_ZONE, BRAND_CUT)
        points = self._repository.points_between(*bounds, session)
        self._repository.set_day(day, points, members, session)
        if closes:
            self._repository.close_through(day, session)
        return 1

    def report_figures(self, request: ReportRequest) -> dict[str, Any]:
        """Return every figure as of a business day, by what is known now; also by channel.

        Orders, revenue and new members are those of the day; `…_30d` are those of the thirty days
        up to it. Activity and points are always the whole chain's, whatever is selected. Raises
        Refusal STORE_NOT_FOUND naming `store_id`.
        """
        as_of = request.as_of.isoformat() if request.as_of else self._yesterday()
        chosen: Series = (self._known(request.store_id), request.channel)
        channels: list[Series] = [(request.store_id, channel) for channel in get_args(Channel)]
        with self._database.client.start_session(snapshot=True) as session:
            first = shifted(as_of, 1 - REACH_DAYS)
            series = self._repository.days([chosen, *channels], first, as_of, session)
            chain = self._chain(as_of, as_of, session).figures(as_of)
        return {
            "as_of": as_of,
            "store_id": request.store_id,
            "channel": request.channel,
            **order_figures(series[chosen], as_of).model_dump(),
            **chain.model_dump(),
            "by_channel": {
                channel: order_figures(series[store_id, channel], as_of).model_dump()
                for store_id, channel in channels
                if channel == FOUNDING_CHANNEL or series[store_id, channel]
            },
        }

    def list_store_figures(self, request: StoreFiguresRequest) -> dict[str, Any]:
        """Return the order figures of each store, for one page of stores."""
        as_of = request.as_of.isoformat()
        stores = request.store_ids or Stores(self._database, self._clock).list_store_ids(
            request.after, request.limit
        )
        wanted: list[Series] = [(store_id, request.channel) for store_id in stores]
        with self._database.client.start_session(snapshot=True) as session:
            first = shifted(as_of, 1 - REACH_DAYS)
            series = self._repository.days(wanted, first, as_of, session)
        return {
            "by_store": {
                store_id: order_figures(series[store_id, channel], as_of).model_dump()
                for store_id, channel in wanted
                if series[store_id, channel]
            },
            "next": (
                stores[-1] if len(stores) == request.limit and not request.store_ids else None
            ),
        }

    def list_day_figures(self, request: DaysRequest) -> dict[str, Any]:
        """Return the figures of each day of a period; Refusal STORE_NOT_FOUND naming `store_id`."""
        first, last = request.first.isoformat(), request.last.isoformat()
        chosen: Series = (self._known(request.store_id), request.channel)
        with self._database.client.start_session(snapshot=True) as session:
            begins = shifted(first, 1 - REACH_DAYS)
            kept = self._repository.days([chosen], begins, last, session)[chosen]
            chain = self._chain(first, last, session)
        return {
            "days": [
                {"day": day}
                | order_figures(kept, day).model_dump()
                | chain.figures(day).model_dump()
                for day in days_between(first, last)
            ]
        }

    def _chain(self, first: str, last: str, session: ClientSession) -> Chain:
        """Read the whole chain's days up to `last`, from the earliest that `first` depends on."""
        begins = shifted(first, -BURN_DAYS)
        days = self._repository.days([EVERYTHING], begins, last, session)[EVERYTHING]
        return Chain(self._repository.sums_before(begins, session), list(days.values()))

    def _known(self, store_id: str | None) -> str | None:
        """Return the store's id; Refusal STORE_NOT_FOUND naming `store_id` if there is none."""
        return Stores(self._database, self._clock).get_store(store_id).id if store_id else None

    def _yesterday(self) -> str:
        return shifted(brand_day(self._clock.now()), -1)
