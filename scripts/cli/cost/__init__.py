"""`cost`: what a month costs, from measured durations and a dated price table."""

from __future__ import annotations

import json

import click

from cli.cost.estimate import estimate
from cli.cost.figures import Assumptions
from cli.cost.measure import measure
from cli.cost.prices import load_prices
from cli.cost.show import as_data, show
from guard import scratch_folder


@click.command()
@click.option(
    "--orders-per-day", default=10_000, show_default=True, type=click.IntRange(min=1),
    help="Paid orders of the whole chain.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def cost(orders_per_day: int, as_json: bool) -> None:
    """Estimate the monthly bill on Tencent Cloud, and compare it with servers of one's own.

    Two days of the sample chain are played on a local cloud of its own (half a minute, never on
    your data): calls per order, billed durations, memory, bytes of answers, logs and documents.
    Those times the prices in scripts/cli/cost/prices.json, each with its source and date. What
    nobody could tell us is a range, with the question beside it.
    """
    prices, assumed = load_prices(), Assumptions()
    with scratch_folder() as folder:
        figures = measure(folder, assumed, lambda step: click.echo(f"{step} …", err=True))
    out = estimate(figures, orders_per_day, prices, assumed)
    if as_json:
        click.echo(json.dumps(as_data(figures, out, prices, assumed), ensure_ascii=False))
    else:
        show(figures, out, prices, assumed)
