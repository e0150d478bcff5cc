"""`house`: the domains of the core layer and their imports, counted from its files."""

from __future__ import annotations

import json
import sys
from collections import Counter

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from house import DOMAINS, FOUNDATIONS, about, areas, imports_between_domains, runs_up


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def house(as_json: bool) -> None:
    """Show the domains of the core layer, lowest first, their areas, and who imports from whom.

    A domain may import from itself and from the domains before it. The second table has a row for
    each domain: how many imports go from it to each other domain. Exit code 1 if one runs up.
    """
    counted = imports_between_domains()
    upward = [
        (domain, other, number)
        for domain, row in counted.items()
        for other, number in row.items()
        if runs_up(domain, other)
    ]
    if as_json:
        rooms = [
            {
                "domain": domain,
                "about": about(domain),
                "areas": _areas(domain),
                "imports": {other: row[other] for other in DOMAINS if row[other]},
            }
            for domain, row in counted.items()
        ]
        pairs = [dict(zip(("from", "to", "imports"), pair, strict=True)) for pair in upward]
        click.echo(json.dumps({"domains": rooms, "upward": pairs}, ensure_ascii=False))
    else:
        console = Console()
        console.print(_domain_table())
        console.print(_import_table(counted))
        total = sum(row.total() for row in counted.values())
        wrong = sum(number for *_, number in upward)
        click.echo(f"{total} imports between domains, {wrong} of them upward")
        for domain, other, number in upward:
            click.echo(f"runs up: {domain} → {other}, {number} imports")
    sys.exit(1 if upward else 0)


def _areas(domain: str) -> list[str]:
    return [] if domain in FOUNDATIONS else areas(domain)


def _domain_table() -> Table:
    table = Table("", "domain", "areas")
    for number, domain in enumerate(DOMAINS, 1):
        table.add_row(str(number), domain, ", ".join(_areas(domain)) or about(domain))
    return table


def _import_table(counted: dict[str, Counter[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0, collapse_padding=True)
    table.add_column("imports from ↓ to →", no_wrap=True)
    for number, _ in enumerate(DOMAINS, 1):
        table.add_column(str(number), justify="right", no_wrap=True, min_width=3)
    for number, domain in enumerate(DOMAINS, 1):
        row = ["–" if other == domain else str(counted[domain][other] or "·") for other in DOMAINS]
        table.add_row(f"{number:2} {domain}", *row)
    return table
