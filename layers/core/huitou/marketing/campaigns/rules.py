"""Who is in which group, when a campaign may send, and which step may follow which."""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE, Hours
from huitou.catalog.stores.rules import in_hours
from huitou.marketing.campaigns.models import Campaign, Kind, Status, Trigger, Variant
from huitou.marketing.features.rules import NIGHT

HOLDOUT = "holdout"
# How long after its time an occasion is still worth a message; after an outage older ones are
# passed over. Those of a day are held against that day's `send_at`.
FRESH: dict[Kind, timedelta] = {
    "absent": timedelta(days=2), "overdue": timedelta(days=2), "birthday": timedelta(days=1),
    "weather": timedelta(hours=6), "daily": timedelta(hours=2), "segment": timedelta(days=2),
    "coupon_expiring": timedelta(hours=20), "points_expiring": timedelta(days=2),
    "tier_change": timedelta(days=2), "registered": timedelta(days=1),
    "first_order": timedelta(days=1), "order_completed": timedelta(hours=13),
    "review": timedelta(days=1), "near_store": timedelta(minutes=30),
    "by_hand": timedelta(days=2), "group": timedelta(0),
}  # fmt: skip
STEPS: dict[Status, tuple[Status, ...]] = {
    "draft": ("draft", "checked", "ended"),
    "checked": ("draft", "running", "ended"),
    "running": ("paused", "ended"),
    "paused": ("draft", "running", "ended"),
    "ended": (),
}


def shares_of(salt: str, member_id: str) -> tuple[float, float]:
    """Place a member at random but for good, twice between 0 and 1, under a campaign's salt."""
    digest = hashlib.blake2b(member_id.encode(), key=salt.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big") / 2**64, int.from_bytes(digest[8:16], "big") / 2**64


def group_of(campaign: Campaign, salt: str, member_id: str) -> str:
    """Return the member's group: `holdout`, or the variant they see, always the same."""
    alone, which = shares_of(salt, member_id)
    if alone < campaign.holdout_bp / 10_000:
        return HOLDOUT
    # A draw of its own, so that the variants don't change when the hold-out's share does.
    return _by_weight(campaign.variants, which)


def _by_weight(variants: Sequence[Variant], place: float) -> str:
    left = place * sum(variant.weight for variant in variants)
    for variant in variants:
        left -= variant.weight
        if left < 0:
            return variant.variant
    return variants[-1].variant


def exposure_id(campaign_id: str, member_id: str, occasion: str) -> str:
    """Name one occasion of one member in one campaign: served once, whoever asks how often."""
    return f"{campaign_id}:{member_id}:{occasion}"


def slot(day: str, clock: str, zone: str = BRAND_ZONE) -> datetime:
    """Return the moment of a wall clock on a calendar day, in UTC."""
    local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone))
    return local.astimezone(UTC)


def meets_on(trigger: Trigger, day: str) -> bool:
    """Tell whether a daily trigger is for this day; without weekdays and month days every day is.

    Of a month that is shorter its last day stands for those it hasn't.
    """
    on = date.fromisoformat(day)
    last = monthrange(on.year, on.month)[1]
    days = {min(month_day, last) for month_day in trigger.month_days}
    plain = not trigger.weekdays and not trigger.month_days
    return plain or on.weekday() in trigger.weekdays or on.day in days


def may_send(at: datetime, zone: str, quiet: Hours, window: Hours | None) -> bool:
    """Tell whether a member in this zone may be written to now: in the window, or not quiet."""
    clock = at.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    return in_hours(window, clock) if window is not None else not in_hours(quiet, clock)


def next_opening(at: datetime, zone: str, quiet: Hours, window: Hours | None) -> datetime:
    """Return when a member in this zone may be written to next, at or after a moment."""
    if may_send(at, zone, quiet, window):
        return at
    opens = window.since if window is not None else quiet.until
    local = at.astimezone(ZoneInfo(zone))
    for ahead in (0, 1):
        found = slot((local.date() + timedelta(days=ahead)).isoformat(), opens, zone)
        if found >= at:
            return found
    raise ValueError(opens)


def is_supper(window: Hours | None) -> bool:
    """Whether a window reaches into the night, when only proven night guests are written to."""
    return window is not None and any(in_hours(window, f"{hour:02}:30") for hour in NIGHT)


def filled(text: str, *, gift: str, until: str) -> str:
    """Fill in what a message leaves open about its gift."""
    return text.replace("{gift}", gift).replace("{until}", until)
