"""Compute features from orders; the result doesn't depend on the sequence in which they arrive.

`fold` adds an order to the features. It does the same for an order that is new, that was refunded
in part, or that comes a second time. It can't remove a visit: this may have been the first or the
latest one, and only the older orders say what comes in its place. Then `rebuild` computes the
features from all orders of the member.
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

RECENT_VISITS = 20  # The latest visits, which decide the usual store and the usual hour.
INTERVALS = 12  # The latest intervals, which decide the usual one.
LEAST_INTERVALS = 3  # With fewer there is no usual interval.
OVERDUE = 1.5  # A member is overdue after this many usual intervals.
NIGHT = frozenset((21, 22, 23, 0, 1, 2, 3))  # Hours of supper (夜宵).
LEAST_NIGHTS, LEAST_NIGHT_SHARE = 2, 0.3  # A night guest has this many visits at night, or more.
HALF_LIFE_DAYS = 45  # After this many days an item counts half for a member's taste.
# RFM: a score is 1 plus the number of limits that are met. Recency meets a limit at so many days
# or fewer, the others meet one at so much or more.
RECENCY_DAYS, FREQUENCY_ORDERS, MONETARY_FEN = (
    (60, 30, 14, 7), (2, 4, 8, 16), (5_000, 15_000, 40_000, 100_000),
)  # fmt: skip
RFM_DAYS = 90

Zones = Mapping[str, str]  # Time zones by store id.


def kept_fen(order: FeatureOrder) -> int:
    """Return what the member paid and didn't get back, in fen.

    It is 0 for a test order and for an order that is unpaid, free or refunded completely.
    """
    if order.is_test or order.status not in ("refunding", *SERVED):
        return 0
    return max(0, order.payable_fen - sum(back.amount_fen for back in order.refunds))


def visit_of(order: FeatureOrder, zones: Zones) -> Visit:
    """Return the order as a visit, without the items that were refunded."""
    zone = zones.get(order.store_id or "", BRAND_ZONE)
    back: Counter[int] = Counter()
    for refund in order.refunds:
        for part in refund.lines:
            back[part.line] += part.quantity
    categories: Counter[str] = Counter()
    for number, line in enumerate(order.lines):
        if line.category:  # A line of the chain's former till has none.
            categories[line.category] += max(0, line.quantity - back[number])
    return Visit(
        at=order.at,
        day=order.business_day,
        hour=order.at.astimezone(ZoneInfo(zone)).hour,
        store_id=order.store_id,
        fen=kept_fen(order),
        categories=dict(+categories),
    )


def fold(features: Features, orders: Iterable[FeatureOrder], zones: Zones) -> Features | None:
    """Return the features with these orders as they are now; None if a rebuild is needed."""
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
    """Compute the features from all orders of a member; `tags` and `sources` stay as they are."""
    plain = Features(id=features.id, tags=features.tags, sources=features.sources)
    uncounted = [order.model_copy(update={"featured_fen": 0}) for order in orders]
    built = fold(plain, uncounted, zones)
    assert built is not None  # noqa: S101  # No visit can disappear: none was counted.
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
        id=features.id,
        tags=features.tags,
        sources=features.sources,
        orders=count,
        spend_fen=spend,
        first_order_at=first[0],
        first_order_id=first[1],
        visits=dict(ordered),
        last_order_at=last.at if last else None,
        last_order_day=last_day,
        usual_store_id=_usual(stores),
        usual_hour=_usual([visit.hour for visit in recent]),
        usual_interval_days=interval,
        overdue_on=shifted(last_day, ceil(OVERDUE * interval)) if last_day and interval else None,
        night_guest=True if _is_night_guest(recent) else None,
    )


def usual_interval(visits: Sequence[Visit]) -> int | None:
    """Return the median of the days between two days with a visit; None if there are too few."""
    days = sorted({date.fromisoformat(visit.day) for visit in visits})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)][-INTERVALS:]
    return round(median(gaps)) if len(gaps) >= LEAST_INTERVALS else None


def _usual(values: Sequence[Any]) -> Any:
    """Return the most frequent of the latest values; if several are, the latest of these."""
    recent = values[-RECENT_VISITS:]
    counted = Counter(recent)
    return max(reversed(recent), key=counted.__getitem__) if recent else None


def _is_night_guest(visits: Sequence[Visit]) -> bool:
    nights = sum(visit.hour in NIGHT for visit in visits)
    return nights >= LEAST_NIGHTS and nights >= LEAST_NIGHT_SHARE * len(visits)


def merged(source: Features, into: Features) -> Features:
    """Return the features of one person who has ordered as two members."""
    firsts = [(f.first_order_at, f.first_order_id) for f in (source, into) if f.first_order_at]
    sources = [*into.sources, source.id, *source.sources]
    tags = sorted({*source.tags, *into.tags})
    both = into.model_copy(update={"sources": sources, "tags": tags})
    return _derived(
        both,
        source.orders + into.orders,
        source.spend_fen + into.spend_fen,
        min(firsts, default=(None, None)),
        source.visits | into.visits,
    )


# --- figures as of a day ----------------------------------------------------------------------


def days_since(features: Features, today: str) -> int | None:
    """Return how many days ago the member last ordered, by business days; None if never."""
    if features.last_order_day is None:
        return None
    return (date.fromisoformat(today) - date.fromisoformat(features.last_order_day)).days


def within(features: Features, today: str, days: int) -> list[Visit]:
    """Return the visits of the last `days` days, today included."""
    since = shifted(today, -days)
    return [visit for visit in features.visits.values() if since < visit.day <= today]


def category_share(features: Features, category: str, today: str) -> float:
    """Return the share of a category in the items that the member orders, from 0 to 1.

    An item's weight halves every `HALF_LIFE_DAYS`. A member without orders has a share of 0.
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
    """Return the scores of recency, frequency and spend, each from 1 to 5.

    Frequency and spend count the last `RFM_DAYS` days.
    """
    since = days_since(features, today)
    visits = within(features, today, RFM_DAYS)
    fen = sum(visit.fen for visit in visits)
    return (
        1 + sum(since <= limit for limit in RECENCY_DAYS) if since is not None else 1,
        1 + sum(len(visits) >= limit for limit in FREQUENCY_ORDERS),
        1 + sum(fen >= limit for limit in MONETARY_FEN),
    )
