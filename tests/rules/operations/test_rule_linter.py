"""The linter of rules: it finds each fault, no honest rule stops, and no kind is without one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, get_args, get_origin

import pytest

from huitou.coupons.issuing.models import CouponTemplate
from huitou.loyalty.points.models import PointsRules
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.rule_linter.facts import RuleFacts
from huitou.operations.rule_linter.rules import LINTERS, faults_of
from huitou.promotions.offers.models import Offer, default_stacking
from simulation.chain import chain

NO_RULES = {"stores", "dishes", "store_dishes", "scenes"}


def template(name: str, **more: Any) -> CouponTemplate:
    terms = more.pop("terms", {"off_fen": 1_000})
    fields = {"_id": name, "name": name, "valid_days": 7, "terms": terms, **more}
    return CouponTemplate.model_validate(fields)


TEMPLATES = {
    one.id: one
    for one in (
        template("plain"),
        template("basket", terms={"off_fen": 800, "threshold_fen": 3_000}),
        template("limited", limits={"quota": 9, "per_member": 1}),
        template("ended", valid_until=date(2026, 1, 1)),
        template("big", terms={"off_fen": 60_000, "threshold_fen": 60_000}),
        template("over", terms={"off_fen": 2_000, "threshold_fen": 1_500}),
    )
}


def model_of(kind: str) -> Any:
    """Return the model of one document of a kind, as `LoadRequest` has it."""
    found = LoadRequest.model_fields[kind].annotation
    return get_args(found)[0] if get_origin(found) or get_args(found) else found


def faults(kind: str, fields: Mapping[str, Any], *others: Offer) -> list[tuple[str, str, str]]:
    document = model_of(kind).model_validate(fields)
    facts = RuleFacts(
        today=date(2026, 3, 2),
        templates=TEMPLATES,
        with_codes={"big": TEMPLATES["big"]},
        points=PointsRules(),
        stores=frozenset(("jingan", "xujiahui")),
        offers=[*others, document] if kind == "offers" else [],
        stacking=default_stacking(),
    )
    found = faults_of(kind, document, facts, "")
    for fault in found:
        assert all(fault.words), fault  # Words in both languages.
        assert fault.finding("en").message != fault.finding("zh").message
    return [(one.rule.name, one.rule.severity, one.field) for one in found]


def offer(name: str, group: str, **terms: Any) -> dict[str, Any]:
    limits = terms.pop("limits", {})
    return {
        "_id": name,
        "name": name,
        "group": group,
        "limits": limits,
        "terms": {"base": "list", **terms},
    }


def tiers(*levels: dict[str, Any]) -> dict[str, Any]:
    basic = {"level": "basic", "name": "普通"}
    first = levels[0] if levels and levels[0].get("level") == "basic" else basic
    rest = [level for level in levels if level is not first]
    return {"_id": "tiers", "revision": 1, "levels": [first, *rest]}


def arrivals(*offers: dict[str, Any]) -> dict[str, Any]:
    return {"revision": 1, "offers": list(offers)}


CLAIM = {
    "_id": "c",
    "name": "c",
    "valid_days": 7,
    "terms": {"off_fen": 100},
    "claimable": True,
    "limits": {"quota": 9, "per_member": 1},
}
SILVER = {"level": "silver", "name": "白银", "spend_fen": 50_000}
ACTIVITY = {
    "valid_from": "2026-03-01",
    "valid_until": "2026-03-31",
    "inviter_points": 50,
    "invited_points": 50,
}
CHECK_IN = {"_id": "e", "name": "e", "kind": "bonus", "event": "check_in"}
ITEM = {"_id": "m", "name": "m", "template_id": "plain"}
TERM = {"account": "1", "role": "franchisee"}

# Each row: the kind, the rule that must find the fault, the field it must name, the document.
FOUND: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "coupon_templates",
        "coupon-above-basket",
        "terms.off_fen",
        CLAIM | {"terms": {"off_fen": 2_000, "threshold_fen": 1_500}},
    ),
    (
        "coupon_templates",
        "codes-worth-more",
        "terms",
        CLAIM | {"_id": "big", "terms": {"off_fen": 60_001, "threshold_fen": 90_000}},
    ),
    ("coupon_templates", "claim-and-give", "transferable", CLAIM | {"transferable": True}),
    ("coupon_templates", "coupon-over", "valid_until", CLAIM | {"valid_until": "2026-03-01"}),
    (
        "tier_rules",
        "tier-coupon-unknown",
        "levels.1.entry_coupons",
        tiers(SILVER | {"entry_coupons": ["nothing"]}),
    ),
    (
        "tier_rules",
        "tier-coupon-unknown",
        "levels.1.birthday_coupons",
        tiers(SILVER | {"birthday_coupons": ["ended"]}),
    ),
    (
        "tier_rules",
        "tier-above-spend",
        "levels.1.entry_coupons",
        tiers(SILVER | {"entry_coupons": ["big"]}),
    ),
    (
        "tier_rules",
        "tier-above-spend",
        "levels.1.monthly_coupons",
        tiers(SILVER | {"spend_fen": 900, "monthly_coupons": ["plain"]}),
    ),
    (
        "tier_rules",
        "tier-gift-for-everybody",
        "levels.0.entry_coupons",
        tiers({"level": "basic", "name": "普通", "entry_coupons": ["plain"]}),
    ),
    (
        "tier_rules",
        "tier-coupon-once-only",
        "levels.1.monthly_coupons",
        tiers(SILVER | {"monthly_coupons": ["limited"]}),
    ),
    ("tier_rules", "tier-discount-deep", "levels.1", tiers(SILVER | {"discount_bp": 6_000})),
    (
        "arrival_rules",
        "arrival-coupon-unknown",
        "offers.0.template_id",
        arrivals({"template_id": "nothing"}),
    ),
    (
        "arrival_rules",
        "arrival-never",
        "offers.0.valid_until",
        arrivals(
            {"template_id": "limited", "valid_from": "2026-04-01", "valid_until": "2026-03-31"}
        ),
    ),
    (
        "arrival_rules",
        "arrival-never",
        "offers.0.store_ids",
        arrivals({"template_id": "limited", "store_ids": ["nowhere"]}),
    ),
    (
        "arrival_rules",
        "arrival-without-limit",
        "offers.0.template_id",
        arrivals({"template_id": "plain"}),
    ),
    (
        "arrival_rules",
        "arrival-above-basket",
        "offers.0.template_id",
        arrivals({"template_id": "over"}),
    ),
    (
        "arrival_rules",
        "arrival-overlap",
        "offers.1",
        arrivals({"template_id": "basket"}, {"template_id": "basket", "store_ids": ["jingan"]}),
    ),
    (
        "arrival_rules",
        "arrival-over",
        "offers.0.valid_until",
        arrivals({"template_id": "basket", "valid_until": "2026-03-01"}),
    ),
    ("referral_rules", "referral-above-basket", "inviter_points", {"inviter_points": 5_000}),
    (
        "referral_rules",
        "referral-above-basket",
        "inviter_points",
        {"inviter_points": 1_500, "invited_points": 1_500, "min_order_fen": 2_000},
    ),
    (
        "referral_rules",
        "referral-above-basket",
        "activities.0",
        {"activities": [ACTIVITY | {"invited_points": 9_000}]},
    ),
    (
        "referral_rules",
        "referral-above-basket",
        "invite_set.template_id",
        {"invite_set": {"count": 2, "template_id": "big"}},
    ),
    (
        "referral_rules",
        "referral-coupon-unknown",
        "invite_set.template_id",
        {"invite_set": {"count": 2, "template_id": "nothing"}},
    ),
    (
        "referral_rules",
        "referral-without-limit",
        "most_in_all",
        {"inviter_points": 500, "most_in_all": 100_000},
    ),
    (
        "referral_rules",
        "referral-of-oneself",
        "burst_per_hour",
        {"burst_per_hour": 1_000, "hold_from_rank": 5},
    ),
    ("referral_rules", "referral-activities", "activities.1", {"activities": [ACTIVITY] * 2}),
    (
        "referral_rules",
        "referral-activities",
        "activities.0.valid_until",
        {"activities": [ACTIVITY | {"valid_from": "2026-01-01", "valid_until": "2026-01-31"}]},
    ),
    (
        "mall_items",
        "mall-coupon-over",
        "template_id",
        ITEM | {"points": 9, "template_id": "ended", "stock": 1},
    ),
    ("mall_items", "mall-below-worth", "points", ITEM | {"points": 9}),
    ("earning_rules", "event-bonus-high", "points", CHECK_IN | {"points": 5_000}),
    (
        "earning_rules",
        "multiplier-high",
        "multiplier_bp",
        {"_id": "e", "name": "e", "kind": "multiplier", "multiplier_bp": 500_000},
    ),
    ("offers", "offer-gives-all", "terms", offer("o", "reduction", off_fen=500)),
    (
        "offers",
        "offer-gives-all",
        "terms",
        offer("o", "reduction", off_fen=5_000, threshold_fen=5_000),
    ),
    ("offers", "offer-gives-all", "terms", offer("o", "member", kind="percent_off", off_bp=10_000)),
    ("offers", "offer-gives-all", "terms", offer("o", "activity", kind="free_item")),
    ("offers", "offer-gives-all", "terms", offer("o", "activity", kind="fixed_price", price_fen=0)),
    (
        "offers",
        "offer-never",
        "terms.store_ids",
        offer("o", "member", kind="percent_off", off_bp=100, store_ids=["nowhere"]),
    ),
    ("offers", "offer-deep", "terms", offer("o", "member", kind="percent_off", off_bp=8_000)),
    (
        "offers",
        "offer-over",
        "valid_until",
        offer("o", "member", kind="percent_off", off_bp=100) | {"valid_until": "2026-03-01"},
    ),
    ("stacking_rules", "coupons-stack", "groups.0.most", {"groups": [{"group": "coupon"}]}),
    ("points_rules", "points-above-price", "point_value_fen", {"point_value_fen": 200}),
    ("points_rules", "points-rate-high", "point_value_fen", {"point_value_fen": 50}),
    ("points_rules", "gifts-unwatched", "gift_limits", {"gift_limits": {"manager_fen": 200_000}}),
    ("refund_rules", "refunds-upside-down", "cashier_limit_fen", {"cashier_limit_fen": 99_999}),
    ("refund_rules", "refunds-upside-down", "cashier_day_limit_fen", {"cashier_day_limit_fen": 1}),
    (
        "share_rules",
        "shares-above-most",
        "terms",
        {"_id": "default", "revision": 1, "terms": [TERM | {"ratio_bp": 4_000}]},
    ),
    ("message_rules", "quiet-too-short", "quiet", {"quiet": {"since": "23:00", "until": "06:00"}}),
]


@pytest.mark.parametrize(("kind", "rule", "field", "document"), FOUND)
def test_each_rule_finds_its_fault_and_names_the_field(
    kind: str, rule: str, field: str, document: dict[str, Any]
) -> None:
    assert (rule, field) in [(name, where) for name, _, where in faults(kind, document)]


def test_two_offers_that_together_take_off_the_whole_price_are_an_error() -> None:
    other = Offer.model_validate(offer("first", "reduction", off_fen=6_000, threshold_fen=10_000))
    half = offer("second", "member", kind="percent_off", off_bp=5_000)
    assert ("offers-stack", "error", "group") in faults("offers", half, other)
    # In one group of which only the best applies, at other stores or with a quota they don't stack.
    for harmless in (
        half | {"group": "reduction"},
        offer("second", "member", kind="percent_off", off_bp=5_000, limits={"quota": 9}),
        half | {"valid_until": "2026-12-31", "valid_from": "2026-12-01"},
    ):
        later = other.model_copy(update={"valid_until": date(2026, 11, 30)})
        assert not [f for f in faults("offers", harmless, later) if f[1] == "error"], harmless


def test_every_kind_of_stored_rule_has_its_linter() -> None:
    kinds = set(LoadRequest.model_fields) - NO_RULES
    assert set(LINTERS) == kinds
    assert all(LINTERS.values())


def test_every_rule_of_the_linter_is_shown_to_find_something() -> None:
    # What nobody can save any more is in its model's own test.
    shown = {rule for _, rule, _, _ in FOUND} | {"offers-stack", "claim-without-limit"}
    assert shown == {rule.name for rules in LINTERS.values() for rule in rules}


def test_the_names_of_rules_are_unique() -> None:
    names = [rule.name for rules in LINTERS.values() for rule in rules]
    assert len(set(names)) == len(names)


def test_the_sample_chain_and_the_defaults_have_no_fault() -> None:
    request = LoadRequest.model_validate(chain())
    facts = RuleFacts(
        today=date(2026, 3, 2),
        templates={one.id: one for one in request.coupon_templates},
        with_codes={},
        points=PointsRules(),
        stores=frozenset(store.id for store in request.stores),
        offers=request.offers,
        stacking=default_stacking(),
    )
    for kind in LINTERS:
        held = getattr(request, kind)
        for document in held if isinstance(held, list) else [held] if held else []:
            assert faults_of(kind, document, facts, "") == [], kind
    for kind in ("referral_rules", "points_rules", "refund_rules", "message_rules"):
        assert faults(kind, {}) == []
    assert faults_of("stacking_rules", default_stacking(), facts, "") == []
