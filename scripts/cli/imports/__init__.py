"""`import`: a chain's history from its till."""

from __future__ import annotations

import click

from cli.imports.balances import balances
from cli.imports.orders import orders
from cli.imports.undo import list_imports, undo


@click.group(name="import")
def import_() -> None:
    """Bring in what the chain has from before: orders, points and tiers; or take orders back."""


import_.add_command(orders)
import_.add_command(balances)
import_.add_command(list_imports)
import_.add_command(undo)
