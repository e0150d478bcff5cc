"""Computes the monthly bill from figures and prices. Pure: no clock, no cloud, no files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cli.cost.figures import (
    DAYS_A_MONTH,
    MONTH_H,
    MONTH_S,
    Assumptions,
    Figures,
    FunctionFigures,
)
from cli.cost.prices import Prices
from huitou.runtime.relay import WAIT_FOR_HANDOVER_S

RELAY_SPARE_S = 10  # A relay ends this long before its timeout: functions/trigger-relay/index.py.
GB = 1_000_000_000  # Traffic, logs and disks; memory is sold in units of 1024 MB.
MEMORY_STEPS_MB = (64, *range(128, 3_073, 128))
MEMORY_ROOM = 1.5  # The declared memory must be at least the measured peak times this.


@dataclass(frozen=True)
class Item:
    """One line of a bill, in fen a month; `why` explains the range from low to high."""

    name: str
    low_fen: int
    high_fen: int
    amount: str
    why: str = ""


@dataclass(frozen=True)
class Bill:
    """A month's items; the totals are their sums."""

    items: tuple[Item, ...]

    @property
    def low_fen(self) -> int:
        return sum(item.low_fen for item in self.items)

    @property
    def high_fen(self) -> int:
        return sum(item.high_fen for item in self.items)


@dataclass(frozen=True)
class FunctionCost:
    """One function's month; `standing_gbs` and `idle_gbs` arise even without orders."""

    figures: FunctionFigures
    calls: float
    order_gbs: float
    idle_gbs: float
    standing_gbs: float
    fen: int
    enough_mb: int  # The smallest memory with room above the measured peak.
    saves_fen: int  # With that memory, if calls don't become slower.

    @property
    def gbs(self) -> float:
        return self.order_gbs + self.idle_gbs + self.standing_gbs

    @property
    def mean_ms(self) -> float:
        """Return the mean milliseconds of one call, without the relay's standing time."""
        seconds = (self.order_gbs + self.idle_gbs) / (self.figures.memory_mb / 1024)
        return seconds * 1000 / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Estimate:
    """The whole estimate for one number of orders a day."""

    orders_per_day: int
    functions: tuple[FunctionCost, ...]
    bill: Bill
    with_relay: Bill  # With trigger-relay's timer switched on as well.
    free_months_save_fen: int  # In each of the first three months.
    servers: Bill  # Two own servers and an arbiter, which also run the database.
    servers_and_database: Bill  # Two own servers and the same managed database.


@dataclass(frozen=True)
class _Month:
    figures: Figures
    orders: float
    prices: Prices
    assumed: Assumptions
    functions: tuple[FunctionCost, ...]

    @property
    def answers_gb(self) -> float:
        return self.orders * self.figures.answer_bytes_per_order / GB

    @property
    def outward_gb(self) -> float:
        return self.orders * self.assumed.outward_bytes_per_order / GB

    @property
    def data_gb(self) -> float:
        """Return the size of the database after the months that are kept."""
        return self.orders * self.assumed.months_kept * self.figures.database_bytes_per_order / GB


def estimate(
    figures: Figures, orders_per_day: int, prices: Prices, assumed: Assumptions
) -> Estimate:
    """Estimate a month with `orders_per_day` paid orders a day."""
    orders = orders_per_day * DAYS_A_MONTH
    functions = tuple(_function(f, orders, prices, assumed) for f in figures.functions)
    month = _Month(figures, orders, prices, assumed, functions)
    relay = _function(figures.relay, orders, prices, assumed)
    free_calls = min(sum(f.calls for f in functions), float(prices.allowance("scf_free_calls")))
    free_gbs = min(sum(f.gbs for f in functions), float(prices.allowance("scf_free_gbs")))
    return Estimate(
        orders_per_day=orders_per_day,
        functions=functions,
        bill=_bill(month),
        with_relay=_bill(replace(month, functions=(*functions, relay))),
        free_months_save_fen=prices.fen("scf_calls", free_calls / 10_000)
        + prices.fen("scf_gbs", free_gbs),
        servers=_servers(month, own_database=True),
        servers_and_database=_servers(month, own_database=False),
    )


