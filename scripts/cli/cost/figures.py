"""The input of the estimate: the figures of one measured run, and the assumptions."""

from __future__ import annotations

from dataclasses import dataclass

MONTH_H = 730  # 365 days by 24 hours by 12.
MONTH_S = MONTH_H * 3_600
DAYS_A_MONTH = MONTH_H / 24


@dataclass(frozen=True)
class FunctionFigures:
    """One function's declared and measured figures.

    `calls_per_order`: calls per paid order that orders cause (members, WeChat Pay, changes,
    refunds). `warm_ms`, `cold_ms`: billed time of such a call on a warm and on a new instance.
    `firings_a_month`: how often its timers fire; `idle_ms`: billed time of a firing with nothing to
    do; `timer_work_ms_per_order`: the timers' billed time beyond that. `peak_mb`: an instance's
    highest memory. `log_bytes_per_call`: bytes printed. `stands`: one instance always runs (relay).
    """

    name: str
    memory_mb: int
    timeout_s: int
    calls_per_order: float
    warm_ms: float
    cold_ms: float
    firings_a_month: float
    idle_ms: float
    timer_work_ms_per_order: float
    peak_mb: float
    log_bytes_per_call: float
    stands: bool = False


@dataclass(frozen=True)
class Figures:
    """All figures of one run; bytes are per paid order. `relay` is off unless somebody needs it."""

    paid_orders: int
    functions: tuple[FunctionFigures, ...]
    relay: FunctionFigures
    member_calls_per_order: float
    http_calls_per_order: float
    answer_bytes_per_order: float
    database_bytes_per_order: float


@dataclass(frozen=True)
class Assumptions:
    """Values that can't be measured here; each is shown beside the bill.

    `duration_factor` multiplies every measured duration except the relay's standing time.
    """

    looks_per_order: float = 1.0  # Visits that read menu, points and coupons, no order.
    cold_share: float = 0.03  # Share of the calls caused by orders.
    outward_bytes_per_order: int = 10_000  # Requests to WeChat and to the SCF API, TLS included.
    log_envelope_bytes: int = 700  # The platform's lines and fields around a call's output.
    months_kept: int = 12  # How much history the database's disk must hold.
    disk_room: float = 1.5  # A multiple of the data, for oplog and free space.
    disk_step_gb: int = 10
    example_disk_gb: int = 100  # From Tencent's example; we didn't find the smallest size sold.
    database_nodes: int = 3
    database_memory_gb: int = 4  # The smallest size sold: 2 cores, 4 GB.
    backups_kept: int = 7  # Daily dumps in object storage, if the database has too few.
    duration_factor: float = 1.0
