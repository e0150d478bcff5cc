"""When a store is open, and which business day a moment belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE, Hours, OpeningHours, Store


def business_day(at: datetime, zone: str, cut_time: str) -> str:
    """Return the business day of a moment as YYYY-MM-DD.

    A business day runs from one cut time to the next by the wall clock of the zone, so supper at
    01:30 belongs to the day before. When clocks change, a day may have 23 or 25 hours.
    """
    cut = time.fromisoformat(cut_time)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return (local - timedelta(hours=cut.hour, minutes=cut.minute)).date().isoformat()


def day_bounds(day: str, zone: str, cut_time: str) -> tuple[datetime, datetime]:
    """Return the first moment of a business day and the first moment after it, in UTC."""
    if day == date.max.isoformat():
        return wall_moment(day, cut_time, zone), datetime.max.replace(tzinfo=UTC)
    return wall_moment(day, cut_time, zone), wall_moment(shifted(day, 1), cut_time, zone)


def wall_moment(day: str, clock: str, zone: str) -> datetime:
    """Return the moment, in UTC, at which the clock in a zone shows this time on a calendar day.

    The calendar's first day may begin before UTC's calendar, and its last day end after it: then
    this is the first or the last moment in UTC.
    """
    local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone))
    try:
        return local.astimezone(UTC)
    except OverflowError:
        end = datetime.min if local.year == date.min.year else datetime.max
        return end.replace(tzinfo=UTC)


def brand_day(at: datetime) -> str:
    """Return the chain's own business day of a moment; members are counted by these days."""
    return business_day(at, BRAND_ZONE, BRAND_CUT)


def by_day_clock(at: datetime, zone: str = BRAND_ZONE, cut_time: str = BRAND_CUT) -> datetime:
    """Return the moment to compare with a stored end of a last day, instead of `at`.

    A last day is the business day of the store that is asked. Its end is stored as the last moment
    of the calendar day by the chain's wall clock, since each store's own day ends at another
    moment. So this is what the store's wall clock shows, less its cut time: at 00:30 in a store
    whose day ends at 04:00 it is 20:30 of the day before.
    """
    cut = time.fromisoformat(cut_time)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    shown = local - timedelta(hours=cut.hour, minutes=cut.minute)
    return shown.replace(tzinfo=ZoneInfo(BRAND_ZONE))


def shifted(day: str, days: int) -> str:
    """Return the day that is this many days later, or earlier if negative.

    Chains write 9999-12-31 for "without end", and no later day exists: then this is that day.
    """
    number = date.fromisoformat(day).toordinal() + days
    return date.fromordinal(min(max(number, 1), date.max.toordinal())).isoformat()


def days_between(first: str, last: str) -> list[str]:
    """Return the days from the first to the last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=ahead)).isoformat() for ahead in range((end - start).days + 1)]


def store_day(store: Store, at: datetime) -> str:
    """Return the business day of a moment at this store."""
    return business_day(at, store.zone, store.cut_time)


def store_day_clock(store: Store, at: datetime) -> datetime:
    """Return the moment to compare with a stored end of a last day, as it is at this store."""
    return by_day_clock(at, store.zone, store.cut_time)


def earliest_day(at: datetime, clocks: Iterable[tuple[str, str]]) -> str:
    """Return the earliest business day that it is at any of these pairs (zone, cut time)."""
    return min(business_day(at, zone, cut_time) for zone, cut_time in clocks)


def latest_day(at: datetime, clocks: Iterable[tuple[str, str]]) -> str:
    """Return the latest business day that it is at any of these pairs (zone, cut time)."""
    return max(business_day(at, zone, cut_time) for zone, cut_time in clocks)


def furthest_day_clock(at: datetime, clocks: Iterable[tuple[str, str]]) -> datetime:
    """Return the latest moment that `by_day_clock` gives at any of these pairs (zone, cut time)."""
    return max(by_day_clock(at, zone, cut_time) for zone, cut_time in clocks)


def in_hours(hours: Hours, clock: str) -> bool:
    """Tell whether a wall-clock time HH:MM is within the hours; the end is not included."""
    if hours.since < hours.until:
        return hours.since <= clock < hours.until
    # The hours go past midnight; if start and end are equal, they last the whole day.
    return clock >= hours.since or clock < hours.until


def takes_orders(store: Store, at: datetime) -> bool:
    """Tell whether the store takes orders: it is open, before last order, and not paused.

    The last order is before the store closes. Where another period begins as one ends, the store
    doesn't close: one that is open day and night takes orders at midnight, too.
    """
    if store.paused:
        return False
    local = at.astimezone(ZoneInfo(store.zone)).replace(tzinfo=None)
    return any(
        local < closes - timedelta(minutes=hours.last_order_min) or _open_periods(store, closes)
        for hours, closes in _open_periods(store, local)
    )


def next_opening(store: Store, at: datetime) -> datetime | None:
    """Return when the store opens next, within a week; None if it doesn't or is paused."""
    if store.paused:
        return None
    zone = ZoneInfo(store.zone)
    today = at.astimezone(zone).date()
    openings = [
        datetime.combine(today + timedelta(days=ahead), time.fromisoformat(hours.opens), zone)
        for ahead in range(8)
        for hours in store.hours
        if (today + timedelta(days=ahead)).weekday() in hours.weekdays
    ]
    return min((opens for opens in openings if opens > at), default=None)


def _open_periods(store: Store, local: datetime) -> list[tuple[OpeningHours, datetime]]:
    """Return the periods in which the store is open at a local time, and when each one closes."""
    found = []
    for hours in store.hours:
        for opening_day in (local.date(), local.date() - timedelta(days=1)):
            if opening_day.weekday() not in hours.weekdays:
                continue
            opens = datetime.combine(opening_day, time.fromisoformat(hours.opens))
            closes = datetime.combine(opening_day, time.fromisoformat(hours.closes))
            if closes <= opens:
                closes += timedelta(days=1)
            if opens <= local < closes:
                found.append((hours, closes))
    return found
