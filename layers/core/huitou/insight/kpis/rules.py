"""How the KPIs are computed from orders, log-ins and points.

The repurchase rate of day D is about the members with a counted order in the window [D-59, D-30].
Let t be the day of a member's first order in the window. The member has repurchased if they
ordered again on a later day up to t+30.

A visit on day t is the member's first one in D's window if t is in the window and the visit
before it is not. That is so if g > k, where g is the number of days since the visit before, and
k = t - (D-59) is the number of days from the start of the window to t. So each day stores its
visits by g (30 stands for thirty and more), and D's cohort is the sum, over the window's days, of
the visits with g > k. An order changes only the figures of its own day and of its member's
neighbouring visits.

Example: a member comes on 1, 11 and 25 January and on 20 March. Then 1 Jan has `visits.30` (no
visit before) and `returns.30` (again within 30 days), 11 Jan has `visits.10` and `returns.10`,
25 Jan has `visits.14`, and 20 Mar has `visits.30`. As of D = 9 February the window is
[12 Dec, 10 Jan]. For 1 Jan, k = 20 and 30 > 20: the cohort is one member, and one repurchased. As
of D = 5 March the window is [5 Jan, 3 Feb]. For 11 Jan, k = 6 and 10 > 6, so it counts. For
25 Jan, k = 20 but g = 14, so it doesn't count: 11 Jan counts this member already.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from huitou.catalog.stores.rules import days_between, shifted
from huitou.insight.kpis.models import (
    Before,
    ChainFigures,
    KpiDay,
    Login,
    OrderFigures,
    RollUpOrder,
    Visit,
)
from huitou.ordering.orders.models import NOBODY
from huitou.ordering.orders.rules import SERVED
from huitou.runtime.triggers import DONE

REPURCHASE_DAYS = 30  # Days of the window, days to come again, and so the largest gap we store.
LOGIN_DAYS, LOGINS_OF_ACTIVE = 30, 3
BURN_DAYS = 90
# A visit's figures depend on visits up to 30 days away, whose figures depend on visits up to
# 30 days further away.
REACH_DAYS = 2 * REPURCHASE_DAYS

Series = tuple[str | None, str | None]  # A store or all of them, a channel or all of them.
Cell = tuple[str, str | None, str | None]  # A day of a series.
Guest = tuple[str, Series]  # A member, as one series sees them.
EVERYTHING: Series = (None, None)


@lru_cache(4_096)
def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


@lru_cache(4_096)
def _iso(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def counted_fen(order: RollUpOrder) -> int:
    """Return the order's amount without refunds; 0 if it is a test, unpaid or fully refunded."""
    if order.is_test or order.status not in ("refunding", *SERVED):
        return 0
    return order.payable_fen - sum(back.amount_fen for back in order.refunds)


@lru_cache(4_096)
def series_of(store_id: str | None, channel: str) -> tuple[Series, ...]:
    """Return the series in which an order of this store and channel is counted."""
    if store_id is None:
        return EVERYTHING, (None, channel)
    return EVERYTHING, (None, channel), (store_id, None), (store_id, channel)


def movements(due: Sequence[RollUpOrder], counted: Iterable[Visit]) -> dict[Cell, Counter[str]]:
    """Return by how much each day's figures change when these orders are counted as they are now.

    `counted` are all orders of the same members, within `REACH_DAYS` of any of `due`, that were
    counted before. They include those of `due` that were counted before.
    """
    moves: dict[Cell, Counter[str]] = defaultdict(Counter)
    for order in due:
        was, now = order.counted_fen, counted_fen(order)
        if was != now:
            more = {"orders": (now > 0) - (was > 0), "revenue_fen": now - was}
            for series in series_of(order.store_id, order.channel):
                moves[order.business_day, *series].update(more)
    before = _visit_days(counted)
    for guest, change in _visit_changes(due).items():
        held = before[guest]
        near = _near(sorted(held.keys() | change.keys()), change)
        was_here = {day for day in near if held[day]}
        is_here = {day for day in near if held[day] + change[day]}
        for sign, days in ((-1, was_here), (1, is_here)):
            for (day, name), count in visit_cells(days).items():
                moves[day, *guest[1]][name] += sign * count
    nonzero = {
        cell: Counter({name: count for name, count in counts.items() if count})
        for cell, counts in moves.items()
    }
    return {cell: counts for cell, counts in nonzero.items() if counts}


