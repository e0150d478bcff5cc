"""Who may still be told something today, and what an occasion is written down as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from huitou.catalog.stores.models import BRAND_ZONE
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
    """What happened to which member: `occasion` names it once for ever within a campaign."""

    member_id: str
    occasion: str
    days: int | None = None  # Since their last order, where the words say so.
    day: str = ""  # The calendar day whose run met it, if one did.
    met_at: datetime | None = None  # When it was met; None: now.
    ends: Ends | None = None  # Until when it is worth being told; None: not known yet.


@dataclass(frozen=True)
class Sending:
    """A campaign as it runs now: its content, its salt, and what its gifts are."""

    campaign: Campaign
    salt: str
    templates: Mapping[str, CouponTemplate]
    rules: MessageRules
    day: str
    at: datetime
    since: datetime  # When it was last let run: what was missed before, nobody missed.

    @cached_property
    def words(self) -> dict[str, dict[str, Any]]:
        """What members of each variant are told; the hold-out is told nothing."""
        return {variant.variant: _words_of(self, variant) for variant in self.campaign.variants}

    @cached_property
    def late_words(self) -> dict[str, dict[str, Any]]:
        """What they are told when the day is over."""
        late = (v for v in self.campaign.variants if v.message.late is not None)
        return {variant.variant: _words_of(self, variant, variant.message.late) for variant in late}


@dataclass
class Told:
    """What members were told lately: by day, and by this campaign."""

    by_day: dict[str, Counter[str]] = field(default_factory=dict)
    by_campaign: dict[str, list[str]] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str, str]], campaign_id: str) -> Told:
        """Sort rows of member, day, campaign and occasion."""
        told = cls()
        for member_id, day, by, occasion in rows:
            told.by_day.setdefault(member_id, Counter())[day] += 1
            if by == campaign_id:
                told.by_campaign.setdefault(member_id, []).append(day)
                told.served.add((member_id, occasion))
        return told


def looks_back_to(campaign: Campaign, day: str) -> str:
    """Return since when it matters what a member was told."""
    return shifted(day, 1 - max(WEEK_DAYS, campaign.limits.every_days))


def hindered(
    sending: Sending, told: Told, member_id: str, ever: int
) -> Literal["day", "limit"] | None:
    """Say what keeps a member from being told: only the messages of this day, or another limit.

    The hold-out takes its places like everybody, so that both groups are chosen alike.
    """
    rules, limits, day = sending.rules, sending.campaign.limits, sending.day
    if TRIGGERS[sending.campaign.trigger.kind].met == "taken":  # It is no message too many.
        return None
    days = told.by_day.get(member_id, _NOTHING)
    week = sum(count for on, count in days.items() if on > shifted(day, -WEEK_DAYS))
    latest = max(told.by_campaign.get(member_id, ()), default="")
    if week >= rules.per_week:
        return "limit"
    if latest and latest > shifted(day, -limits.every_days):
        return "limit"
    if limits.per_member is not None and ever >= limits.per_member:
        return "limit"
    return "day" if days[day] >= rules.per_day else None


def place_for(sending: Sending, told: Told, member_id: str) -> str:
    """Return which message of the member's day this is."""
    if TRIGGERS[sending.campaign.trigger.kind].met == "taken":
        return f"{sending.day}#{sending.campaign.id}"
    return f"{sending.day}#{told.by_day.get(member_id, _NOTHING)[sending.day] + 1}"


def exposure_for(sending: Sending, occasion: Occasion, place: str) -> Exposure:
    """Write an occasion down: with words and gift, or as one of the hold-out, who get neither."""
    campaign = sending.campaign
    group = group_of(campaign, sending.salt, occasion.member_id)
    is_late = occasion.ends is not None and occasion.ends.worth(sending.at) == "late words"
    words = (sending.late_words if is_late else sending.words).get(group, {})
    if occasion.days is not None and words:
        days = str(occasion.days)
        words = words | {name: words[name].replace("{days}", days) for name in ("title", "body")}
    return Exposure(
        id=exposure_id(campaign.id, occasion.member_id, occasion.occasion),
        campaign_id=campaign.id, revision=campaign.revision, member_id=occasion.member_id,
        occasion=occasion.occasion, at=sending.at, day=sending.day, group=group, place=place,
        **words,
    )  # fmt: skip


def _words_of(sending: Sending, variant: Variant, late: LateWords | None = None) -> dict[str, Any]:
    """What a variant's members are told and given; all but `{days}` is the same for all."""
    gift, message = variant.gift, variant.message
    said = late or message
    words, until = gift_words(sending, variant)
    return {
        "title": filled(said.title, gift=words, until=until),
        "body": filled(said.body, gift=words, until=until), "page": message.page,
        "gift_kind": None if gift.kind == "none" else gift.kind,
        "gift_template_id": gift.template_id, "gift_points": gift.points,
        "gift_text": words, "until": until, "delivery": "done",
        "push_template_id": message.push_template_id,
    }  # fmt: skip


def gift_words(sending: Sending, variant: Variant) -> tuple[str, str]:
    """Return a gift in the member's words, and the last day of a coupon."""
    gift = variant.gift
    template = sending.templates.get(gift.template_id or "")
    if template is not None:
        last = valid_until(template, sending.at, BRAND_ZONE)
        return template.name, f"{last.month} 月 {last.day} 日"
    return (f"{gift.points} 积分", "") if gift.points else ("", "")
