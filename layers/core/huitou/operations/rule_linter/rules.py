"""One table of all kinds of stored rules: what the linter looks for in each of them.

An error keeps the rules from being stored, a warning is only told. Campaigns have a linter of their
own (`marketing/linter`), because they are also held against the law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from huitou.marketing.linter.models import Finding, Severity
from huitou.operations.rule_linter import coupon_rules as coupons
from huitou.operations.rule_linter import offer_rules as offers
from huitou.operations.rule_linter.facts import Fault, RuleFacts
from huitou.runtime.errors import Lang, Words

_SOURCE: Words = ("回头产品规则：赠送有上限", "The product's own rule: what is given has a limit")


class Rule(NamedTuple):
    """One rule: its name, whether a fault is an error, and what finds the faults of a document."""

    name: str
    severity: Severity
    find: Callable[[Any, RuleFacts], Iterator[Fault]]


class Found(NamedTuple):
    """A fault of one document, with the whole field in the request."""

    rule: Rule
    field: str
    words: Words

    def finding(self, lang: Lang) -> Finding:
        english = lang == "en"
        return Finding(
            rule=self.rule.name,
            severity=self.rule.severity,
            field=self.field,
            message=self.words[english],
            source=_SOURCE[english],
        )


# By the field of `maintenance load` that brings the kind.
LINTERS: Mapping[str, Sequence[Rule]] = {
    "coupon_templates": (
        Rule("claim-without-limit", "error", coupons.claim_without_limit),
        Rule("codes-worth-more", "error", coupons.codes_worth_more),
        Rule("coupon-above-basket", "error", coupons.coupon_above_basket),
        Rule("claim-and-give", "warning", coupons.claim_and_give),
        Rule("coupon-over", "warning", coupons.coupon_over),
    ),
    "tier_rules": (
        Rule("tier-coupon-unknown", "error", coupons.tier_coupon_unknown),
        Rule("tier-above-spend", "error", coupons.tier_above_spend),
        Rule("tier-gift-for-everybody", "error", coupons.tier_gift_for_everybody),
        Rule("tier-coupon-once-only", "warning", coupons.tier_coupon_once_only),
        Rule("tier-discount-deep", "warning", coupons.tier_discount_deep),
    ),
    "arrival_rules": (
        Rule("arrival-coupon-unknown", "error", coupons.arrival_coupon_unknown),
        Rule("arrival-never", "error", coupons.arrival_never),
        Rule("arrival-without-limit", "error", coupons.arrival_without_limit),
        Rule("arrival-above-basket", "error", coupons.arrival_above_basket),
        Rule("arrival-overlap", "error", coupons.arrival_overlap),
        Rule("arrival-over", "warning", coupons.arrival_over),
    ),
    "referral_rules": (
        Rule("referral-above-basket", "error", coupons.referral_above_basket),
        Rule("referral-coupon-unknown", "error", coupons.referral_coupon_unknown),
        Rule("referral-without-limit", "error", coupons.referral_without_limit),
        Rule("referral-of-oneself", "error", coupons.referral_of_oneself),
        Rule("referral-activities", "warning", coupons.referral_activities_overlap),
    ),
    "mall_items": (
        Rule("mall-coupon-over", "error", coupons.mall_coupon_over),
        Rule("mall-below-worth", "error", coupons.mall_below_worth),
    ),
    "earning_rules": (
        Rule("event-bonus-high", "error", coupons.event_bonus_high),
        Rule("multiplier-high", "warning", coupons.multiplier_high),
    ),
    "offers": (
        Rule("offer-gives-all", "error", offers.offer_gives_all),
        Rule("offers-stack", "error", offers.offers_stack),
        Rule("offer-never", "error", offers.offer_never),
        Rule("offer-deep", "warning", offers.offer_deep),
        Rule("offer-over", "warning", offers.offer_over),
    ),
    "stacking_rules": (Rule("coupons-stack", "warning", offers.coupons_stack),),
    "points_rules": (
        Rule("points-above-price", "error", offers.points_above_price),
        Rule("points-rate-high", "warning", offers.points_rate_high),
        Rule("gifts-unwatched", "warning", offers.gifts_unwatched),
    ),
    "refund_rules": (Rule("refunds-upside-down", "warning", offers.refunds_upside_down),),
    "share_rules": (Rule("shares-above-most", "warning", offers.shares_above_most),),
    "message_rules": (Rule("quiet-too-short", "warning", offers.quiet_too_short),),
}


def faults_of(kind: str, document: Any, facts: RuleFacts, prefix: str) -> list[Found]:
    """Return all faults of a document, errors first; `prefix` is its place in the request."""
    found = [
        Found(rule, ".".join(filter(None, (prefix, fault.field))), fault.words)
        for rule in LINTERS[kind]
        for fault in rule.find(document, facts)
    ]
    return sorted(found, key=lambda one: one.rule.severity)
