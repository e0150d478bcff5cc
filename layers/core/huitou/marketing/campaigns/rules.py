"""Who is in which group, when a campaign may send, and which step may follow which."""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE, Hours
from huitou.catalog.stores.rules import in_hours, shifted
from huitou.marketing.campaigns.models import Campaign, Status, Trigger, Variant
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.features.rules import NIGHT

HOLDOUT = "holdout"
A_MOMENT = timedelta(milliseconds=1)  # MongoDB's: the last one is still in time.
LEAST_DAYS_AFTER = 2  # What was due on the last day may come late after an outage.
Worth = Literal["message", "late words"]
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


class Ends(NamedTuple):
    """Until when an occasion is worth a message, and then one in words for a day that is over."""

    over: datetime
    late_over: datetime | None = None

    def worth(self, at: datetime) -> Worth | None:
        """Return what it is worth at a moment."""
        if at < self.over:
            return "message"
        return "late words" if self.late_over is not None and at < self.late_over else None


def ends_of(campaign: Campaign, day: str, met_at: datetime, zone: str = BRAND_ZONE) -> Ends:
    """Return until when an occasion is worth being told to a member in this zone.

    `day` is the calendar day whose run met it, "" where an event did; `met_at` is when it was met.
    """
    kind, trigger = TRIGGERS[campaign.trigger.kind], campaign.trigger
    if not kind.of_a_day:
        return Ends(met_at + kind.late + A_MOMENT)
    if not day:  # It waited under rules of before: its day is the one on which it was met.
        day = met_at.astimezone(ZoneInfo(BRAND_ZONE)).date().isoformat()
    if kind.ahead:
        over = slot(shifted(day, 1 + (trigger.days or 0)), "00:00", zone)
        written = campaign.variants[0].message.late is not None
        return Ends(over, over + kind.own_words if kind.own_words and written else None)
    closes = slot(shifted(day, 1), "00:00", zone)
    if campaign.window is not None:  # A supper's evening may end after midnight.
        past = campaign.window.until <= campaign.window.since
        closes = slot(shifted(day, 1) if past else day, campaign.window.until, zone)
    # By the member's own clock: a morning's run may meet them in their night.
    return Ends(min(closes, max(met_at, slot(day, campaign.send_at, zone)) + kind.late))


def runs_on_days(campaign: Campaign) -> int:
    """Return for how many days after its last one a campaign may still have something to tell."""
    kind = TRIGGERS[campaign.trigger.kind]
    longest = kind.late + (kind.own_words or timedelta(0))
    ahead = campaign.trigger.days or 0 if kind.ahead else 0
    return max(LEAST_DAYS_AFTER, ahead + longest // timedelta(days=1) + 1)


def meets_on(trigger: Trigger, day: str) -> bool:
    """Tell whether a trigger is for this day; without weekdays and month days every day is.

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
