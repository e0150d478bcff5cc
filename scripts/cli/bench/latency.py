"""`bench latency`: the time from payment to readable points, through relay and function."""

from __future__ import annotations

import threading
import time

import click

from cli.bench import json_option, report
from cli.bench.orders import open_accounts, paid_order
from guard import scratch_folder
from huitou.runtime.database import Database, connect_for_waiting
from localcloud.cloud import LocalCloud

MEMBERS = 200
GIVE_UP_AFTER_S = 30.0


@click.command()
@click.option("--rate", default=50, show_default=True, help="Paid orders a second.")
@click.option("--seconds", default=20, show_default=True, help="How long to inject.")
@json_option
def latency(rate: int, seconds: int, as_json: bool) -> None:
    """Inject paid orders at a steady rate; time each until its points can be read.

    Everything is as in the cloud: change stream, relay, asynchronous call, points-sync in a
    process of its own, transaction. Orders whose points never appear are counted as lost.
    """
    with scratch_folder() as folder, LocalCloud(folder) as cloud:
        open_accounts(cloud.database, [f"m{number}" for number in range(MEMBERS)])
        _inject(cloud.database, "warm", rate, 3)
        cloud.drain(GIVE_UP_AFTER_S)
        seen: dict[str, float] = {}
        watching = threading.Event()
        waiting = connect_for_waiting(cloud.mongodb_uri, cloud.database_name)
        watcher = threading.Thread(
            target=_watch, args=(waiting, seen, rate * seconds, watching), daemon=True
        )
        watcher.start()
        watching.wait()
        paid = _inject(cloud.database, "order", rate, seconds)
        watcher.join(GIVE_UP_AFTER_S)
        waiting.client.close()
    waits = sorted(seen[order_id] - at for order_id, at in paid.items() if order_id in seen)
    report(
        {
            "p50_s": round(waits[len(waits) // 2], 3) if waits else None,
            "p99_s": round(waits[int(len(waits) * 0.99)], 3) if waits else None,
            "max_s": round(waits[-1], 3) if waits else None,
            "orders": len(paid),
            "lost": len(paid) - len(waits),
            "rate_per_s": rate,
        },
        as_json=as_json,
    )


def _inject(database: Database, prefix: str, rate: int, seconds: int) -> dict[str, float]:
    paid = {}
    started = time.monotonic()
    for number in range(rate * seconds):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        order_id = f"{prefix}-{number}"
        document = paid_order(order_id, f"m{number % MEMBERS}")
        paid[order_id] = time.monotonic()
        database.collection("orders").insert_one(document)
    return paid


def _watch(
    database: Database, seen: dict[str, float], expected: int, watching: threading.Event
) -> None:
    """Record when each order's entry can be read (committed by the majority)."""
    with database.collection("points_entries").watch(max_await_time_ms=500) as stream:
        watching.set()
        deadline = time.monotonic() + 3_600
        while len(seen) < expected and time.monotonic() < deadline and stream.alive:
            change = stream.try_next()
            if change is not None:
                seen[change["fullDocument"]["order_id"]] = time.monotonic()
