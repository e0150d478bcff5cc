"""Decide whether a member belongs to an audience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from huitou.marketing.audiences.models import NOT_PERSONAL, NUMBERS, WORDS, Condition, leaves
from huitou.marketing.features.models import Features
from huitou.marketing.features.rules import category_share, days_since, rfm, within
from huitou.members.profiles.models import Member
from huitou.members.profiles.rules import MINOR_YEARS, years_old


@dataclass(frozen=True)
class Profile:
    """What is known of one member: identity, features, tier, points and consents.

    `marketing` and `personalised` tell whether they consent to marketing and to personalisation.
    """

    member: Member
    features: Features
    tier: str = "basic"
    points: int = 0
    marketing: bool = False
    personalised: bool = True


def belongs(profile: Profile, condition: Condition | None, today: str) -> bool:
    """Tell whether the member meets the condition on a business day; everybody meets None."""
    if condition is None:
        return True
    if condition.all_of:
        return all(belongs(profile, part, today) for part in condition.all_of)
    if condition.any_of:
        return any(belongs(profile, part, today) for part in condition.any_of)
    if condition.none_of:
        return not any(belongs(profile, part, today) for part in condition.none_of)
    feature = condition.feature or ""
    if feature in NUMBERS:
        value = _NUMBERS[feature](profile, condition, today)
        low, high = condition.at_least, condition.at_most
        return value is not None and not (
            (low is not None and value < low) or (high is not None and value > high)
        )
    if feature in WORDS:
        return not set(condition.among).isdisjoint(_words(profile, feature))
    return _FACTS[feature](profile) is condition.is_so


def needs_visits(condition: Condition | None) -> bool:
    """Tell whether the condition needs single visits; if not, features are read without them."""
    return any(
        leaf.days is not None or leaf.category is not None or (leaf.feature or "").startswith("rfm")
        for leaf in leaves(condition)
    )


def is_personalised(condition: Condition | None) -> bool:
    """Tell whether the condition depends on what members do.

    Then it must leave out the members who switched personalisation off.
    """
    return any(leaf.feature not in NOT_PERSONAL for leaf in leaves(condition))


def _words(profile: Profile, feature: str) -> list[str]:
    if feature == "tag":
        return profile.features.tags
    word = {
        "usual_store": profile.features.usual_store_id,
        "tier": profile.tier,
        "registered_store": profile.member.registered_store_id,
        "registered_channel": profile.member.registered_channel,
    }[feature]
    return [word] if word is not None else []


def _orders(profile: Profile, condition: Condition, today: str) -> int:
    if condition.days is None:
        return profile.features.orders
    return len(within(profile.features, today, condition.days))


def _spend(profile: Profile, condition: Condition, today: str) -> int:
    if condition.days is None:
        return profile.features.spend_fen
    return sum(visit.fen for visit in within(profile.features, today, condition.days))


def _registered(profile: Profile, today: str) -> int:
    return (date.fromisoformat(today) - date.fromisoformat(profile.member.registered_day)).days


def _share(profile: Profile, condition: Condition, today: str) -> int:
    return round(10_000 * category_share(profile.features, condition.category or "", today))


_NUMBERS: dict[str, Callable[[Profile, Condition, str], int | None]] = {
    "orders": _orders,
    "spend_fen": _spend,
    "days_since_order": lambda p, _, today: days_since(p.features, today),
    "days_since_registration": lambda p, _, today: _registered(p, today),
    "usual_hour": lambda p, *_: p.features.usual_hour,
    "usual_interval_days": lambda p, *_: p.features.usual_interval_days,
    "category_share_bp": _share,
    "rfm_recency": lambda p, _, today: rfm(p.features, today)[0],
    "rfm_frequency": lambda p, _, today: rfm(p.features, today)[1],
    "rfm_monetary": lambda p, _, today: rfm(p.features, today)[2],
    "points": lambda p, *_: p.points,
}
_FACTS: dict[str, Callable[[Profile], bool]] = {
    "night_guest": lambda p: bool(p.features.night_guest),
    "has_birthday": lambda p: p.member.birthday is not None,
    "has_phone": lambda p: p.member.phone_hash is not None,
    "consents_to_marketing": lambda p: p.marketing,
}


def is_minor(member: Member, today: str) -> bool:
    """Tell whether a member is known to be under 14."""
    if member.birthday is None:
        return False
    return years_old(member.birthday, today) < MINOR_YEARS
