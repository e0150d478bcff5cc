"""Measure a paid order's calls, durations, memory and bytes on a scratch local cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from croniter import croniter

from cli.cost.figures import MONTH_S, Assumptions, Figures, FunctionFigures
from huitou.runtime.relay import NAME as RELAY
from huitou.runtime.relay import health
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.registry import DEFAULT, Trigger
from simulation.play import TOGETHER, Simulation

DAYS, GUESTS = 2, 160  # Nearly all of the guests come on the first day.
IDLE_FIRINGS = 5
IDLE_WITHIN_S = 20.0
INDEX_ENTRY_BYTES = 64  # A key of one to three short fields, and the record's position.
OPERATORS = ("console", "maintenance")  # People call these, not orders, so they are left out.
REFUNDS = "pay"  # The only function that internal callers call for an order.
MOST_FIRINGS = 5_000
MB = 1024 * 1024
LOOK: tuple[tuple[str, dict[str, Any]], ...] = (
    ("member-profile", {"action": "login"}),
    ("store-menu", {"action": "stores"}),
    ("store-menu", {"action": "menu", "store_id": "jingan"}),
    ("member-profile", {"action": "points"}),
    ("member-profile", {"action": "coupons"}),
)


class CountingClient(LocalCloudClient):
    """Counts members' calls, and the bytes of their answers as the platform sends them."""

    def __init__(self, url: str, vendor_url: str, data: Path) -> None:
        super().__init__(url, vendor_url, data)
        self.answers: list[int] = []  # list.append is atomic; guests call from several threads.

    def member_call(self, function: str, openid: str, data: object) -> dict[str, Any]:
        """Call a function as the mini-program does."""
        answer = super().member_call(function, openid, data)
        self.answers.append(len(json.dumps(answer, ensure_ascii=False).encode()))
        return answer


@dataclass
class _Calls:
    """The finished calls of one function by their cause; durations are billed ms."""

    orders_warm: list[float] = field(default_factory=list)
    orders_cold: list[float] = field(default_factory=list)
    changes: int = 0
    timers_warm: list[float] = field(default_factory=list)
    http: int = 0
    log_bytes: list[int] = field(default_factory=list)


def measure(
    folder: Path,
    assumed: Assumptions,
    progress: Callable[[str], None],
    *,
    guests: int = GUESTS,
    firings: int = IDLE_FIRINGS,
    watch: Callable[[LocalCloud], AbstractContextManager[object]] = nullcontext,
) -> Figures:
    """Play two business days on a separate cloud and read its call log; takes half a minute.

    `watch` is entered before the days are played and left when all is done that they caused. Timers
    with nothing to do are fired so many times.
    """
    progress("starting a scratch local cloud")
    with LocalCloud(folder) as cloud:
        client = CountingClient(cloud.url, cloud.vendor_url, folder)
        before = _database_bytes(cloud)
        with watch(cloud):
            simulation = Simulation(client, members=guests, days=DAYS)
            simulation.play(lambda day: progress(f"playing {day}"))
            paid = paid_orders(cloud)
            progress(f"{paid} orders are paid; guests who only look")
            _visit_without_ordering(client, round(paid * assumed.looks_per_order), guests)
            cloud.drain()
        grown = _database_bytes(cloud) - before
        played = {name: _calls(cloud, name) for name in cloud.registry.functions}
        if firings:
            progress("timers with nothing to do")
        measured = {
            name: _figures(cloud, name, played[name], _idle_ms(cloud, name, firings), paid)
            for name in cloud.registry.functions
            if name not in OPERATORS
        }
    return Figures(
        paid_orders=paid,
        functions=tuple(figures for name, figures in measured.items() if name != RELAY),
        relay=measured[RELAY],
        member_calls_per_order=len(client.answers) / paid,
        http_calls_per_order=sum(calls.http for calls in played.values()) / paid,
        answer_bytes_per_order=sum(client.answers) / paid,
        database_bytes_per_order=grown / paid,
    )


def paid_orders(cloud: LocalCloud) -> int:
    """Return how many orders of a small chain have been paid."""
    orders = cloud.database.collection("orders")
    return orders.count_documents({"paid_at": {"$exists": True}}, hint="_id_")


def firings_a_month(cron: str) -> float:
    """Return how often a 7-field cron fires in an average month, counted over at most a year."""
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    dates = croniter(cron, begins - timedelta(seconds=1), second_at_beginning=True)
    first: datetime = dates.get_next(datetime)
    firings, at = 0, first
    while firings < MOST_FIRINGS and at < first + timedelta(days=365):
        firings, at = firings + 1, dates.get_next(datetime)
    return firings * MONTH_S / (at - first).total_seconds()


