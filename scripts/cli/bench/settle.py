"""`bench settle`: settling paid orders, against the same writes by hand."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import click
from pymongo.client_session import ClientSession

from cli.bench import json_option, report, scratch_mongod
from cli.bench.orders import AT, DAY, open_accounts, paid_order
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declare
from huitou.settlement.service import Settlement

MEMBERS = 400


@click.command()
@click.option("--orders", default=400, show_default=True, help="Orders per round and side.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, ours and floor in turn.")
@click.option("--threads", default=4, show_default=True, help="Settlers at once, on both sides.")
@json_option
def settle(orders: int, rounds: int, threads: int, as_json: bool) -> None:
    """Settle paid orders: ledger entry, account and order in one transaction each.

    The floor does the same three writes in one transaction with plain pymongo: no reading of the
    order, no check of what the ledger holds. Same MongoDB, same threads, in turn; medians.
    """
    with scratch_mongod() as mongod:
        database = connect(mongod.uri, "bench")
        declare(database)
        members = [f"m{number}" for number in range(MEMBERS)]
        open_accounts(database, members)
        ours, floor = [], []
        for number in range(rounds + 1):
            speeds = [
                _run(database, f"{side}{number}", orders, threads, work)
                for side, work in (
                    ("ours", Settlement(database, RealClock()).settle),
                    ("floor", _floor(database)),
                )
            ]
            if number:  # The first round warms up connections and caches.
                ours.append(speeds[0])
                floor.append(speeds[1])
        database.client.close()
    report(
        {
            "orders_per_s": round(statistics.median(ours), 1),
            "floor_orders_per_s": round(statistics.median(floor), 1),
            "ratio": round(statistics.median(a / b for a, b in zip(ours, floor, strict=True)), 3),
            "threads": threads,
        },
        as_json=as_json,
    )


def _run(
    database: Database, side: str, orders: int, threads: int, work: Callable[[str], object]
) -> float:
    ids = [f"{side}-{number}" for number in range(orders)]
    database.collection("orders").insert_many(
        [paid_order(order_id, f"m{number % MEMBERS}") for number, order_id in enumerate(ids)]
    )
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, ids))
    return orders / (time.perf_counter() - started)


def _floor(database: Database) -> Callable[[str], object]:
    """The same minimal writes, hand-written: what no settlement can be faster than."""
    orders = database.collection("orders")
    entries = database.collection("points_entries")
    accounts = database.collection("accounts")

    def settle_by_hand(order_id: str) -> None:
        member_id = f"m{int(order_id.rsplit('-', 1)[1]) % MEMBERS}"
        entry = {
            "_id": f"earn:{order_id}", "schema": 1, "member_id": member_id, "kind": "earn",
            "points": 72, "spend_fen": 7_200, "order_id": order_id, "business_day": DAY,
            "at": AT, "cause": order_id, "actor": "settlement", "rules_revision": 1,
        }  # fmt: skip

        def write(session: ClientSession) -> None:
            due = {"_id": order_id, "settlement": "due"}
            orders.update_one(due, {"$set": {"settlement": "done"}}, session=session)
            entries.insert_one(dict(entry), session=session)
            accounts.update_one(
                {"_id": member_id},
                {
                    "$inc": {
                        "available": 72,
                        "reserved": 0,
                        f"spend_by_day.{DAY}": 7_200,
                        "version": 1,
                    },
                    "$set": {"tier_review": "due"},
                },
                session=session,
            )

        database.transact(write)

    return settle_by_hand
