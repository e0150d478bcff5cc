"""`bench`: each hot path against a floor measured in the same run, since machines are noisy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from guard import scratch_folder
from localcloud.mongod import Mongod


@click.group()
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


def _register() -> None:
    from cli.bench.checkout import checkout
    from cli.bench.coldstart import coldstart
    from cli.bench.expire import expire
    from cli.bench.geofence import geofence
    from cli.bench.imports import import_
    from cli.bench.invoke import invoke
    from cli.bench.kpi import kpi
    from cli.bench.latency import latency
    from cli.bench.pay import pay
    from cli.bench.points import points
    from cli.bench.price import price
    from cli.bench.quota import quota
    from cli.bench.sweep import sweep
    from cli.bench.tiers import tiers

    for command in (
        price,
        checkout,
        quota,
        points,
        expire,
        geofence,
        sweep,
        tiers,
        pay,
        latency,
        coldstart,
        invoke,
        import_,
        kpi,
    ):
        bench.add_command(command)


_register()