def _visit_without_ordering(client: LocalCloudClient, visits: int, guests: int) -> None:
    def visit(number: int) -> None:
        for function, data in LOOK:
            client.member_call(function, f"guest-{number % guests:04d}", data)

    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in pool.map(visit, range(visits)):
            pass


def _database_bytes(cloud: LocalCloud) -> int:
    """Return the bytes of documents before compression, and of their index entries.

    The size on disk isn't used: after so few orders it is mostly the first page of each index.
    """
    total = 0
    for name in cloud.database.mongo.list_collection_names():
        stats = cloud.database.mongo.command("collStats", name)
        total += stats["size"] + stats["count"] * stats["nindexes"] * INDEX_ENTRY_BYTES
    return total


def _calls(cloud: LocalCloud, name: str) -> _Calls:
    calls = _Calls()
    for record in cloud.platform.log.newest(name):
        calls.log_bytes.append(len(record["Log"].encode()))
        door, billed, cold = (
            _door(record["Log"]),
            float(record["BillDuration"]),
            record["ColdStart"],
        )
        calls.http += door == "http"
        calls.changes += door == "changes"
        if door == "timer":
            if not cold:
                calls.timers_warm.append(billed)
        elif door != "internal" or name == REFUNDS:
            (calls.orders_cold if cold else calls.orders_warm).append(billed)
    return calls


def _door(printed: str) -> str | None:
    """Return the door of a call, from the line that every handler prints."""
    for line in printed.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and told.get("log") == "call":
            return str(told["door"])
    return None


def _timers(cloud: LocalCloud, name: str) -> list[Trigger]:
    """Return a function's timers; the relay's as if it were switched on."""
    timers = [timer for timer in cloud.registry.triggers() if timer.function == name]
    return timers or [cloud.relay_timer] if name == RELAY else timers


def _idle_ms(cloud: LocalCloud, name: str, firings: int) -> float:
    """Return the billed ms of a timer call with nothing due; 0 without a timer or a firing."""
    timers = _timers(cloud, name)
    if name == RELAY and firings:
        cloud.timers.fire(timers[0], cloud.clock.now())  # This one stands; the others find it.
        _wait_for(lambda: bool(health(cloud.database)["alive"]), name)
        firings = 2
    seen = _count(cloud.platform.log.newest(name))
    fired = 0
    for _ in range(firings):
        for timer in timers:
            cloud.timers.fire(timer, cloud.clock.now())
        fired += len(timers)
        _wait_for(partial(_are_logged, cloud, name, seen + fired), name)
    newest = [r for r, _ in zip(cloud.platform.log.newest(name), range(fired), strict=False)]
    warm = [float(r["BillDuration"]) for r in newest if not r["ColdStart"]]
    return fmean(warm or [float(r["BillDuration"]) for r in newest]) if newest else 0.0


def _are_logged(cloud: LocalCloud, name: str, calls: int) -> bool:
    return _count(cloud.platform.log.newest(name)) >= calls


def _wait_for(happened: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + IDLE_WITHIN_S
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}: a timer call has not ended in {IDLE_WITHIN_S} s")
        time.sleep(0.02)


def _count(records: Iterable[object]) -> int:
    return sum(1 for _ in records)


def _figures(
    cloud: LocalCloud, name: str, calls: _Calls, idle_ms: float, paid: int
) -> FunctionFigures:
    revision, stands = cloud.registry.function(name).revision(DEFAULT), name == RELAY
    called = len(calls.orders_warm) + len(calls.orders_cold)
    if calls.changes:
        # Here several guests pay at once and share a batch; in reality each order has its own.
        called += max(0, paid - calls.changes)
    worked = 0.0 if stands else sum(max(0.0, ms - idle_ms) for ms in calls.timers_warm)
    return FunctionFigures(
        name=name,
        memory_mb=revision.memory_mb,
        timeout_s=revision.timeout_s,
        calls_per_order=called / paid,
        warm_ms=_mean(calls.orders_warm or calls.orders_cold),
        cold_ms=_mean(calls.orders_cold),
        firings_a_month=sum(firings_a_month(timer.cron) for timer in _timers(cloud, name)),
        idle_ms=idle_ms,
        timer_work_ms_per_order=worked / paid,
        peak_mb=cloud.platform.pool(name).peak_bytes() / MB,
        log_bytes_per_call=_mean(calls.log_bytes),
        stands=stands,
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0
