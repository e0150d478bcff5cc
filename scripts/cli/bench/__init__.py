"""`bench`: measure each hot path against a floor in the same run, since machines vary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click
from pymongo import WriteConcern, timeout
from rich.console import Console
from rich.table import Table

from cli.bench.profile import Profile
from cli.lazy import LazyGroup
from guard import scratch_folder
from huitou.runtime.database import Database, Document
from localcloud.mongod import Mongod

NAMES = (
    "checkout", "coldstart", "day", "expire", "geofence", "import", "invoke", "kpi", "latency",
    "pay", "points", "price", "quota", "sweep", "tiers",
)  # fmt: skip
AT_ONCE = 5_000
SET_UP_S = 600


PLACES = {name: f"cli.bench.{name}:{name}" for name in NAMES} | {
    "import": "cli.bench.imports:import_",
    "all": "cli.bench.everything:all_",
}


@click.group(cls=LazyGroup, places=PLACES)
def bench() -> None:
    """Measure a hot path; prints a ratio against a floor of the same run.

    Each benchmark starts a local cloud (or just its MongoDB) of its own on a scratch folder, so
    it never touches your data.
    """


def report(rows: dict[str, Any], profile: Profile | None = None, *, as_json: bool) -> None:
    """Print a benchmark's figures as a table, or as one line of JSON."""
    if as_json:
        more = {"profile": profile.figures} if profile else {}
        click.echo(json.dumps(rows | more, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)
    for side, figures in profile.figures.items() if profile else ():
        parts = ", ".join(f"{part} {ms}" for part, ms in figures["ms"].items())
        table = Table("command", "sent", "ms", title=f"{side}: ms of one operation: {parts}")
        for name, of_one in figures["by_command"].items():
            table.add_row(name, str(of_one["sent"]), str(of_one["ms"]))
        Console().print(table)


def setting_up() -> AbstractContextManager[object]:
    """Let the operations of a benchmark's set-up take minutes, not the product's 10 s."""
    return timeout(SET_UP_S)


def insert_quickly(database: Database, collection: str, documents: Sequence[Document]) -> None:
    """Insert documents of a set-up. Losing them in a crash does no harm: no wait for the disk."""
    quick = database.collection(collection).with_options(write_concern=WriteConcern(1, j=False))
    with setting_up():
        for start in range(0, len(documents), AT_ONCE):
            quick.insert_many(documents[start : start + AT_ONCE], ordered=False)


@contextmanager
def scratch_mongod() -> Iterator[Mongod]:
    """Run a MongoDB on a scratch folder for as long as a benchmark takes."""
    with scratch_folder() as folder:
        mongod = Mongod(folder / "mongod")
        mongod.start()
        try:
            yield mongod
        finally:
            mongod.stop()


json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
