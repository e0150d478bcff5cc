"""`bench kpi`: count one more day after a month of history, and after years of history."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from cli.bench import insert_quickly, json_option, report, scratch_mongod, setting_up
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import watching
from huitou.insight.kpis.models import ReportRequest
from huitou.insight.kpis.rules import REPURCHASE_DAYS, series_of
from huitou.insight.kpis.service import Kpis
from huitou.runtime.database import connect
from huitou.runtime.declarations import declare

FIRST_MEASURED = date(2026, 5, 1)
STORES = 10
PERIODS = range(10, 61)  # Days between two visits; each guest always has the same.
RECENT_DAYS = 100  # Only they get log-ins and points entries; older ones are never read.
BULKY = ("orders", "logins", "points_entries")
WRITERS = 4  # One thread makes documents while MongoDB stores another thread's.


class BenchClock:
    """Business time: the evening of the measured day."""

    def __init__(self) -> None:
        self.day = FIRST_MEASURED

    def now(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, 14, tzinfo=UTC)


class Guests:
    """Guests who come at fixed intervals, so that their gaps are known without a query."""

    def __init__(self, orders_a_day: int) -> None:
        chance = random.Random(7)
        self._coming: dict[tuple[int, int], list[int]] = {}
        rate, self.count = 0.0, 0
        while rate < orders_a_day:
            period = chance.choice(PERIODS)
            self._coming.setdefault((period, chance.randrange(period)), []).append(self.count)
            rate += 1 / period
            self.count += 1

    def on(self, day: date) -> Iterator[tuple[int, int]]:
        """Yield each guest of a day, with the days since the guest's last visit."""
        for (period, phase), guests in self._coming.items():
            if day.toordinal() % period == phase:
                yield from ((guest, period) for guest in guests)


class History:
    """A chain's history in its own database: counted orders, and the days' figures."""

    def __init__(self, uri: str, days: int, guests: Guests) -> None:
        self.database = connect(uri, f"history_{days}")
        self._guests, self._first = guests, FIRST_MEASURED - timedelta(days=days)

    def make(self) -> None:
        """Write the members, and every day before the first measured day.

        Indexes are built at the end, which takes a fraction of the time.
        """
        declare(self.database)
        for name in BULKY:
            self.database.collection(name).drop_indexes()
        insert_quickly(
            self.database,
            "members",
            [
                {
                    "_id": f"m{guest:06}",
                    "schema": 1,
                    "registered_day": str(self._first),
                    "registered_channel": "mini_program",
                }
                for guest in range(self._guests.count)
            ],
        )
        length = (FIRST_MEASURED - self._first).days
        days = [self._first + timedelta(days=number) for number in range(length)]
        about = f"history of {length} days"
        with ThreadPoolExecutor(WRITERS) as pool:
            done = pool.map(partial(self.add, counted=True), days)
            for _ in track(done, about, total=length, console=Console(stderr=True)):
                pass
        newest = (FIRST_MEASURED - timedelta(days=1)).isoformat()
        self.database.collection("kpi_state").insert_one(
            {"_id": "roll-up", "schema": 1, "turn": 0, "closed_through": newest}
        )
        with setting_up():
            declare(self.database)

    def add(self, day: date, *, counted: bool) -> None:
        """Write one day's orders: `counted` as after a roll-up, else as after settling."""
        visits = list(self._guests.on(day))
        insert_quickly(
            self.database, "orders", [_order(g, day, counted=counted) for g, _ in visits]
        )
        if counted:
            self._roll_up_by_hand(day, visits)
        if (FIRST_MEASURED - day).days <= RECENT_DAYS:
            insert_quickly(
                self.database,
                "logins",
                [_login(guest, day, counted=counted) for guest, _ in visits],
            )
            insert_quickly(
                self.database, "points_entries", [_entry(guest, day) for guest, _ in visits]
            )

    def _roll_up_by_hand(self, day: date, visits: list[tuple[int, int]]) -> None:
        figures: dict[tuple[str | None, str | None], Counter[str]] = {}
        for guest, period in visits:
            known = (day - self._first).days >= period
            gap = min(period, REPURCHASE_DAYS) if known else REPURCHASE_DAYS
            again = period <= REPURCHASE_DAYS and day + timedelta(days=period) < FIRST_MEASURED
            for series in series_of(_store(guest), "mini_program"):
                counts = figures.setdefault(series, Counter())
                counts.update({"orders": 1, "revenue_fen": 3_600, f"visits.{gap}": 1})
                if again:
                    counts[f"returns.{gap}"] += 1
        insert_quickly(
            self.database,
            "kpi_days",
            [
                {
                    "_id": f"{day}|{store_id or ''}|{channel or ''}",
                    "schema": 1,
                    "day": str(day),
                    "store_id": store_id,
                    "channel": channel,
                    **_nested(counts),
                }
                for (store_id, channel), counts in figures.items()
            ],
        )


