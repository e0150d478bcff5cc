"""`bench`: measure each hot path against a floor in the same run, since machines vary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.lazy import LazyGroup
from guard import scratch_folder
from localcloud.mongod import Mongod

NAMES = (
    "checkout", "coldstart", "expire", "geofence", "import", "invoke", "kpi", "latency", "pay",
    "points", "price", "quota", "sweep", "tiers",
)  # fmt: skip


PLACES = {name: f"cli.bench.{name}:{name}" for name in NAMES} | {
    "import": "cli.bench.imports:import_",
}


@click.group(cls=LazyGroup, places=PLACES)
def bench() -> None:
    """Measure a hot path; prints a ratio against a floor of the same run.

    Each benchmark starts a local cloud (or just its MongoDB) of its own on a scratch folder, so
    it never touches your data.
    """


def report(rows: dict[str, Any], *, as_json: bool) -> None:
    """Print a benchmark's figures as a table, or as one line of JSON."""
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)


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
