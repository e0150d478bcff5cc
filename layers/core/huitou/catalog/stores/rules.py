"""When a store is open, and to which business day a moment belongs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE, Hours, OpeningHours, Store


def business_day(at: datetime, zone: str, cut_time: str) -> str:
    """Return the business day of a moment as YYYY-MM-DD.

    A day runs from one cut time to the next in the store's zone, so supper at 01:30
    belongs to the evening before. Wall-clock arithmetic: days of 23 or 25 hours are days.
    """
    cut = time.fromisoformat(cut_time)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return (local - timedelta(hours=cut.hour, minutes=cut.minute)).date().isoformat()


def day_bounds(day: str, zone: str, cut_time: str) -> tuple[datetime, datetime]:
    """Return the moments between which a business day runs, the second one not included."""
    cut, first = time.fromisoformat(cut_time), date.fromisoformat(day)
    start, end = (
        datetime.combine(first + timedelta(days=days), cut, ZoneInfo(zone)) for days in (0, 1)
    )
    return start, end


def brand_day(at: datetime) -> str:
    """Return the chain's own business day, by which its members are counted and reviewed."""
    return business_day(at, BRAND_ZONE, BRAND_CUT)


def in_brand_zone(at: datetime, zone: str) -> datetime:
    """Return the moment at which the chain's own wall clock shows what this zone's shows at `at`.

    What ends "on that day" ends with each store's own day: its moment is compared with this one.
    """
    if zone == BRAND_ZONE:
        return at
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=ZoneInfo(BRAND_ZONE))


def shifted(day: str, days: int) -> str:
    """Return the day so many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def days_between(first: str, last: str) -> list[str]:
    """Return the days from the first to the last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=ahead)).isoformat() for ahead in range((end - start).days + 1)]


def store_day(store: Store, at: datetime) -> str:
    """Return the business day at this store."""
    return business_day(at, store.zone, store.cut_time)


def earliest_day(at: datetime, zones: Iterable[str]) -> str:
    """Return the calendar day in the zone where it is earliest: all others are there or beyond."""
    return min(at.astimezone(ZoneInfo(zone)).date() for zone in zones).isoformat()


def in_hours(hours: Hours, clock: str) -> bool:
    """Tell whether a wall clock's HH:MM lies within the hours, their end not included."""
    if hours.since < hours.until:
        return hours.since <= clock < hours.until
    return clock >= hours.since or clock < hours.until  # Past midnight; the same twice: all day.


def takes_orders(store: Store, at: datetime) -> bool:
    """Tell whether an order can be placed now: within hours, before last order, not paused."""
    if store.paused:
        return False
    local = at.astimezone(ZoneInfo(store.zone)).replace(tzinfo=None)
    return any(
        _covers(hours, local, local - timedelta(days=days))
        for hours in store.hours
        for days in (0, 1)
    )


def next_opening(store: Store, at: datetime) -> datetime | None:
    """Return when the store takes orders next, within a week; None for one that is paused."""
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


def _covers(hours: OpeningHours, local: datetime, opening_day: datetime) -> bool:
    if opening_day.weekday() not in hours.weekdays:
        return False
    opens = datetime.combine(opening_day.date(), time.fromisoformat(hours.opens))
    closes = datetime.combine(opening_day.date(), time.fromisoformat(hours.closes))
    if closes <= opens:
        closes += timedelta(days=1)
    return opens <= local < closes - timedelta(minutes=hours.last_order_min)
