"""What the estimate is made from: figures of one measured run, and what is assumed beside them."""

from __future__ import annotations

from dataclasses import dataclass

MONTH_H = 730  # 365 days by 24 hours by 12.
MONTH_S = MONTH_H * 3_600
DAYS_A_MONTH = MONTH_H / 24


@dataclass(frozen=True)
class FunctionFigures:
    """One function: as declared, and as measured.

    `calls_per_order` are those that come with orders (members, WeChat Pay, changes, refunds), per
    paid order; `warm_ms` and `cold_ms` what one of them is billed on a warm and on a new instance.
    `firings_a_month` are its timers', `idle_ms` what one with nothing to do is billed, and
    `timer_work_ms_per_order` what timers worked beyond that. `peak_mb` is an instance's most
    memory, `log_bytes_per_call` what it printed. `stands`: one instance always runs (the relay).
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
    """All that one run told; bytes are per paid order."""

    paid_orders: int
    functions: tuple[FunctionFigures, ...]
    member_calls_per_order: float
    http_calls_per_order: float
    answer_bytes_per_order: float
    database_bytes_per_order: float


@dataclass(frozen=True)
class Assumptions:
    """What can't be measured here; each is shown beside the bill.

    `duration_factor` multiplies every measured duration but the relay's standing time.
    """

    looks_per_order: float = 1.0  # Visits that log in, look at menu, points, coupons, and leave.
    cold_share: float = 0.03  # Of the calls that come with orders.
    outward_bytes_per_order: int = 10_000  # Requests to WeChat and to the SCF API, TLS included.
    log_envelope_bytes: int = 700  # The platform's own lines and fields around what a call prints.
    months_kept: int = 12  # How much history the database's disk must hold.
    disk_room: float = 1.5  # Of the data: oplog and free space.
    disk_step_gb: int = 10
    example_disk_gb: int = 100  # Of Tencent's own example; the smallest one sold wasn't found.
    database_nodes: int = 3
    database_memory_gb: int = 4  # The smallest size sold: 2 cores, 4 GB.
    backups_kept: int = 7  # Daily dumps in object storage, where the database's own don't do.
    duration_factor: float = 1.0
