"""`bench day`: a chain's whole day with its noon peak, as fast as this machine can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from cli.bench import json_option, report
from cli.bench.day.phones import AT_ONCE, Phones
from cli.bench.day.raw import reads_and_writes_per_s
from cli.bench.day.samples import Samples
from cli.bench.day.shape import PEAK, SLOTS, arrivals, name_of
from cli.reconcile import reconciled
from guard import scratch_folder
from localcloud.cloud import LocalCloud
from localcloud.platform import STANDING
from simulation.play import SETTLING

ORDERS = 100_000  # Of the chain's real day.
SUSTAINED = 0.8  # Of what guests get who come one right after the other.
CALIBRATING, RAW = 0.1, 0.1  # Shares of the day's time, besides it.
LEAST_S = 3.0
SAMPLES = 300
DRAIN_S = 120.0


@click.command()
@click.option(
    "--minutes", type=click.FloatRange(0.05, 200), default=10.0, show_default=True,
    help="How long the day takes.",
)  # fmt: skip
@json_option
def day(minutes: float, as_json: bool) -> None:
    """Play a day of 100,000 orders in its real shape, smaller: noon is what this machine bears.

    Guests log in, read the menu, quote, order, pay, look, pick up and send back, in the proportions
    of the demo; timers fire in their real rhythm. First some guests at once find out how many a
    second this machine serves; noon gets 0.8 of that, and is 12 times the mean of the day. Nobody
    waits for the guests before. Then all settles, and every ledger is compared. The guests, the
    platform and WeChat's stand-ins need this machine's processors, too.

    The floor is the same MongoDB with plain reads and writes in the same mix, without us.
    """
    seconds = minutes * 60
    with scratch_folder() as folder, LocalCloud(folder) as cloud:
        phones = Phones(cloud)
        peak = SUSTAINED * _calibrated(phones, max(LEAST_S, CALIBRATING * seconds))
        moments = arrivals(peak, seconds)
        _tell(f"noon is {peak:.2f} visits a second, the day {len(moments)}")
        before = {name: _count(cloud, name) for name in cloud.registry.functions}
        phones.client.codes.clear()
        with Samples(cloud, seconds / SAMPLES) as samples:
            phones.serve_at(moments, _progress(phones, samples, seconds))
            drained = cloud.drain(DRAIN_S)
        functions = _functions(cloud, before)
        _tell("everything settles; then all ledgers are compared")
        books = _settled(cloud, phones)
        shares = samples.mean_per_s("reads"), samples.mean_per_s("writes")
        order = cloud.database.collection("orders").find_one({"_id": {"$gt": ""}}) or {}
        raw = reads_and_writes_per_s(
            cloud.mongodb_uri, "floor", order, shares[0] / sum(shares), max(LEAST_S, RAW * seconds)
        )
        undelivered = len(cloud.platform.undelivered)
    both = samples.peak_per_s("reads") + samples.peak_per_s("writes")
    memory = samples.memory_by_third()
    report(
        {
            "ratio": round(both / raw, 3),
            **_visits(phones, len(moments), seconds, peak),
            "reads_per_s": round(shares[0], 1),
            "writes_per_s": round(shares[1], 1),
            "peak_reads_per_s": round(samples.peak_per_s("reads"), 1),
            "peak_writes_per_s": round(samples.peak_per_s("writes"), 1),
            "floor_per_s": round(raw, 1),
            "functions": functions,
            "memory_mb_by_third": memory,
            "memory_ratio": round(memory[-1] / memory[0], 2) if memory[0] else None,
            "most_waiting": samples.most_waiting(),
            "drained": drained,
            "undelivered": undelivered,
            **books,
        },
        as_json=as_json,
    )


def _tell(text: str) -> None:
    click.echo(f"{text} …", err=True)


def _calibrated(phones: Phones, seconds: float) -> float:
    """Return how many visits a second are served at best; half of the time warms up."""
    _tell(f"{AT_ONCE // 4} guests at once, for {seconds:.0f} s")
    phones.serve_at_once(AT_ONCE // 4, seconds / 2)
    return phones.serve_at_once(AT_ONCE // 4, seconds / 2)


def _progress(phones: Phones, samples: Samples, seconds: float) -> Callable[[float], None]:
    told: set[int] = set()

    def tell(moment: float) -> None:
        slot = int(moment / seconds * SLOTS)
        if slot not in told:
            told.add(slot)
            newest = samples.taken[-1]
            _tell(f"{name_of(slot)}: {phones.ends.total()} visits, {newest.waiting} calls wait")

    return tell


def _visits(phones: Phones, planned: int, seconds: float, peak: float) -> dict[str, Any]:
    late = sorted(phones.late_s)
    codes = {code: count for code, count in phones.client.codes.items() if code}
    paid, slot_s = len(phones.paid_at_s), seconds / SLOTS
    by_slot = Counter(int(at / slot_s) for at in phones.paid_at_s)
    return {
        "minutes": round(seconds / 60, 2),
        "visits": planned,
        "orders_paid": paid,
        "of_the_days_orders": round(paid / ORDERS, 5),
        "peak_factor": PEAK,
        "visits_per_s": round(planned / seconds, 3),
        "peak_visits_per_s": round(peak, 2),
        "orders_per_s": round(paid / seconds, 3),
        "peak_orders_per_s": round(max(by_slot.values(), default=0) / slot_s, 2),
        "ends": dict(phones.ends),
        "calls": phones.client.codes.total(),
        "errors": codes,
        "late_p50_s": round(late[len(late) // 2], 3) if late else None,
        "late_p99_s": round(late[int(len(late) * 0.99)], 3) if late else None,
    }


def _count(cloud: LocalCloud, name: str) -> int:
    return sum(1 for _ in cloud.platform.log.newest(name))


def _functions(cloud: LocalCloud, before: dict[str, int]) -> dict[str, Any]:
    """Return the calls of each function, and the p50 and p99 of their durations."""
    found = {}
    for name, earlier in before.items():
        records = list(cloud.platform.log.newest(name))
        took = sorted(float(r["Duration"]) for r in records[: len(records) - earlier])
        if took and name not in STANDING:
            found[name] = {
                "calls": len(took),
                "p50_ms": round(took[len(took) // 2], 1),
                "p99_ms": round(took[int(len(took) * 0.99)], 1),
            }
    return found


def _settled(cloud: LocalCloud, phones: Phones) -> dict[str, Any]:
    """Let time go on until refunds and shares are through; returns what the ledgers say."""
    begins = cloud.clock.now()
    cloud.set_clock(begins, stands=True)
    for minutes in SETTLING:
        cloud.advance(begins + timedelta(minutes=minutes))
    totals = reconciled(phones.client)
    letters = cloud.database.collection("dead_letters").find({}, {"_id": 1}).hint("_id_")
    return {
        "reconciled": totals["reconciled"],
        "differences": len(totals["differences"]),
        "dead_letters": len(list(letters)),
    }
