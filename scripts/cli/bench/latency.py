"""`bench latency`: the time from payment to readable points, through the follower's start."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from cli.bench import json_option, report
from cli.bench.orders import open_accounts, paid_order
from guard import scratch_folder
from huitou.runtime.database import Database, connect_for_waiting
from huitou.runtime.followers import Followers
from huitou.runtime.settings import Settings
from localcloud.cloud import LocalCloud

MEMBERS = 200
PAYERS = 4  # As many as the local cloud has instances of `pay`.
GIVE_UP_AFTER_S = 30.0

Tell = Callable[[str], float]


@click.command()
@click.option("--rate", default=50, show_default=True, help="Paid orders a second.")
@click.option("--seconds", default=20, show_default=True, help="How long to inject.")
@click.option(
    "--by", type=click.Choice(["call", "relay"]), default="call", show_default=True,
    help="Who starts points-sync: whoever paid, or the standing relay.",
)  # fmt: skip
@json_option
def latency(rate: int, seconds: int, by: str, as_json: bool) -> None:
    """Inject paid orders at a steady rate; time each until its points can be read.

    Everything is as in the cloud: the signed call after the commit (or change stream and relay),
    the asynchronous call, points-sync in a process of its own, transaction. `start_…_s` is how
    long whoever took the payment waits for the call. Orders whose points never appear are counted
    as lost; the timers, which would find them, don't fire.
    """
    with scratch_folder() as folder, LocalCloud(folder, relay=by == "relay") as cloud:
        cloud.set_clock(cloud.clock.now(), stands=True)
        tell = _starting(cloud) if by == "call" else lambda _: 0.0
        open_accounts(cloud.database, [f"m{number}" for number in range(MEMBERS)])
        _inject(cloud.database, "warm", rate, 3, tell)
        cloud.drain(GIVE_UP_AFTER_S)
        seen: dict[str, float] = {}
        watching, stopped = threading.Event(), threading.Event()
        waiting = connect_for_waiting(cloud.mongodb_uri, cloud.database_name)
        watcher = threading.Thread(
            target=_watch, args=(waiting, seen, rate * seconds, watching, stopped), daemon=True
        )
        watcher.start()
        watching.wait()
        paid, told = _inject(cloud.database, "order", rate, seconds, tell)
        watcher.join(GIVE_UP_AFTER_S)
        stopped.set()
        watcher.join()
        waiting.client.close()
    waits = sorted(seen[order_id] - at for order_id, at in paid.items() if order_id in seen)
    report(
        {
            **_spread(waits),
            "orders": len(paid),
            "lost": len(paid) - len(waits),
            "rate_per_s": rate,
            "by": by,
            **(_spread(sorted(told), "start_") if by == "call" else {}),
        },
        as_json=as_json,
    )


def _spread(times_s: list[float], what: str = "") -> dict[str, Any]:
    if not times_s:
        return {f"{what}{name}": None for name in ("p50_s", "p99_s", "max_s")}
    return {
        f"{what}p50_s": round(times_s[len(times_s) // 2], 3),
        f"{what}p99_s": round(times_s[int(len(times_s) * 0.99)], 3),
        f"{what}max_s": round(times_s[-1], 3),
    }


def _starting(cloud: LocalCloud) -> Tell:
    """Return what a function does after its commit; it returns the seconds that this takes."""
    settings = Settings({**os.environ, **cloud.target.variables, **cloud.platform.variables})

    def tell(order_id: str) -> float:
        began = time.monotonic()
        followers = Followers()
        followers.written("orders", [order_id], {"settlement": "due"})
        followers.start(settings, "pay")
        return time.monotonic() - began

    return tell


def _inject(
    database: Database, prefix: str, rate: int, seconds: int, tell: Tell
) -> tuple[dict[str, float], list[float]]:
    """Pay orders; returns the moment of each commit, and how long each caller waited then."""
    paid: dict[str, float] = {}
    told: list[float] = []

    def pay(number: int) -> None:
        order_id = f"{prefix}-{number}"
        document = paid_order(order_id, f"m{number % MEMBERS}")
        paid[order_id] = time.monotonic()
        database.collection("orders").insert_one(document)
        told.append(tell(order_id))

    started = time.monotonic()
    with ThreadPoolExecutor(PAYERS) as payers:
        for number in range(rate * seconds):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            payers.submit(pay, number)
    return paid, told


def _watch(
    database: Database,
    seen: dict[str, float],
    expected: int,
    watching: threading.Event,
    stopped: threading.Event,
) -> None:
    """Record when each order's entry can be read (committed by the majority), until `stopped`."""
    with database.collection("points_entries").watch(max_await_time_ms=500) as stream:
        watching.set()
        while len(seen) < expected and not stopped.is_set() and stream.alive:
            change = stream.try_next()
            if change is not None:
                seen[change["fullDocument"]["order_id"]] = time.monotonic()