@click.command()
@click.option("--years", default=3.0, show_default=True, help="Length of the long history.")
@click.option("--orders-a-day", default=2_000, show_default=True)
@click.option("--days", default=5, show_default=True, help="Days to measure on each history.")
@profile_option
@json_option
def kpi(years: float, orders_a_day: int, days: int, profile: Profile | None, as_json: bool) -> None:
    """Roll up one more day and read its figures, after 30 days and after years of history.

    Both histories live in the same MongoDB and are measured in turn; the ratio says how much of
    the cost comes from the past (aim: at most 1.2). Making three years takes some minutes.
    """
    with scratch_mongod() as mongod:
        guests = Guests(orders_a_day)
        short = History(mongod.uri, 30, guests)
        long = History(mongod.uri, max(30, round(years * 365)), guests)
        for history in (short, long):
            history.make()
        rows = _measure(short, long, days, profile)
        for history in (short, long):
            history.database.client.close()
    report(
        {"orders_a_day": orders_a_day, "long_history_days": round(years * 365), **rows},
        profile,
        as_json=as_json,
    )


def _measure(short: History, long: History, days: int, profile: Profile | None) -> dict[str, Any]:
    """Time each day on both histories in turn; the first day warms up."""
    clock, seconds = BenchClock(), ([], [])  # type: ignore[var-annotated]
    for number in range(days + 1):
        clock.day = FIRST_MEASURED + timedelta(days=number)
        for history, times in zip((short, long), seconds, strict=True):
            history.add(clock.day, counted=False)
            kpis = Kpis(history.database, clock)
            watched = profile if number == days and history is long else None
            started = time.perf_counter()
            with watching(watched, "day", 1):
                kpis.roll_up_figures(600)
                kpis.report_figures(ReportRequest(as_of=clock.day))
            if number:
                times.append(time.perf_counter() - started)
    after_30, after_years = seconds
    return {
        "after_30_days_s": round(statistics.median(after_30), 3),
        "after_long_history_s": round(statistics.median(after_years), 3),
        "ratio": round(
            statistics.median(b / a for a, b in zip(after_30, after_years, strict=True)), 2
        ),
    }


def _store(guest: int) -> str:
    return f"s{guest % STORES}"


def _order(guest: int, day: date, *, counted: bool) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return {
        "_id": f"o{guest:06}{day:%Y%m%d}",
        "schema": 1,
        "brand_id": "huitou",
        "store_id": _store(guest),
        "member_id": f"m{guest:06}",
        "request_digest": "",
        "channel": "mini_program",
        "status": "paid",
        "business_day": str(day),
        "created_at": at,
        "list_fen": 3_600,
        "payable_fen": 3_600,
        "points_used": 0,
        "paid_at": at,
        "settlement": "done",
        "version": 2,
        "rollup": "done" if counted else "due",
        "counted_fen": 3_600 if counted else 0,
    }


def _login(guest: int, day: date, *, counted: bool) -> dict[str, Any]:
    member_id = f"m{guest:06}"
    return {
        "_id": f"{member_id}:{day}",
        "schema": 1,
        "member_id": member_id,
        "business_day": str(day),
        "rollup": "done" if counted else "due",
    }


def _entry(guest: int, day: date) -> dict[str, Any]:
    order_id = f"o{guest:06}{day:%Y%m%d}"
    return {
        "_id": f"earn:{order_id}",
        "member_id": f"m{guest:06}",
        "kind": "earn",
        "points": 36,
        "spend_fen": 3_600,
        "order_id": order_id,
        "at": datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
    }


def _nested(counts: Counter[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, count in counts.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = count
        else:
            found[outer] = count
    return found
