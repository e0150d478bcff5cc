"""The input of the capacity estimate: measured figures, what grows by what, and assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

YEAR = 365.0  # days


@dataclass(frozen=True)
class CollectionFigures:
    """One collection of the measured days; bytes are of one document, on average.

    `documents`: how many the days left. `document_bytes` as in memory, `stored_bytes` as compressed
    on disk. `index_bytes` by the index's name.
    """

    name: str
    documents: int
    document_bytes: float
    stored_bytes: float
    index_bytes: Mapping[str, float]


@dataclass(frozen=True)
class DatabaseFigures:
    """What the measured days did to the database; `per_order` counts for one paid order.

    `sample` is how many documents of each collection that grows were stored to find their sizes.
    """

    paid_orders: int
    members: int
    sample: int
    cpu_ms_per_order: float
    per_order: Mapping[str, float]
    collections: tuple[CollectionFigures, ...]


@dataclass(frozen=True)
class Growth:
    """What a collection grows by, and for how many days a document stays (None: for ever)."""

    by: Literal["order", "member", "day"]
    days: float | None = None


# Collections that grow. Others are as large as the chain's stores, dishes, rules or staff.
GROWTH: dict[str, Growth] = {
    "orders": Growth("order"),
    "payments": Growth("order"),
    "shares": Growth("order"),
    "refunds": Growth("order"),
    "points_entries": Growth("order"),
    "logins": Growth("order", 2 * YEAR),
    "exposures": Growth("order", 2 * YEAR),
    "notices": Growth("order", 2 * YEAR),
    "arrivals": Growth("order", 2 * YEAR),
    "campaign_waiting": Growth("order", 7),
    "call_counters": Growth("order", 2 / (24 * 60)),
    "positions": Growth("order", 1),
    "coupons": Growth("order", 2 * YEAR),
    "coupon_claims": Growth("order", 2),
    "mall_exchanges": Growth("order"),
    "points_holds": Growth("order"),
    "members": Growth("member"),
    "accounts": Growth("member"),
    "identities": Growth("member"),
    "features": Growth("member"),
    "consents": Growth("member"),
    "subscriptions": Growth("member"),
    "tier_changes": Growth("member"),
    "limit_uses": Growth("member"),
    "referrals": Growth("member"),
    "referral_codes": Growth("member"),
    "code_uses": Growth("member"),
    "code_tries": Growth("member"),
    "pickup_numbers": Growth("day", 30),
    "dish_days": Growth("day", 30),
    "kpi_days": Growth("day"),
    "campaign_runs": Growth("day", 2 * YEAR),
    "bill_runs": Growth("day"),
    "weather_days": Growth("day", 2 * YEAR),
}


@dataclass(frozen=True)
class Limits:
    """What we assume that one primary and its account may have; nobody has proved it here.

    `pages_per_s`: pages of 4 to 32 KB that a cloud disk reads and writes. `instances`: of
    functions at once. `load`: the share of a core that may be used at the peak. `cache`: the share
    of the memory in which MongoDB keeps pages. `hot_updates_per_s`: guarded changes of one
    document, as measured.
    """

    cores: int = 24
    memory_gb: int = 128
    disk_gb: int = 3_000
    pages_per_s: int = 20_000
    connections: int = 10_000
    instances: int = 500
    load: float = 0.6
    cache: float = 0.5
    hot_updates_per_s: int = 800
