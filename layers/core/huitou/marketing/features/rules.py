"""How features follow from orders: exactly, in whatever order these are told.

Folding in an order is the same whether it is new, refunded in part or told again. What took a
visit away can't be folded, for it may have been the one that everything hung on: then the
member's features are built again from their orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from math import ceil
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import shifted
from huitou.marketing.features.models import WINDOW_DAYS, FeatureOrder, Features, Visit
from huitou.ordering.orders.rules import SERVED

RECENT_VISITS = 20  # From which usual store and hour follow.
INTERVALS = 12  # From which the usual interval follows.
LEAST_INTERVALS = 3
OVERDUE = 1.5  # Times the usual interval.
NIGHT = frozenset((21, 22, 23, 0, 1, 2, 3))  # Hours of supper.
LEAST_NIGHTS, LEAST_NIGHT_SHARE = 2, 0.3  # What makes a proven night guest.
HALF_LIFE_DAYS = 45  # Of what a piece says of somebody's taste.
# RFM: a score is one more than the number of limits that are reached (recency: undercut).
RECENCY_DAYS, FREQUENCY_ORDERS, MONETARY_FEN = (
    (60, 30, 14, 7), (2, 4, 8, 16), (5_000, 15_000, 40_000, 100_000),
)  # fmt: skip
RFM_DAYS = 90

Zones = Mapping[str, str]  # Time zones by store id.


def kept_fen(order: FeatureOrder) -> int:
    """Return what the order counts for: 0 for a test, unpaid, free or wholly refunded one."""
    if order.is_test or order.status not in ("refunding", *SERVED):
        return 0
    return max(0, order.payable_fen - sum(back.amount_fen for back in order.refunds))


def visit_of(order: FeatureOrder, zones: Zones) -> Visit:
    """Return the order as a visit; pieces that went back no longer count."""
    zone = zones.get(order.store_id or "", BRAND_ZONE)
    back: Counter[int] = Counter()
    for refund in order.refunds:
        for part in refund.lines:
            back[part.line] += part.quantity
    categories: Counter[str] = Counter()
    for number, line in enumerate(order.lines):
        categories[line.category] += max(0, line.quantity - back[number])
    return Visit(
        at=order.at, day=order.business_day, hour=order.at.astimezone(ZoneInfo(zone)).hour,
        store_id=order.store_id, fen=kept_fen(order), categories=dict(+categories),
    )  # fmt: skip


def fold(features: Features, orders: Iterable[FeatureOrder], zones: Zones) -> Features | None:
    """Return the features with these orders as they are now; None where only a rebuild can tell."""
    count, spend = features.orders, features.spend_fen
    first = (features.first_order_at, features.first_order_id)
    visits = dict(features.visits)
    for order in orders:
        now, had = kept_fen(order), order.featured_fen
        if had and not now:
            return None
        count += (now > 0) - (had > 0)
        spend += now - had
        if not now:
            continue
        visits[order.id] = visit_of(order, zones)
        if first[0] is None or (order.at, order.id) < first:
            first = (order.at, order.id)
    return _derived(features, count, spend, first, visits)


def rebuild(features: Features, orders: Sequence[FeatureOrder], zones: Zones) -> Features:
    """Return what all orders of a member say of them; tags and merges stay as they are."""
    plain = Features(id=features.id, tags=features.tags, sources=features.sources)
    unknown = [order.model_copy(update={"featured_fen": 0}) for order in orders]
    built = fold(plain, unknown, zones)
    assert built is not None  # noqa: S101  # Nothing was held of any of them.
    return built


def _derived(
    features: Features, count: int, spend: int, first: tuple[Any, Any], visits: dict[str, Visit]
) -> Features:
    ordered = sorted(visits.items(), key=lambda item: (item[1].at, item[0]))
    since = shifted(max((v.day for v in visits.values()), default="9999-01-01"), -WINDOW_DAYS)
    ordered = [(name, visit) for name, visit in ordered if visit.day > since]
    recent = [visit for _, visit in ordered]
    last = recent[-1] if recent else None
    interval = usual_interval(recent)
    last_day = max((visit.day for visit in recent), default=None)
    stores = [visit.store_id for visit in recent if visit.store_id is not None]
    return Features(
        id=features.id, tags=features.tags, sources=features.sources,
        orders=count, spend_fen=spend, first_order_at=first[0], first_order_id=first[1],
        visits=dict(ordered), last_order_at=last.at if last else None, last_order_day=last_day,
        usual_store_id=_usual(stores), usual_hour=_usual([visit.hour for visit in recent]),
        usual_interval_days=interval,
        overdue_on=shifted(last_day, ceil(OVERDUE * interval)) if last_day and interval else None,
        night_guest=True if _is_night_guest(recent) else None,
    )  # fmt: skip


def usual_interval(visits: Sequence[Visit]) -> int | None:
    """Return how many days usually lie between two days with a visit; None of too few."""
    days = sorted({date.fromisoformat(visit.day) for visit in visits})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)][-INTERVALS:]
    return round(median(gaps)) if len(gaps) >= LEAST_INTERVALS else None


def _usual(values: Sequence[Any]) -> Any:
    """The most frequent of the latest; of several the one that was there last."""
    recent = values[-RECENT_VISITS:]
    counted = Counter(recent)
    return max(reversed(recent), key=counted.__getitem__) if recent else None


def _is_night_guest(visits: Sequence[Visit]) -> bool:
    nights = sum(visit.hour in NIGHT for visit in visits)
    return nights >= LEAST_NIGHTS and nights >= LEAST_NIGHT_SHARE * len(visits)


def merged(source: Features, into: Features) -> Features:
    """Return what one person ordered under two names."""
    firsts = [(f.first_order_at, f.first_order_id) for f in (source, into) if f.first_order_at]
    sources = [*into.sources, source.id, *source.sources]
    tags = sorted({*source.tags, *into.tags})
    both = into.model_copy(update={"sources": sources, "tags": tags})
    return _derived(
        both, source.orders + into.orders, source.spend_fen + into.spend_fen,
        min(firsts, default=(None, None)), source.visits | into.visits,
    )  # fmt: skip


# --- figures as of a day ----------------------------------------------------------------------


def days_since(features: Features, today: str) -> int | None:
    """Return how many business days ago the member last ordered."""
    if features.last_order_day is None:
        return None
    return (date.fromisoformat(today) - date.fromisoformat(features.last_order_day)).days


def within(features: Features, today: str, days: int) -> list[Visit]:
    """Return the visits of the last so many days, today included."""
    since = shifted(today, -days)
    return [visit for visit in features.visits.values() if since < visit.day <= today]


def category_share(features: Features, category: str, today: str) -> float:
    """Return how much of what the member orders is of a category, 0 to 1.

    Pieces count by half after each `HALF_LIFE_DAYS`; 0 for a member without orders.
    """
    total = of_it = 0.0
    day = date.fromisoformat(today)
    for visit in features.visits.values():
        age = max(0, (day - date.fromisoformat(visit.day)).days)
        weight = 0.5 ** (age / HALF_LIFE_DAYS)
        total += weight * sum(visit.categories.values())
        of_it += weight * visit.categories.get(category, 0)
    return of_it / total if total else 0.0


def rfm(features: Features, today: str) -> tuple[int, int, int]:
    """Return recency, frequency and spend, each from 1 to 5; the last two of `RFM_DAYS` days."""
    since = days_since(features, today)
    visits = within(features, today, RFM_DAYS)
    fen = sum(visit.fen for visit in visits)
    return (
        1 + sum(since <= limit for limit in RECENCY_DAYS) if since is not None else 1,
        1 + sum(len(visits) >= limit for limit in FREQUENCY_ORDERS),
        1 + sum(fen >= limit for limit in MONETARY_FEN),
    )
