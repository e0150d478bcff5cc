"""`bench import`: a till's orders, against plain inserts of the same documents."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from datetime import date, timedelta

import click

from cli.bench import json_option, report, scratch_mongod, setting_up
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import watching
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database, Document, connect
from huitou.runtime.declarations import declare

AT_ONCE = 1_000
WRITTEN = ("members", "identities", "accounts", "orders", "points_entries")


@click.command(name="import")
@click.option("--orders", default=10_000, show_default=True, help="Orders per round and side.")
@click.option("--rounds", default=3, show_default=True, help="Rounds, ours and floor in turn.")
@profile_option
@json_option
def import_(orders: int, rounds: int, profile: Profile | None, as_json: bool) -> None:
    """Import orders of as many members as real histories have (one for three orders).

    The floor takes the documents that the import left behind (members, identities, accounts,
    orders, entries) and inserts them with plain insert_many into an empty database with the same
    indexes: no ids to find, nothing to check, no balance to move. Same MongoDB, in turn; medians.
    """
    with scratch_mongod() as mongod:
        ours, floor = [], []
        for number in range(rounds):
            database = _declared(mongod.uri, f"ours{number}")
            started = time.perf_counter()
            with watching(profile if number == rounds - 1 else None, "order", orders):
                for batch in _batches(orders, seed=number):
                    OrderImport(database, RealClock(), "huitou").run(batch)
            ours.append(orders / (time.perf_counter() - started))
            floor.append(orders / _by_hand(database, mongod.uri, f"floor{number}"))
            database.client.close()
    report(
        {
            "per_s": round(statistics.median(ours), 1),
            "floor_per_s": round(statistics.median(floor), 1),
            "ratio": round(statistics.median(a / b for a, b in zip(ours, floor, strict=True)), 3),
        },
        profile,
        as_json=as_json,
    )


def _declared(uri: str, name: str) -> Database:
    database = connect(uri, name)
    declare(database)
    return database


def _batches(orders: int, seed: int) -> Iterator[ImportOrdersRequest]:
    chance = random.Random(seed)
    rows = [
        ImportedRow(
            line=number + 2,
            member=str(chance.randrange(max(1, orders // 3))),
            paid_on=date(2025, 1, 1) + timedelta(days=chance.randrange(540)),
            amount_fen=chance.randrange(800, 20_000),
            order=str(number),
        )
        for number in range(orders)
    ]
    for start in range(0, orders, AT_ONCE):
        yield ImportOrdersRequest(rows=rows[start : start + AT_ONCE])


def _by_hand(source: Database, uri: str, name: str) -> float:
    """Insert what the import wrote into an empty database; returns the seconds it took."""
    with setting_up():
        documents: dict[str, list[Document]] = {
            collection: list(source.collection(collection).find({"_id": {"$gt": ""}}))
            for collection in WRITTEN
        }
    database = _declared(uri, name)
    started = time.perf_counter()
    for collection, found in documents.items():
        for start in range(0, len(found), AT_ONCE):
            database.collection(collection).insert_many(found[start : start + AT_ONCE])
    seconds = time.perf_counter() - started
    database.client.close()
    return seconds