def _bill(month: _Month) -> Bill:
    usage = _usage(month)
    rest = (_database(month), _backup(month), _nat(month.prices), _logs(month))
    return Bill((*usage, _plan(usage, month.prices), *rest))


def slower(assumed: Assumptions, factor: float) -> Assumptions:
    """Return the assumptions with calls that take `factor` times as long."""
    return replace(assumed, duration_factor=factor)


def standing_s(function: FunctionFigures) -> float:
    """Return the seconds a month that a standing function is billed for.

    One instance runs all month, and each run ends before its timeout. An instance that the timer
    starts in the last `WAIT_FOR_HANDOVER_S` of a run waits for its end: half that time on average.
    """
    if not function.stands:
        return 0.0
    runs = MONTH_S / (function.timeout_s - RELAY_SPARE_S)
    waiting = WAIT_FOR_HANDOVER_S * function.firings_a_month / MONTH_S  # New instances per run.
    return MONTH_S + runs * waiting * WAIT_FOR_HANDOVER_S / 2


def _function(
    function: FunctionFigures, orders: float, prices: Prices, assumed: Assumptions
) -> FunctionCost:
    factor, gb = assumed.duration_factor, function.memory_mb / 1024
    cold_ms = max(0.0, function.cold_ms - function.warm_ms) * assumed.cold_share
    worked_ms = function.calls_per_order * (function.warm_ms + cold_ms)
    worked_ms += function.timer_work_ms_per_order
    # A relay that finds another at work waits; a slower processor doesn't lengthen that.
    idle_ms = function.idle_ms * (1.0 if function.stands else factor)
    order_gbs = orders * worked_ms * factor / 1000 * gb
    idle_gbs = function.firings_a_month * idle_ms / 1000 * gb
    standing_gbs = standing_s(function) * gb
    gbs = order_gbs + idle_gbs + standing_gbs
    enough_mb = next(m for m in MEMORY_STEPS_MB if m >= function.peak_mb * MEMORY_ROOM)
    spared = max(0.0, 1 - enough_mb / function.memory_mb)
    return FunctionCost(
        figures=function,
        calls=orders * function.calls_per_order + function.firings_a_month,
        order_gbs=order_gbs,
        idle_gbs=idle_gbs,
        standing_gbs=standing_gbs,
        fen=prices.fen("scf_gbs", gbs),
        enough_mb=enough_mb,
        saves_fen=prices.fen("scf_gbs", gbs * spared),
    )


def _usage(month: _Month) -> tuple[Item, ...]:
    """Return the items that CloudBase meters and that a plan's points can pay."""
    prices, functions = month.prices, month.functions
    calls = sum(f.calls for f in functions)
    notices = month.orders * month.figures.http_calls_per_order
    member_calls = month.orders * month.figures.member_calls_per_order
    low_gb, high_gb = month.outward_gb, month.outward_gb + month.answers_gb
    return (
        _compute("functions, for orders", sum(f.order_gbs for f in functions), prices),
        _compute("relay, standing", sum(f.standing_gbs for f in functions), prices),
        _compute("timers with nothing to do", sum(f.idle_gbs for f in functions), prices),
        _exact("calls", prices.fen("scf_calls", calls / 10_000), f"{calls:,.0f}"),
        _exact("HTTP access", prices.fen("tcb_http_access", notices / 10_000), f"{notices:,.0f}"),
        Item(
            "CloudBase API",
            0,
            prices.fen("tcb_api", member_calls / 10_000),
            f"{member_calls:,.0f} calls",
            "does callFunction count as an API call?",
        ),
        Item(
            "traffic out",
            prices.fen("scf_egress", low_gb),
            prices.fen("scf_egress", high_gb),
            f"{low_gb:.1f}–{high_gb:.1f} GB",
            "do answers to members count?",
        ),
    )


def _compute(name: str, gbs: float, prices: Prices) -> Item:
    return _exact(name, prices.fen("scf_gbs", gbs), f"{gbs:,.0f} GB-s")


def _exact(name: str, fen: int, amount: str) -> Item:
    return Item(name, fen, fen, amount)


