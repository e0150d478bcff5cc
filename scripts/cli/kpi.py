"""`kpi`: the repurchase rate, activity and points burn, of a day or over time."""

from __future__ import annotations

import json
import sys
import time
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from cli.place import Environment, Place, environment_options

SUMMED = {"orders": "orders", "revenue_fen": "revenue", "new_members": "new members"}
MOST_TRIES = 5
MOST_DAYS_SHOWN = 62  # Longer periods are shown by month.
Figures = dict[str, Any]


def _day(_: click.Context, __: click.Parameter, given: datetime | None) -> date | None:
    return given.date() if given else None


_DAY: dict[str, Any] = {
    "type": click.DateTime(["%Y-%m-%d"]), "callback": _day, "metavar": "YYYY-MM-DD",
}  # fmt: skip


@click.command()
@click.option("--as-of", **_DAY, help="A business day (default: the last one that is over).")
@click.option("--from", "first", **_DAY, help="With --to: every day of a period.")
@click.option("--to", "last", **_DAY)
@click.option("--store", "store_id", help="Only orders at this store.")
@click.option("--channel", help="Only orders of this channel: mini_program, import.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path),
              help="With --from and --to: draw repurchase and orders over time.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def kpi(
    as_of: date | None,
    first: date | None,
    last: date | None,
    store_id: str | None,
    channel: str | None,
    png: Path | None,
    as_json: bool,
    environment: Environment,
) -> None:
    """Show the KPIs as known now, after counting what is new.

    \b
    repurchase rate  of the members with an order from 59 to 30 days ago: how many ordered
                     again, on a later day within 30 days of their first one there
    activity rate    of the members registered for 29 days: how many logged in on 3 of the
                     last 30 days (whole chain)
    points burn      points used of points issued and not clawed back (whole chain)

    \b
    scripts/huitou kpi --as-of 2026-04-30 --channel mini_program
    scripts/huitou kpi --from 2026-03-01 --to 2026-04-30 --png repurchase.png

    An order counts on its business day if something was paid and not fully refunded.
    """
    if (first is None) != (last is None) or (first is not None and as_of is not None):
        raise click.UsageError("either --as-of, or --from together with --to")
    if png is not None and first is None:
        raise click.UsageError("--png draws a period: say --from and --to")
    if png is not None and not png.parent.is_dir():
        raise click.BadParameter(f"there is no folder {png.parent}", param_hint="--png")
    chosen = {"store_id": store_id, "channel": channel}
    with environment.open() as cloud:
        rolled_up(cloud)
        if first is None:
            asked = {"as_of": as_of.isoformat() if as_of else None}
            report = call(cloud, {"action": "report", **asked, **chosen})
            report["by_store"] = {} if store_id else _by_store(cloud, report["as_of"], channel)
        else:
            period = {"first": str(first), "last": str(last)}
            report = call(cloud, {"action": "days", **period, **chosen})
    if png is not None:
        from cli.kpi_chart import draw

        draw(report["days"], png, store_id, channel)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    elif first is None:
        _print_day(report)
    else:
        _print_days(report["days"])
    if png is not None:
        click.echo(f"drawn: {png}", err=True)


def rolled_up(cloud: Place) -> dict[str, int]:
    """Let kpi-rollup count all that is new; returns how many orders and days it counted."""
    done = {"orders": 0, "days": 0}
    with Console(stderr=True).status("counting …") as status:
        while True:
            run = call(cloud, {"action": "roll_up", "seconds": 5})
            for name in done:
                done[name] += run[name]
            if not run["rest"]:
                return done
            if not run["orders"] and not run["days"]:
                time.sleep(0.3)  # Another roll-up is counting.
            status.update(f"counting … {done['orders']:,} orders, {done['days']:,} days")


def _by_store(cloud: Place, as_of: str, channel: str | None) -> Figures:
    found: Figures = {}
    page: Figures = {"next": None}
    while True:
        asked = {"as_of": as_of, "channel": channel, "after": page["next"]}
        page = call(cloud, {"action": "stores", **asked})
        found |= page["by_store"]
        if page["next"] is None:
            return found


def call(cloud: Place, event: dict[str, Any]) -> dict[str, Any]:
    """Call kpi-rollup and return its answer; repeats the call while it is busy."""
    for _ in range(MOST_TRIES):
        answer = cloud.internal_call("kpi-rollup", {"lang": "en", **event})
        if answer["ok"] or answer["error"]["code"] != "UNAVAILABLE":
            break
        time.sleep(1)
    if not answer["ok"]:
        sys.exit(f"kpi: {answer['error']['code']} {answer['error']['message']}")
    return dict(answer["data"])


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"


def _share(figures: Figures, rate: str, part: str, whole: str) -> str:
    return f"{_rate(figures[rate])}  ({figures[part]:,} of {figures[whole]:,})"


def _repurchase(figures: Figures) -> str:
    return _share(figures, "repurchase_rate_30d", "repurchased", "repurchase_cohort")


def day_table(report: Figures) -> Table:
    """Draw the figures of one day."""
    about = [name for name in (report["store_id"], report["channel"]) if name]
    table = Table("", " · ".join([report["as_of"], *about]))
    table.add_row("repurchase rate, 30 days", _repurchase(report))
    activity = _share(report, "activity_rate", "active_members", "activity_members")
    table.add_row("activity rate", activity)
    table.add_row("points burn, all time", _rate(report["points_burn_rate"]))
    table.add_row("points burn, 90 days", _rate(report["points_burn_rate_90d"]))
    for name, title in SUMMED.items():
        shown = [_amount(name, report[name + ending]) for ending in ("", "_30d")]
        table.add_row(title, "{}  (30 days: {})".format(*shown))
    return table


def _print_day(report: Figures) -> None:
    console = Console()
    console.print(day_table(report))
    for part in ("by_channel", "by_store"):
        if report.get(part):
            console.print(_parts(part.removeprefix("by_"), report[part]))


def _amount(name: str, value: int) -> str:
    return f"¥{value / 100:,.2f}" if name.endswith("_fen") else f"{value:,}"


def _parts(what: str, parts: dict[str, Figures]) -> Table:
    table = Table(what, "repurchase rate, 30 days", "orders 30 d", "revenue 30 d", "joined 30 d")
    for name, figures in parts.items():
        sums = (_amount(field, figures[field + "_30d"]) for field in SUMMED)
        table.add_row(name, _repurchase(figures), *sums)
    return table


def _print_days(days: list[Figures]) -> None:
    by_day = len(days) <= MOST_DAYS_SHOWN
    caption = None if by_day else "rates as of each month's last day, the rest summed"
    table = Table(caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("day" if by_day else "month", no_wrap=True, min_width=10)
    for title in ("repurchase", "cohort", "active", "burn 90 d", "orders", "revenue", "joined"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, found in groupby(days, key=lambda day: day["day"] if by_day else day["day"][:7]):
        group = list(found)
        last = group[-1]
        rates = (last["repurchase_rate_30d"], last["activity_rate"], last["points_burn_rate_90d"])
        repurchased, active, burnt = (_rate(rate) for rate in rates)
        orders, fen, joined = (sum(day[field] for day in group) for field in SUMMED)
        sums = [f"{orders:,}", f"¥{fen / 100:,.0f}", f"{joined:,}"]
        table.add_row(name, repurchased, f"{last['repurchase_cohort']:,}", active, burnt, *sums)
    Console().print(table)
