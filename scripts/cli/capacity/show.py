"""Shows the estimate on the terminal or as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.capacity.estimate import (
    CONNECTIONS_EACH,
    GB,
    HOT_DAYS,
    NEXT,
    PEAK,
    Capacity,
    Collection,
    Held,
    hot_index_gb,
)
from cli.capacity.figures import GROWTH, YEAR, DatabaseFigures, Growth, Limits

ACROSS_SHARDS = (
    "A transaction that writes on several shards commits in two phases; nearly every order's does.",
    "A unique index that doesn't begin with the key is kept by each shard for itself: a member's"
    " places of a limited coupon template need a collection of their own first.",
    "One statement can't move many documents to other shards: a merge must move coupons, exposures"
    " and arrivals one by one.",
    "Before MongoDB 8 a transaction can't $lookup in a sharded collection: settling an order again"
    " must read its entries apart.",
    "The change stream waits for the slowest shard, and so does who follows it.",
)
SHOWN_FROM_GB = 0.01  # Smaller collections are added up in one row.


def as_data(out: Capacity, measured: DatabaseFigures, limits: Limits) -> dict[str, Any]:
    """Return the whole estimate as data for JSON; sizes in bytes."""
    return {
        "members": out.size.members,
        "orders_per_day": out.size.orders_per_day,
        "stores": out.size.stores,
        "peak_orders_per_s": round(out.size.peak_per_s, 2),
        "peak_factor": PEAK,
        "collections": [_collection_data(one) for one in out.collections],
        "not_measured": unmeasured(out),
        "functions": [asdict(one) for one in out.instances],
        "needs": [
            {
                "name": need.name,
                "needed": round(need.needed, 3),
                "limit": need.limit,
                "unit": need.unit,
                "share": round(need.share, 4),
            }
            for need in out.needs
        ],
        "shards": out.shards,
        "across_shards": ACROSS_SHARDS,
        "primary": {"cores": out.cores, "memory_gb": out.memory_gb},
        "hot_index_gb": round(hot_index_gb(out.collections), 2),
        "breaks_first": out.first,
        "breaks_at": asdict(out.breaks_at),
        "next_step": NEXT[out.first],
        "verdict": verdict(out),
        "measured": asdict(measured),
        "limits": asdict(limits),
    }


def verdict(out: Capacity) -> str:
    """Say in a few sentences what the chain needs, what breaks first and what to do then."""
    [first] = [need for need in out.needs if need.name == out.first]
    sets = "one replica set" if out.shards == 1 else f"{out.shards} shards, each a replica set,"
    return (
        f"{out.size.members:,} members and {out.size.orders_per_day:,} orders a day"
        f" ({out.size.peak_per_s:,.2f} a second at noon): {sets} of {out.cores} cores and"
        f" {out.memory_gb} GB. As the chain grows, {first.name} breaks first, at about"
        f" {_rounded(out.breaks_at.orders_per_day):,} orders a day and"
        f" {_rounded(out.breaks_at.members):,} members (here: {_number(first.needed)} of"
        f" {_number(first.limit)} {first.unit}). Next step: {NEXT[first.name]}."
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rounded(count: int) -> int:
    return int(float(f"{count:.2g}"))


def show(out: Capacity, measured: DatabaseFigures, limits: Limits) -> None:
    """Print collections, resources, functions, shard keys, assumptions and the verdict."""
    console = Console()
    console.print(_collections(out))
    console.print(_needs(out))
    console.print(
        f"With {hot_index_gb(out.collections):,.1f} GB of cache no index page would be read.\n",
        highlight=False,
    )
    console.print(_functions(out))
    if out.shards > 1:
        console.print(_keys(out))
        for line in (*ACROSS_SHARDS, ""):
            console.print(line, markup=False, highlight=False)
    for line in _assumptions(out, measured, limits):
        console.print(line, markup=False, highlight=False)
    console.print()
    console.print(verdict(out), style="bold", markup=False, highlight=False)


def _collection_data(one: Collection) -> dict[str, Any]:
    return {
        "name": one.name,
        "grows_by": one.growth.by,
        "kept_days": one.growth.days,
        "after_1_year": asdict(one.first_year),
        "after_3_years": asdict(one.third_year),
        "shard_key": one.shard_key.field if one.shard_key else None,
        "gives_up": one.shard_key.gives_up if one.shard_key else None,
    }


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in left[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(left[-1])
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _collections(out: Capacity) -> Table:
    table = _table(
        f"{out.size.members:,} members, {out.size.orders_per_day:,} orders a day:"
        " millions of documents, GB on disk",
        ("collection", "grows by"),
        ("1 year", "GB", "3 years", "GB", "index"),
    )

    def weight(one: Collection) -> int:
        return one.third_year.data_bytes + one.third_year.index_bytes

    small = [one for one in out.collections if weight(one) < SHOWN_FROM_GB * GB]
    for one in sorted(out.collections, key=weight, reverse=True):
        if one not in small:
            table.add_row(one.name, _grows(one.growth), *_row([one]))
    table.add_row(f"{len(small)} small ones", "", *_row(small))
    table.add_section()
    table.add_row("all", "", *_row(out.collections))
    return table


def _grows(growth: Growth) -> str:
    if growth.days is None:
        return growth.by
    years = growth.days / YEAR
    return f"{growth.by} {years:g} y" if years >= 1 else f"{growth.by} {growth.days:.2g} d"


def _row(collections: Iterable[Collection]) -> list[str]:
    first = [one.first_year for one in collections]
    third = [one.third_year for one in collections]

    def million(held: list[Held]) -> str:
        return f"{sum(one.documents for one in held) / 1e6:,.1f}"

    def gb(held: list[Held]) -> str:
        return f"{sum(one.data_bytes + one.index_bytes for one in held) / GB:,.1f}"

    indexes = sum(one.index_bytes for one in third) / GB
    return [million(first), gb(first), million(third), gb(third), f"{indexes:,.1f}"]


def _needs(out: Capacity) -> Table:
    table = _table(
        "At the noon peak, after three years: what is needed of what one primary may have",
        ("resource",),
        ("needed", "limit", "share"),
    )
    for need in sorted(out.needs, key=lambda need: -need.share):
        table.add_row(
            need.name,
            f"{_number(need.needed)} {need.unit}",
            _number(need.limit),
            f"{need.share:.2%}",
        )
    return table


def _functions(out: Capacity) -> Table:
    table = _table(
        "Instances at the peak, by Little's law (calls a second × seconds a call)",
        ("function",),
        ("busy", "needed"),
    )
    for one in sorted(out.instances, key=lambda one: -one.busy):
        table.add_row(one.name, f"{one.busy:,.2f}", f"{one.needed:,}")
    return table


def _keys(out: Capacity) -> Table:
    table = _table(
        "Shard keys (hashed), and what they make impossible or slow; unproven",
        ("collection", "key", "gives up"),
        (),
    )
    for one in out.collections:
        if one.shard_key:
            table.add_row(one.name, one.shard_key.field, one.shard_key.gives_up)
    return table


def unmeasured(out: Capacity) -> list[str]:
    """Return the growing collections that the measured days left empty."""
    return sorted(set(GROWTH) - {one.name for one in out.collections})


def _assumptions(out: Capacity, measured: DatabaseFigures, limits: Limits) -> list[str]:
    counted = ", ".join(f"{value:.1f} {name}" for name, value in measured.per_order.items())
    return [
        f"Measured: {measured.paid_orders} paid orders of two days; {measured.sample:,} documents"
        " of each collection that grows, stored for their sizes. An order takes"
        f" {measured.cpu_ms_per_order:.1f} ms of the database's CPU: {counted}. Nearly all guests"
        " are new, which makes more of each.",
        f"Assumed: a peak of {PEAK} times the mean; a primary of at most {limits.cores} cores at"
        f" {limits.load:.0%}, {limits.memory_gb} GB of which {limits.cache:.0%} cache,"
        f" {limits.disk_gb:,} GB; {CONNECTIONS_EACH} connections an instance; all accounts,"
        f" {HOT_DAYS} days of orders and the tops of indexes in memory. Two days show few campaigns"
        " and nothing of: " + ", ".join(unmeasured(out)) + ". Nobody has run a cluster of this.",
        "What it costs: scripts/huitou cost --orders-per-day.",
    ]
