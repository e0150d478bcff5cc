"""Which group a member is in, when a campaign may send, and which step may follow which."""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE, Hours
from huitou.catalog.stores.rules import in_hours, shifted, wall_moment
from huitou.marketing.campaigns.models import Campaign, Status, Trigger, Variant
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.features.rules import NIGHT

HOLDOUT = "holdout"
A_MOMENT = timedelta(milliseconds=1)  # MongoDB's unit; so the last moment is still in time.
LEAST_DAYS_AFTER = 2  # After an outage the work of the last day may be done late.
Worth = Literal["message", "late words"]
STEPS: dict[Status, tuple[Status, ...]] = {
    "draft": ("draft", "checked", "ended"),
    "checked": ("draft", "running", "ended"),
    "running": ("paused", "ended"),
    "paused": ("draft", "running", "ended"),
    "ended": (),
}


def shares_of(salt: str, member_id: str) -> tuple[float, float]:
    """Return two random numbers from 0 to 1 that are always the same for a member and a salt."""
    digest = hashlib.blake2b(member_id.encode(), key=salt.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big") / 2**64, int.from_bytes(digest[8:16], "big") / 2**64


def group_of(campaign: Campaign, salt: str, member_id: str) -> str:
    """Return the member's group: `holdout`, or the name of their variant. It never changes."""
    alone, which = shares_of(salt, member_id)
    if alone < campaign.holdout_bp / 10_000:
        return HOLDOUT
    # A second random number, so that nobody changes variants if the hold-out's share changes.
    return _by_weight(campaign.variants, which)


def _by_weight(variants: Sequence[Variant], place: float) -> str:
    left = place * sum(variant.weight for variant in variants)
    for variant in variants:
        left -= variant.weight
        if left < 0:
            return variant.variant
    return variants[-1].variant


def exposure_id(campaign_id: str, member_id: str, occasion: str) -> str:
    """Return the id of the exposure of an occasion; ids make sure that it is served only once."""
    return f"{campaign_id}:{member_id}:{occasion}"


def slot(day: str, clock: str, zone: str = BRAND_ZONE) -> datetime:
    """Return the moment, in UTC, at which the clock in a zone shows this time on a calendar day."""
    return wall_moment(day, clock, zone)


class Ends(NamedTuple):
    """The end of an occasion: a message is worth sending until `over`.

    From then until `late_over` a message in late words is.
    """

    over: datetime
    late_over: datetime | None = None

    def worth(self, at: datetime) -> Worth | None:
        """Return which message the occasion is worth at a moment; None if it is too late."""
        if at < self.over:
            return "message"
        return "late words" if self.late_over is not None and at < self.late_over else None


def ends_of(campaign: Campaign, day: str, met_at: datetime, zone: str = BRAND_ZONE) -> Ends:
    """Return until when an occasion is worth a message to a member in this zone.

    `day` is the calendar day whose run found it, "" if an event did; `met_at` is when that was.
    """
    kind, trigger = TRIGGERS[campaign.trigger.kind], campaign.trigger
    if not kind.of_a_day:
        return Ends(met_at + kind.late + A_MOMENT)
    if not day:  # An older version let it wait without its day: take the day of `met_at`.
        day = met_at.astimezone(ZoneInfo(BRAND_ZONE)).date().isoformat()
    if kind.ahead:
        over = slot(shifted(day, 1 + (trigger.days or 0)), "00:00", zone)
        written = campaign.variants[0].message.late is not None
        return Ends(over, over + kind.own_words if kind.own_words and written else None)
    closes = slot(shifted(day, 1), "00:00", zone)
    if campaign.window is not None:  # The window of a supper may end after midnight.
        past = campaign.window.until <= campaign.window.since
        closes = slot(shifted(day, 1) if past else day, campaign.window.until, zone)
    # By the member's own clock: the chain's morning may be their night.
    return Ends(min(closes, max(met_at, slot(day, campaign.send_at, zone)) + kind.late))


def runs_on_days(campaign: Campaign) -> int:
    """Return for how many days after `valid_until` a campaign may still send late messages."""
    kind = TRIGGERS[campaign.trigger.kind]
    longest = kind.late + (kind.own_words or timedelta(0))
    ahead = campaign.trigger.days or 0 if kind.ahead else 0
    return max(LEAST_DAYS_AFTER, ahead + longest // timedelta(days=1) + 1)


def meets_on(trigger: Trigger, day: str) -> bool:
    """Tell whether a daily trigger is for this day.

    Without weekdays and month days it is for every day. In a short month the last day stands for
    the month days that it hasn't got.
    """
    on = date.fromisoformat(day)
    last = monthrange(on.year, on.month)[1]
    days = {min(month_day, last) for month_day in trigger.month_days}
    plain = not trigger.weekdays and not trigger.month_days
    return plain or on.weekday() in trigger.weekdays or on.day in days


def may_send(at: datetime, zone: str, quiet: Hours, window: Hours | None) -> bool:
    """Tell whether members in this zone may get a message at a moment.

    They may in the campaign's window; if it has none, outside the quiet hours.
    """
    clock = at.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    return in_hours(window, clock) if window is not None else not in_hours(quiet, clock)


def next_opening(at: datetime, zone: str, quiet: Hours, window: Hours | None) -> datetime:
    """Return when members in this zone may next get a message, at or after a moment."""
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
    """Tell whether a window reaches into the night, when only night guests may get a message."""
    return window is not None and any(in_hours(window, f"{hour:02}:30") for hour in NIGHT)


def filled(text: str, *, gift: str, until: str) -> str:
    """Return a message's text with the gift and its last day filled in."""
    return text.replace("{gift}", gift).replace("{until}", until)