def joined_visits(one: Iterable[Visit], other: Iterable[Visit]) -> dict[Cell, Counter[str]]:
    """Return by how much each day's figures change when two guests prove to be one person.

    `one` and `other` are all counted orders of each. Orders and revenue stay as they are.
    """
    moves: dict[Cell, Counter[str]] = defaultdict(Counter)
    days: list[dict[Series, set[str]]] = [
        {series: set(kept) for (_, series), kept in _visit_days(visits).items()}
        for visits in (one, other)
    ]
    for series in days[0].keys() & days[1].keys():
        first, second = days[0][series], days[1][series]
        for sign, together in ((-1, first), (-1, second), (1, first | second)):
            for (day, name), count in visit_cells(together).items():
                moves[day, *series][name] += sign * count
    return {cell: counts for cell, counts in moves.items() if any(counts.values())}


def joined_activity(
    one: Iterable[str], other: Iterable[str], days: tuple[str, str, str]
) -> Counter[str]:
    """Return by how much each day's active members change when two members are one person.

    `one` and `other` are the business days of their counted log-ins. `days` are the days of
    registration of the one, of the other and of the person.
    """
    first, second = set(one), set(other)
    moves: Counter[str] = Counter()
    for sign, logins, registered in zip(
        (-1, -1, 1), (first, second, first | second), days, strict=True
    ):
        for day in active_days(logins, registered):
            moves[day] += sign
    return Counter({day: moved for day, moved in moves.items() if moved})


def _near(days: list[str], changed: Iterable[str]) -> set[str]:
    """Return the changed days, each with the two days of visits before and after it.

    Only the visits next to a changed day can get another gap or return. The second one on each
    side is needed to compute theirs. A visit at the edge lacks its neighbour both before and
    after the change, so the difference is right.
    """
    near: set[str] = set()
    for day in changed:
        at = bisect_left(days, day)
        near.update(days[max(0, at - 2) : at + 3])
    return near


def _visit_days(visits: Iterable[Visit]) -> dict[Guest, Counter[str]]:
    """Return how many orders each guest had on each day, in each series."""
    held: dict[Guest, Counter[str]] = defaultdict(Counter)
    for visit in visits:
        for series in series_of(visit.store_id, visit.channel):
            held[visit.member_id, series][visit.business_day] += 1
    return held


def _visit_changes(due: Iterable[RollUpOrder]) -> dict[Guest, Counter[str]]:
    """Return how many orders each guest has on each day, more or fewer than were counted.

    Orders without a guest are revenue, and no visit.
    """
    changes: dict[Guest, Counter[str]] = defaultdict(Counter)
    for order in due:
        if order.member_id == NOBODY:
            continue
        more = (counted_fen(order) > 0) - (order.counted_fen > 0)
        for series in series_of(order.store_id, order.channel) if more else ():
            changes[order.member_id, series][order.business_day] += more
    return changes


def visit_cells(days: Collection[str]) -> Counter[tuple[str, str]]:
    """Return the counts in `visits` and `returns` for one member who came on these days.

    The keys are (day, "visits.<gap>") and (day, "returns.<gap>").
    """
    cells: Counter[tuple[str, str]] = Counter()
    ordinals = sorted(_ordinal(day) for day in days)
    for number, ordinal in enumerate(ordinals):
        gap = ordinal - ordinals[number - 1] if number else REPURCHASE_DAYS
        name = str(min(gap, REPURCHASE_DAYS))
        day = _iso(ordinal)
        cells[day, f"visits.{name}"] += 1
        following = ordinals[number + 1] if number + 1 < len(ordinals) else None
        if following is not None and following - ordinal <= REPURCHASE_DAYS:
            cells[day, f"returns.{name}"] += 1
    return cells


def activity(
    due: Sequence[Login], around: Iterable[Login], registered: Mapping[str, str]
) -> Counter[str]:
    """Return by how much the number of active members of each day changes with these log-ins.

    `around` are the same members' log-ins within `REACH_DAYS` of any of `due`; their `rollup`
    tells which were counted before. `registered` has the members' days of registration; a member
    who doesn't exist any more is not in it, and isn't counted.
    """
    before: dict[str, set[str]] = defaultdict(set)
    for login in around:
        if login.rollup == DONE:
            before[login.member_id].add(login.business_day)
    new: dict[str, set[str]] = defaultdict(set)
    for login in due:
        new[login.member_id].add(login.business_day)
    moves: Counter[str] = Counter()
    for member_id, days in new.items():
        held, registered_day = before[member_id], registered.get(member_id)
        if registered_day is None:
            continue
        moves.update(active_days(held | days, registered_day))
        moves.subtract(active_days(held, registered_day))
    return Counter({day: moved for day, moved in moves.items() if moved})


