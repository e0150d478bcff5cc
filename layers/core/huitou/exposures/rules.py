"""Who may still be told something today, and what an occasion is written down as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from huitou.campaigns.models import Campaign, Variant
from huitou.campaigns.rules import HOLDOUT, exposure_id, filled, group_of, variant_of
from huitou.coupons.models import CouponTemplate
from huitou.coupons.rules import valid_until
from huitou.exposures.models import Exposure
from huitou.messages.models import MessageRules
from huitou.stores.models import BRAND_ZONE
from huitou.stores.rules import shifted

WEEK_DAYS = 7


class Occasion(NamedTuple):
    """What happened to which member: `occasion` names it once for ever within a campaign."""

    member_id: str
    occasion: str
    days: int | None = None  # Since their last order, where the words say so.


@dataclass(frozen=True)
class Sending:
    """A campaign as it runs now: its content, its salt, and what its gifts are."""

    campaign: Campaign
    salt: str
    templates: Mapping[str, CouponTemplate]
    rules: MessageRules
    day: str
    at: datetime


@dataclass
class Told:
    """What members were told lately: by day, and by this campaign."""

    by_day: dict[str, Counter[str]] = field(default_factory=dict)
    by_campaign: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]], campaign_id: str) -> Told:
        """Sort rows of member, day and campaign."""
        told = cls()
        for member_id, day, by in rows:
            told.by_day.setdefault(member_id, Counter())[day] += 1
            if by == campaign_id:
                told.by_campaign.setdefault(member_id, []).append(day)
        return told


def looks_back_to(campaign: Campaign, day: str) -> str:
    """Return since when it matters what a member was told."""
    return shifted(day, 1 - max(WEEK_DAYS, campaign.limits.every_days))


def place_for(sending: Sending, told: Told, member_id: str, ever: int) -> str | None:
    """Return which message of the member's day this would be; None if it is one too many.

    The hold-out takes its places like everybody, so that both groups are chosen alike.
    """
    rules, limits, day = sending.rules, sending.campaign.limits, sending.day
    days = told.by_day.get(member_id, Counter())
    today = days[day]
    week = sum(count for on, count in days.items() if on > shifted(day, -WEEK_DAYS))
    latest = max(told.by_campaign.get(member_id, ()), default="")
    if today >= rules.per_day or week >= rules.per_week:
        return None
    if latest and latest > shifted(day, -limits.every_days):
        return None
    if limits.per_member is not None and ever >= limits.per_member:
        return None
    return f"{day}#{today + 1}"


def exposure_for(sending: Sending, occasion: Occasion, place: str) -> Exposure:
    """Write an occasion down: with words and gift, or as one of the hold-out, who get neither."""
    campaign = sending.campaign
    group = group_of(campaign, sending.salt, occasion.member_id)
    plain = Exposure(
        id=exposure_id(campaign.id, occasion.member_id, occasion.occasion),
        campaign_id=campaign.id, revision=campaign.revision, member_id=occasion.member_id,
        occasion=occasion.occasion, at=sending.at, day=sending.day, group=group, place=place,
    )  # fmt: skip
    variant = variant_of(campaign, group)
    if group == HOLDOUT or variant is None:
        return plain
    gift = variant.gift
    words, until = gift_words(sending, variant)
    known = {"gift": words, "until": until, "days": str(occasion.days or "")}
    return plain.model_copy(update={
        "title": filled(variant.message.title, **known),
        "body": filled(variant.message.body, **known), "page": variant.message.page,
        "gift_kind": None if gift.kind == "none" else gift.kind,
        "gift_template_id": gift.template_id, "gift_points": gift.points,
        "gift_text": words, "until": until, "delivery": "due",
        "push_template_id": variant.message.push_template_id,
    })  # fmt: skip


def gift_words(sending: Sending, variant: Variant) -> tuple[str, str]:
    """Return a gift in the member's words, and the last day of a coupon."""
    gift = variant.gift
    template = sending.templates.get(gift.template_id or "")
    if template is not None:
        last = valid_until(template, sending.at, BRAND_ZONE)
        return template.name, f"{last.month} 月 {last.day} 日"
    return (f"{gift.points} 积分", "") if gift.points else ("", "")