def _plan(usage: tuple[Item, ...], prices: Prices) -> Item:
    """Return what a plan costs beyond the usage that it includes; may be below zero."""

    def beyond(plan: str, used_fen: int) -> int:
        points = prices.allowance(f"tcb_{plan}_points")
        included_fen = prices.fen("tcb_point", points)
        return prices.fen(f"tcb_{plan}_fee", 1) - min(included_fen, used_fen)

    low, high = Bill(usage).low_fen, Bill(usage).high_fen
    plans = ("personal", "standard")
    return Item(
        "CloudBase plan, less its points",
        min(beyond(plan, low) for plan in plans),
        max(beyond(plan, high) for plan in plans),
        "personal or standard",
        "which plan a company with a VPC needs",
    )


def _disk_gb(month: _Month) -> int:
    needed = month.data_gb * month.assumed.disk_room
    return max(1, math.ceil(needed / month.assumed.disk_step_gb)) * month.assumed.disk_step_gb


def _database(month: _Month) -> Item:
    """Return the smallest replica set's price by Tencent's formula: nodes × (memory + disk)."""
    assumed, prices = month.assumed, month.prices
    nodes, memory_gb = assumed.database_nodes, assumed.database_memory_gb
    smallest, largest = _disk_gb(month), max(_disk_gb(month), assumed.example_disk_gb)
    memory_fen = prices.fen("mongodb_memory", nodes * memory_gb)
    return Item(
        "database",
        memory_fen + prices.fen("mongodb_disk", nodes * smallest),
        memory_fen + prices.fen("mongodb_disk", nodes * largest),
        f"{nodes} × {memory_gb} GB, {smallest}–{largest} GB disk",
        "the smallest disk sold; prices of 2021-2022",
    )


def _backup(month: _Month) -> Item:
    kept_gb = month.data_gb * month.assumed.backups_kept
    high = month.prices.fen("cos_storage", kept_gb)
    return Item("backups", 0, high, f"{kept_gb:.0f} GB", "the database's own, or dumps beside them")


def _nat(prices: Prices) -> Item:
    probes_gb = float(prices.allowance("nat_probe_traffic")) * DAYS_A_MONTH
    high = prices.fen("nat_hour", MONTH_H) + prices.fen("scf_egress", probes_gb)
    return Item(
        "NAT gateway",
        0,
        high,
        f"{MONTH_H} h",
        "CloudBase's docs want one in a VPC, SCF's a free fixed address",
    )


def _logs_gb(month: _Month) -> float:
    envelope = month.assumed.log_envelope_bytes
    return sum(f.calls * (f.figures.log_bytes_per_call + envelope) for f in month.functions) / GB


def _logs(month: _Month) -> Item:
    gb = _logs_gb(month)
    return _exact("logs", month.prices.fen("cls_log", gb), f"{gb:.1f} GB")


def _servers(month: _Month, *, own_database: bool) -> Bill:
    """Return the bill of two small servers behind a load balancer that replace the functions."""
    prices, traffic_gb = month.prices, month.outward_gb + month.answers_gb
    items = [
        _exact("two servers, 2 cores 4 GB", prices.fen("cvm_2c4g", 2), "2"),
        Item(
            "load balancer",
            prices.fen("clb_hour_2022", MONTH_H),
            prices.fen("clb_hour", MONTH_H),
            f"{MONTH_H} h",
            "ten times dearer than in 2022",
        ),
        _exact("traffic out", prices.fen("cvm_traffic", traffic_gb), f"{traffic_gb:.1f} GB"),
        Item("logs", 0, _logs(month).high_fen, f"{_logs_gb(month):.1f} GB", "own disk, or CLS"),
    ]
    if not own_database:
        return Bill((*items, _database(month), _backup(month)))
    data_gb = max(0.0, _disk_gb(month) - 30)  # Each server's 50 GB has room for 30 GB of data.
    small, whole = prices.fen("cvm_small", 1), prices.fen("cvm_2c4g", 1)
    items += [
        Item("arbiter on a third machine", small, whole, "1", "the smallest one sold"),
        _exact(
            "more disk for the database",
            prices.fen("cbs_disk", 2 * data_gb),
            f"2 × {data_gb:.0f} GB",
        ),
        _exact(
            "snapshots",
            prices.fen("cbs_snapshot", 2 * (50 + data_gb)),
            f"{2 * (50 + data_gb):.0f} GB",
        ),
    ]
    return Bill(tuple(items))
