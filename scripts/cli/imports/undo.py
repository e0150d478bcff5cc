"""`import list` and `import undo`: what was brought in from files, and taking it back."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Picture

from cli.imports.sending import answered
from cli.place import Environment, environment_options

SUMS = (
    "orders",
    "balances",
    "amount_fen",
    "points",
    "owed",
    "kept",
    "tiers",
    "refunded",
    "members",
    "members_stay",
)


@click.command(name="list")
@click.option("--limit", default=50, show_default=True, help="The latest so many, up to 200.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@environment_options
def list_imports(limit: int, as_json: bool, environment: Environment) -> None:
    """List the latest imports, newest first, with the id that takes each back."""
    with environment.open() as cloud:
        told = answered(cloud, {"action": "imports", "lang": "en", "limit": limit})
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    picture = Picture("import", "file", "began", "of", "in", "refunds", "points", "")
    for one in told["imports"]:
        picture.add_row(
            one["import_id"],
            one["file"],
            one["at"][:19],
            one["kind"],
            f"{one['imported']:,}",
            f"{one['refunded']:,}",
            f"{one['points']:,}",
            one["status"],
        )
    Console().print(picture)


@click.command()
@click.argument("import_id")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@environment_options
def undo(import_id: str, as_json: bool, environment: Environment) -> None:
    """Take the import IMPORT_ID back: its orders, with their points, spend, tiers and KPIs, or
    its balances, with their tiers.

    Each order goes back as by a refund of all that is left of it, dated by its own day. Points
    that were spent since are owed, or stay, as the rules of claw-back say. Of balances goes back
    what is there; what was spent, has expired or is set aside stays, and nothing is owed. Members
    that the import registered go, too, if they have nothing else. What stays: refunds that it
    booked on orders of other imports, coupons that a tier has brought. Then mend the file and
    import it again. Stopped halfway, the same command goes on.
    """
    sums: Counter[str] = Counter()
    with environment.open() as cloud:
        while True:
            event = {"action": "undo_import", "lang": "en", "import_id": import_id}
            told = answered(cloud, event)
            sums.update({name: told[name] for name in SUMS})
            if not told["rest"]:
                break
    result = {name: sums[name] for name in SUMS}
    if as_json:
        click.echo(json.dumps(result))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    console = Console()
    picture = Picture(show_header=False)
    picture.add_row("orders taken back", f"{result['orders']:,}")
    picture.add_row("revenue taken back", f"¥{result['amount_fen'] / 100:,.2f}")
    picture.add_row("balances taken back", f"{result['balances']:,}")
    picture.add_row("points taken back", f"{result['points']:,}")
    picture.add_row("tiers taken back", f"{result['tiers']:,}")
    picture.add_row("members erased, who had nothing else", f"{result['members']:,}")
    console.print(picture)
    stays = {
        "points were spent before and are owed now": result["owed"],
        "points could not be taken back: spent, expired or set aside": result["kept"],
        "members whom it registered stay: they have something else": result["members_stay"],
        "orders of other imports keep the refunds that this one booked": result["refunded"],
    }
    for words, count in stays.items():
        if count:
            console.print(f"{count:,} {words}", style="yellow", highlight=False)
