"""Shows the estimate on the terminal or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.cost.estimate import Bill, Estimate, estimate, slower
from cli.cost.figures import MONTH_H, Assumptions, Figures
from cli.cost.prices import Prices
from cli.cost.verdict import comparisons, difference, free_tier, verdict, yuan

SLOWER = (2.0, 4.0)  # Factors for machines that are slower than this one.


def show(figures: Figures, out: Estimate, prices: Prices, assumed: Assumptions) -> None:
    """Print functions, bill, comparison, assumptions and the verdict."""
    console = Console()
    console.print(_functions(out))
    console.print(_memory(out))
    console.print("Half the memory is half the processor: only what waits really saves.\n")
    console.print(_bill(out.bill))
    for line in ("What the ranges come from:", *_ranges(out.bill), ""):
        console.print(line, markup=False, highlight=False)
    console.print(_comparison(out))
    for line in (
        *_sensitivity(figures, out, prices, assumed),
        *_assumptions(figures, prices, assumed),
    ):
        console.print(line, markup=False, highlight=False)
    console.print()
    console.print(verdict(out), style="bold", markup=False, highlight=False)


def as_data(
    figures: Figures, out: Estimate, prices: Prices, assumed: Assumptions
) -> dict[str, Any]:
    """Return the whole estimate as data for JSON; money in fen a month, memory in MB."""
    return {
        "orders_per_day": out.orders_per_day,
        "functions": [
            {
                **asdict(f.figures),
                "calls": round(f.calls),
                "mean_ms": round(f.mean_ms, 2),
                "gb_s": round(f.gbs),
                "order_gb_s": round(f.order_gbs),
                "idle_gb_s": round(f.idle_gbs),
                "standing_gb_s": round(f.standing_gbs),
                "fen": f.fen,
                "enough_mb": f.enough_mb,
                "saves_fen": f.saves_fen,
            }
            for f in out.functions
        ],
        "bill": _bill_data(out.bill),
        "with_relay": _bill_data(out.with_relay),
        "free_months_save_fen": out.free_months_save_fen,
        "free_tier": free_tier(out, prices),
        "comparisons": [
            {
                "with": c.name,
                "ours": _totals(c.ours),
                "theirs": _bill_data(c.theirs),
                "under_low": round(c.under_low, 4),
                "under_high": round(c.under_high, 4),
            }
            for c in comparisons(out)
        ],
        "slower": [
            {"durations": factor, **_totals(_bill_if_slower(figures, out, prices, assumed, factor))}
            for factor in SLOWER
        ],
        "verdict": verdict(out),
        "measured": {k: v for k, v in asdict(figures).items() if k not in ("functions", "relay")},
        "assumptions": asdict(assumed),
        "prices": prices.model_dump(mode="json"),
    }


def _totals(bill: Bill) -> dict[str, int]:
    return {"low_fen": bill.low_fen, "high_fen": bill.high_fen}


def _bill_data(bill: Bill) -> dict[str, Any]:
    return {**_totals(bill), "items": [asdict(item) for item in bill.items]}


def _bill_if_slower(
    figures: Figures, out: Estimate, prices: Prices, assumed: Assumptions, factor: float
) -> Bill:
    return estimate(figures, out.orders_per_day, prices, slower(assumed, factor)).bill


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _functions(out: Estimate) -> Table:
    table = _table(
        f"{out.orders_per_day:,} paid orders a day: functions, a month of {MONTH_H} hours",
        ("function",),
        ("MB", "calls", "mean ms", "GB-s", "¥"),
    )
    for f in sorted(out.functions, key=lambda f: -f.gbs):
        name = f"{f.figures.name}, 1 standing" if f.figures.stands else f.figures.name
        table.add_row(
            name,
            str(f.figures.memory_mb),
            f"{f.calls:,.0f}",
            f"{f.mean_ms:,.1f}",
            f"{f.gbs:,.0f}",
            yuan(f.fen),
        )
    table.add_section()
    table.add_row(
        "all",
        "",
        f"{sum(f.calls for f in out.functions):,.0f}",
        "",
        f"{sum(f.gbs for f in out.functions):,.0f}",
        yuan(sum(f.fen for f in out.functions)),
    )
    return table


def _memory(out: Estimate) -> Table:
    table = _table(
        "Memory: the measured peak, and what would do",
        ("function",),
        ("declared MB", "peak MB", "enough MB", "saves at most"),
    )
    for f in out.functions:
        saves = yuan(f.saves_fen) if f.enough_mb < f.figures.memory_mb else "–"
        table.add_row(
            f.figures.name,
            str(f.figures.memory_mb),
            f"{f.figures.peak_mb:.0f}",
            str(f.enough_mb),
            saves,
        )
    return table


def _bill(bill: Bill) -> Table:
    table = _table("The bill, a month", ("item", "of what"), ("low", "high"))
    for item in bill.items:
        table.add_row(item.name, item.amount, yuan(item.low_fen), yuan(item.high_fen))
    table.add_section()
    table.add_row("all", "", yuan(bill.low_fen), yuan(bill.high_fen), style="bold")
    return table


def _ranges(bill: Bill) -> list[str]:
    """Explain the range of each item whose low and high differ."""
    return [
        f"  {item.name}: {item.why}"
        for item in bill.items
        if item.why and item.low_fen < item.high_fen
    ]


def _comparison(out: Estimate) -> Table:
    table = _table(
        "Against self-hosting, low with low and high with high; nobody's work counted",
        ("against",),
        ("ours", "theirs", "ours is"),
    )
    for c in comparisons(out):
        for end, ours, theirs, under in (
            ("low", c.ours.low_fen, c.theirs.low_fen, c.under_low),
            ("high", c.ours.high_fen, c.theirs.high_fen, c.under_high),
        ):
            name = f"{c.name}, {end}"
            table.add_row(name, yuan(ours), yuan(theirs), difference(under))
    return table


def _sensitivity(
    figures: Figures, out: Estimate, prices: Prices, assumed: Assumptions
) -> list[str]:
    lines = [
        free_tier(out, prices),
        f"With trigger-relay standing as well: {yuan(out.with_relay.low_fen)} to"
        f" {yuan(out.with_relay.high_fen)} (it is off: functions start their followers).",
    ]
    for factor in SLOWER:
        bill = _bill_if_slower(figures, out, prices, assumed, factor)
        same = bill.high_fen == out.bill.high_fen
        paid = " (at the high end the dearer plan's points pay for it)" if same else ""
        lines.append(
            f"Were every call {factor:.0f} times as long: {yuan(bill.low_fen)} to"
            f" {yuan(bill.high_fen)}{paid}."
        )
    return lines


def _assumptions(figures: Figures, prices: Prices, assumed: Assumptions) -> list[str]:
    weak = [name for name, price in prices.items.items() if price.confidence == "low"]
    return [
        "",
        f"Measured: {figures.paid_orders} paid orders of two days of the sample chain, on this"
        " machine's processors; the platform gives processor time by memory, so expect other"
        " durations. Nearly all guests are new, which makes a few calls and bytes more.",
        f"Assumed: {assumed.looks_per_order:g} visit that only looks per order;"
        f" {assumed.cold_share:.0%} cold starts;"
        f" {assumed.months_kept} months of history at"
        f" {figures.database_bytes_per_order / 1000:.1f} KB an order;"
        f" {assumed.outward_bytes_per_order // 1000} KB out per order. No pictures, no operators'"
        " commands. Self-hosting: two 2-core 4 GB servers behind a load balancer and, for MongoDB"
        " on them, a small arbiter.",
        f"Prices as gathered on {prices.as_of}, each with source, date and confidence in"
        f" scripts/cli/cost/prices.json; least certain: {', '.join(weak)}.",
    ]