def active_days(logins: Iterable[str], registered_day: str) -> list[str]:
    """Return the days as of which a member is active, each once.

    A member is active on a day if they logged in on three days of the thirty up to it. They are
    never active in the first 29 days after registering. For each log-in that is the third or a
    later one, its days begin with it and end when the oldest of the three is too old, or before
    the next log-in.
    """
    days = sorted(_ordinal(day) for day in logins)
    earliest = _ordinal(registered_day) + LOGIN_DAYS - 1
    found: list[str] = []
    for last in range(LOGINS_OF_ACTIVE - 1, len(days)):
        ends = days[last - LOGINS_OF_ACTIVE + 1] + LOGIN_DAYS - 1
        if last + 1 < len(days):
            ends = min(ends, days[last + 1] - 1)
        active = range(max(days[last], earliest), ends + 1)
        found += [_iso(ordinal) for ordinal in active]
    return found


def repurchase(days: Mapping[str, KpiDay], as_of: str) -> tuple[int, int]:
    """Return (members in the cohort, those who repurchased) as of a day, for one series."""
    cohort = repurchased = 0
    window = days_between(shifted(as_of, 1 - REACH_DAYS), shifted(as_of, -REPURCHASE_DAYS))
    for into_window, day in enumerate(window):
        if (kept := days.get(day)) is not None:
            cohort += sum(n for gap, n in kept.visits.items() if int(gap) > into_window)
            repurchased += sum(n for gap, n in kept.returns.items() if int(gap) > into_window)
    return cohort, repurchased


def order_figures(days: Mapping[str, KpiDay], as_of: str) -> OrderFigures:
    """Compute the order figures as of a day, from the days of one series."""
    cohort, repurchased = repurchase(days, as_of)
    today = days.get(as_of) or KpiDay(day=as_of)
    month = [days[day] for day in days_between(shifted(as_of, -29), as_of) if day in days]
    return OrderFigures(
        repurchase_rate_30d=_rate(repurchased, cohort),
        repurchase_cohort=cohort,
        repurchased=repurchased,
        orders=today.orders,
        revenue_fen=today.revenue_fen,
        new_members=today.new_members,
        orders_30d=sum(day.orders for day in month),
        revenue_fen_30d=sum(day.revenue_fen for day in month),
        new_members_30d=sum(day.new_members for day in month),
    )


class Chain:
    """The whole chain's days with running sums, so that no day's figures cost more than another's.

    `before` has the sums over all days before the first of `days`.
    """

    def __init__(self, before: Before, days: Sequence[KpiDay]) -> None:
        self._days = sorted(days, key=lambda day: day.day)
        self._names = [day.day for day in self._days]
        self._sums = [before]
        for day in self._days:
            self._sums.append(_plus(self._sums[-1], day))

    def figures(self, as_of: str) -> ChainFigures:
        """Compute the figures as of a day; needs the days from 90 days earlier on."""
        at = bisect_left(self._names, as_of)
        today = self._days[at] if at < len(self._days) and self._names[at] == as_of else None
        now, earlier = self._until(as_of), self._until(shifted(as_of, -BURN_DAYS))
        members = self._until(shifted(as_of, 1 - LOGIN_DAYS)).new_members
        active = today.active_members if today else 0
        kept = now.points_issued - now.points_clawed_back
        kept_90d = kept - earlier.points_issued + earlier.points_clawed_back
        return ChainFigures(
            activity_rate=_rate(active, members),
            active_members=active,
            activity_members=members,
            points_burn_rate=_rate(now.points_used, kept),
            points_burn_rate_90d=_rate(now.points_used - earlier.points_used, kept_90d),
            points_issued=now.points_issued,
            points_clawed_back=now.points_clawed_back,
            points_used=now.points_used,
        )

    def _until(self, day: str) -> Before:
        """Return the sums up to a day; that day is included."""
        return self._sums[bisect_left(self._names, shifted(day, 1))]


def _plus(before: Before, day: KpiDay) -> Before:
    return Before(
        new_members=before.new_members + day.new_members,
        points_issued=before.points_issued + day.points_issued,
        points_clawed_back=before.points_clawed_back + day.points_clawed_back,
        points_used=before.points_used + day.points_used,
    )


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None
