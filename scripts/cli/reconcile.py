"""`reconcile`: prove that the ledgers agree with the orders."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.place import Environment, Place, environment_options
from huitou.operations.reconciliation.models import Totals

MOST_SHOWN = 50


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def reconcile(environment: Environment, as_json: bool) -> None:
    """Compare every ledger with the orders it follows from.

    Balance = sum of the member's entries; every paid order settled, its entries exactly what its
    frozen terms give; redeemed coupons = paid orders; payments = paid amounts; reserved points =
    unpaid orders. Prints what differs; exit code 1 if anything does.
    """
    with environment.open() as cloud:
        report = reconciled(cloud)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    sys.exit(0 if report["reconciled"] else 1)


def reconciled(cloud: Place) -> dict[str, Any]:
    """Reconcile all members, one range of ids after the other; returns totals and differences."""
    totals, differences, after = Totals(), [], None
    while True:
        page = cloud.internal_call("maintenance", {"action": "reconcile", "after": after})
        if not page["ok"]:
            sys.exit(f"reconcile: {page['error']['code']} {page['error']['message']}")
        totals = totals.plus(Totals(**page["data"]["totals"]))
        differences += page["data"]["differences"]
        after = page["data"]["next"]
        if after is None:
            break
    return {
        "reconciled": not differences,
        "differences": differences,
        **totals.model_dump(),
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(totals_table(report))
    if report["reconciled"]:
        console.print("every ledger agrees", style="bold green")
        return
    console.print(f"{len(report['differences'])} differences", style="bold red")
    table = Table("kind", "id", "expected", "found")
    for row in report["differences"][:MOST_SHOWN]:
        table.add_row(*(str(row[name]) for name in ("kind", "id", "expected", "found")))
    console.print(table)


def totals_table(report: dict[str, Any]) -> Table:
    """Draw a report's totals."""
    table = Table(show_header=False)
    for name, value in report.items():
        if isinstance(value, int) and not isinstance(value, bool):
            shown = f"¥{value / 100:,.2f}" if name.endswith("_fen") else f"{value:,}"
            table.add_row(name.removesuffix("_fen").replace("_", " "), shown)
    tiers = ", ".join(f"{level} {count}" for level, count in report["tiers"].items())
    table.add_row("tiers", tiers)
    return table
