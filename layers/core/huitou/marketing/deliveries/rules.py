"""Which members may get another message today, and the exposure that an occasion becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from huitou.catalog.stores.rules import shifted
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.rules import valid_until
from huitou.marketing.campaigns.models import Campaign, LateWords, Variant
from huitou.marketing.campaigns.rules import Ends, exposure_id, filled, group_of
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.models import Exposure
from huitou.members.messaging.models import MessageRules

WEEK_DAYS = 7
_NOTHING: Counter[str] = Counter()


class Occasion(NamedTuple):
    """Something that happened to a member and that a campaign may write to them about.

    `occasion` names it. A campaign serves a member's occasion of one name once, ever.
    """

    member_id: str
    occasion: str
    days: int | None = None  # Days since the member's last order, for `{days}` in the message.
    day: str = ""  # The calendar day whose run found it; "" if an event did.
    met_at: datetime | None = None  # When a run or an event found it; None: now.
    ends: Ends | None = None  # Until when it is worth a message; None: not known yet.


@dataclass(frozen=True)
class Sending:
    """What a worker knows of the campaign that it sends: content, salt, gifts and limits."""

    campaign: Campaign
    salt: str
    templates: Mapping[str, CouponTemplate]
    rules: MessageRules
    day: str
    first_day: str  # From which the days of a coupon count that is given now.
    at: datetime
    since: datetime  # When it was last started. What fell before doesn't count as missed.

    @cached_property
    def words(self) -> dict[str, dict[str, Any]]:
        """The fields of a message, by variant; the hold-out has none."""
        return {variant.variant: _words_of(self, variant) for variant in self.campaign.variants}

    @cached_property
    def late_words(self) -> dict[str, dict[str, Any]]:
        """The same for a member whose day, such as a birthday, is over."""
        late = (v for v in self.campaign.variants if v.message.late is not None)
        return {variant.variant: _words_of(self, variant, variant.message.late) for variant in late}


@dataclass
class RecentMessages:
    """The messages that members got lately: all by day, and those of one campaign.

    Messages that the hold-out would have got are counted as well. `by_day` counts each member's
    messages of each day. `by_campaign` has the days of this campaign's messages by member,
    `served` the members and occasions of these.
    """

    by_day: dict[str, Counter[str]] = field(default_factory=dict)
    by_campaign: dict[str, list[str]] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str, str]], campaign_id: str) -> RecentMessages:
        """Build it from rows of member, day, campaign and occasion."""
        recent = cls()
        for member_id, day, by, occasion in rows:
            recent.by_day.setdefault(member_id, Counter())[day] += 1
            if by == campaign_id:
                recent.by_campaign.setdefault(member_id, []).append(day)
                recent.served.add((member_id, occasion))
        return recent


def looks_back_to(campaign: Campaign, day: str) -> str:
    """Return the first day whose messages a limit may still count."""
    return shifted(day, 1 - max(WEEK_DAYS, campaign.limits.every_days))


def hindered(
    sending: Sending, recent: RecentMessages, member_id: str, ever: int
) -> Literal["day", "limit"] | None:
    """Say what keeps a member from getting this message; None if nothing does.

    "day": only the limit of messages a day, so that another day may do. "limit": any other limit.
    `ever` counts the member's messages of this campaign. The hold-out is counted in the same way,
    so that the limits choose both groups alike.
    """
    rules, limits, day = sending.rules, sending.campaign.limits, sending.day
    if TRIGGERS[sending.campaign.trigger.kind].met == "taken":  # They come for it by themselves.
        return None
    days = recent.by_day.get(member_id, _NOTHING)
    week = sum(count for on, count in days.items() if on > shifted(day, -WEEK_DAYS))
    latest = max(recent.by_campaign.get(member_id, ()), default="")
    if week >= rules.per_week:
        return "limit"
    if latest and latest > shifted(day, -limits.every_days):
        return "limit"
    if limits.per_member is not None and ever >= limits.per_member:
        return "limit"
    return "day" if days[day] >= rules.per_day else None


def place_for(sending: Sending, recent: RecentMessages, member_id: str) -> str:
    """Return which message of the member's day this one is, such as `2026-03-02#1`.

    A group's offer has a place of its own: it doesn't use up a message of the day.
    """
    if TRIGGERS[sending.campaign.trigger.kind].met == "taken":
        return f"{sending.day}#{sending.campaign.id}"
    return f"{sending.day}#{recent.by_day.get(member_id, _NOTHING)[sending.day] + 1}"


def exposure_for(sending: Sending, occasion: Occasion, place: str) -> Exposure:
    """Return the exposure of an occasion; it has words and a gift, except in the hold-out."""
    campaign = sending.campaign
    group = group_of(campaign, sending.salt, occasion.member_id)
    is_late = occasion.ends is not None and occasion.ends.worth(sending.at) == "late words"
    words = (sending.late_words if is_late else sending.words).get(group, {})
    if occasion.days is not None and words:
        days = str(occasion.days)
        words = words | {name: words[name].replace("{days}", days) for name in ("title", "body")}
    return Exposure(
        id=exposure_id(campaign.id, occasion.member_id, occasion.occasion),
        campaign_id=campaign.id,
        revision=campaign.revision,
        member_id=occasion.member_id,
        occasion=occasion.occasion,
        at=sending.at,
        day=sending.day,
        group=group,
        place=place,
        **words,
    )


def _words_of(sending: Sending, variant: Variant, late: LateWords | None = None) -> dict[str, Any]:
    """Return a variant's message and gift; only `{days}` is left open, as it differs by member."""
    gift, message = variant.gift, variant.message
    said = late or message
    words, until = gift_words(sending, variant)
    return {
        "title": filled(said.title, gift=words, until=until),
        "body": filled(said.body, gift=words, until=until),
        "page": message.page,
        "gift_kind": None if gift.kind == "none" else gift.kind,
        "gift_template_id": gift.template_id,
        "gift_points": gift.points,
        "gift_text": words,
        "until": until,
        "delivery": "done",
        "push_template_id": message.push_template_id,
    }


def gift_words(sending: Sending, variant: Variant) -> tuple[str, str]:
    """Return how a message names the gift, and a coupon's last day; "" for what there isn't."""
    gift = variant.gift
    template = sending.templates.get(gift.template_id or "")
    if template is not None:
        last = valid_until(template, sending.first_day)
        return template.name, f"{last.month} 月 {last.day} 日"
    return (f"{gift.points} 积分", "") if gift.points else ("", "")
