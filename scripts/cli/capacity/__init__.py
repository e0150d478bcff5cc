"""`capacity`: what a chain of some size needs, and what breaks first, from measured figures."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from cli.capacity.estimate import Size, estimate
from cli.capacity.figures import Limits
from cli.capacity.measure import Watch
from cli.capacity.show import as_data, show
from cli.cost.figures import Assumptions
from cli.cost.measure import GUESTS, measure
from guard import scratch_folder
from huitou.runtime.declarations import declarations

_TIMES = {"": 1, "K": 1_000, "M": 1_000_000}


class Count(click.ParamType[int]):
    """A number such as 300, 10,000, 10K or 1.5M."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([KM]?)", str(value).replace(",", "").upper())
        count = round(float(found[1]) * _TIMES[found[2]]) if found else 0
        if not 1 <= count <= 10**10:
            self.fail(f"{value!r} is no number such as 300, 10,000, 10K or 1.5M", param, ctx)
        return count


@click.command()
@click.option(
    "--members", type=Count(), default="100K", show_default=True, help="Registered members."
)
@click.option(
    "--orders-per-day", type=Count(), default="10K", show_default=True,
    help="Paid orders of the whole chain.",
)  # fmt: skip
@click.option(
    "--guests", type=click.IntRange(5, 500), default=GUESTS, show_default=True,
    help="Guests of the measured days.",
)  # fmt: skip
@click.option(
    "--sample", type=click.IntRange(min=10), default=4_000, show_default=True,
    help="Orders to store, for the size of indexes.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def capacity(members: int, orders_per_day: int, guests: int, sample: int, as_json: bool) -> None:
    """Say what a chain needs of everything, what breaks first, and what to do then.

    Two days of the sample chain are played on a local cloud of its own, as for `cost`: commands
    and CPU of the database per order, durations of the functions. The days are then stored many
    times under other names and dates, for the bytes of a document and of each index. The noon peak
    is 12 times the mean of the day. What one primary may have is assumed and shown. What it costs
    is what `cost` tells.
    """

    def progress(step: str) -> None:
        click.echo(f"{step} …", err=True)

    limits, watch = Limits(), Watch(sample, progress)
    with scratch_folder() as folder:
        figures = measure(
            folder, Assumptions(), progress, guests=guests, firings=0, watch=watch.watch
        )
    if watch.figures is None:
        raise click.ClickException("nothing was measured")
    out = estimate(
        Size(members, orders_per_day), watch.figures, figures.functions, declarations(), limits
    )
    if as_json:
        click.echo(json.dumps(as_data(out, watch.figures, limits), ensure_ascii=False))
    else:
        show(out, watch.figures, limits)
