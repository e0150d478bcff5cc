"""`bench`: each hot path against a floor measured in the same run, since machines are noisy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from guard import scratch_folder
from localcloud.mongod import Mongod

NAMES = (
    "checkout", "coldstart", "expire", "geofence", "import", "invoke", "kpi", "latency", "pay",
    "points", "price", "quota", "sweep", "tiers",
)  # fmt: skip


class Benchmarks(click.Group):
    """Imports a benchmark when it is asked for.

    All of them together import half the house, and every other command would wait for that.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(NAMES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        module, name = ("imports", "import_") if cmd_name == "import" else (cmd_name, cmd_name)
        command: click.Command = getattr(import_module(f"cli.bench.{module}"), name)
        return command


@click.group(cls=Benchmarks)
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
