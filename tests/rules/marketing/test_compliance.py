"""The linter: each rule finds the fault in a bad draft, and no rule stops an honest campaign."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from campaign_world import campaign
from huitou.coupons.issuing.models import CouponTemplate
from huitou.marketing.linter.models import Facts
from huitou.marketing.linter.rules import RULES, check, promised
from huitou.members.messaging.models import MessageRules, PushTemplate, TemplateField

TEMPLATES = {
    "silver-30-8": CouponTemplate.model_validate(
        {"_id": "silver-30-8", "name": "满30减8", "terms": {"off_fen": 800}, "valid_days": 30}),
    "ended": CouponTemplate.model_validate(
        {"_id": "ended", "name": "旧券", "terms": {"off_fen": 1}, "valid_until": date(2026, 3, 5)}),
}  # fmt: skip
PUSH = PushTemplate(template_id="T1", fields=[
    TemplateField(key="thing1", source="title"), TemplateField(key="thing2", source="gift"),
    TemplateField(key="phrase3", source="brand"),
])  # fmt: skip
FACTS = Facts(
    templates=TEMPLATES, messages=MessageRules(templates=[PUSH]),
    lowest_fen={"milk-tea": 1_200, "salad": None},
)  # fmt: skip
WORDS = {"title": "三天没见", "body": "回来吧"}


def variant(**changes: Any) -> list[dict[str, Any]]:
    return [{"gift": {"kind": "coupon", "template_id": "silver-30-8"}, "message": WORDS} | changes]


# Each row: a rule, a draft's changes that it must find, and the field that it must name.
STOPPED: list[tuple[str, dict[str, Any], str]] = [
    ("share-reward", {"mechanic": {"reward_for": "sharing"}}, "mechanic.reward_for"),
    ("share-reward", {"mechanic": {"reward_for": "moments_post"}}, "mechanic.reward_for"),
    ("reward-before-act", {"mechanic": {"reward_for": "link_opened"}}, "mechanic.reward_for"),
    ("reward-before-act", {"mechanic": {"reward_for": "friend_registered"}},
     "mechanic.reward_for"),
    ("friends-unstated", {"mechanic": {"reward_for": "friend_ordered"}}, "mechanic.friends"),
    ("friends-unstated", {"mechanic": {"reward_for": "friend_ordered", "friends": 3,
                                       "friends_shown": False}}, "mechanic.friends_shown"),
    ("invite-risk", {"mechanic": {"reward_for": "friend_ordered", "friends": 3}},
     "mechanic.reward_for"),
    ("draw-for-invite", {"mechanic": {"reward_for": "friend_ordered", "friends": 3, "draw": True}},
     "mechanic.draw"),
    ("prize-cap", {"mechanic": {"draw": True, "rules_text": "x", "prizes": [
        {"name": "车", "value_fen": 5_000_001, "quantity": 1}]}}, "mechanic.prizes.0.value_fen"),
    ("prize-unpublished", {"mechanic": {"draw": True, "rules_text": "x", "prizes": [
        {"name": "茶", "value_fen": 1_500}]}}, "mechanic.prizes.0"),
    ("prize-unpublished", {"mechanic": {"draw": True, "prizes": [
        {"name": "茶", "value_fen": 1_500, "quantity": 9}]}}, "mechanic.rules_text"),
    ("prize-unpublished", {"mechanic": {"draw": True, "rules_text": "x", "prizes": [
        {"name": "茶", "value_fen": 1, "odds_bp": 6_000},
        {"name": "饭", "value_fen": 1, "odds_bp": 6_000}]}}, "mechanic.prizes"),
    ("was-price", {"mechanic": {"was_prices": [{"dish_id": "milk-tea", "was_fen": 1_500}]}},
     "mechanic.was_prices.0.was_fen"),
    ("was-price-unproven", {"mechanic": {"was_prices": [{"dish_id": "salad", "was_fen": 2_800}]}},
     "mechanic.was_prices.0.dish_id"),
    ("everybody", {"trigger": {"kind": "segment"}}, "audience"),
    ("everybody", {"trigger": {"kind": "daily"},
                   "audience": {"feature": "consents_to_marketing", "is_so": True}}, "audience"),
    ("without-consent", {"audience": {"feature": "consents_to_marketing", "is_so": False}},
     "audience"),
    ("without-consent", {"audience": {"none_of": [
        {"feature": "consents_to_marketing", "is_so": True}]}}, "audience"),
    ("sensitive-audience", {"audience": {"feature": "tag", "among": ["diabetic"]}}, "audience"),
    ("sensitive-audience", {"audience": {"any_of": [
        {"feature": "category_share_bp", "category": "清真", "at_least": 1}]}}, "audience"),
    ("sensitive-words", {"variants": variant(message=WORDS | {"body": "血糖高也能吃"})},
     "variants.0.message"),
    ("price-by-device", {"audience": {"feature": "tag", "among": ["iphone-17"]}}, "audience"),
    ("other-gifts", {"variants": [
        *variant(), {"variant": "b", "gift": {"kind": "points", "points": 9}, "message": WORDS}]},
     "variants"),
    ("quiet-hours", {"send_at": "22:00"}, "send_at"),
    ("quiet-hours", {"send_at": "22:00", "window": {"since": "21:00", "until": "23:00"}}, "window"),
    ("quiet-hours", {"send_at": "20:00", "window": {"since": "21:00", "until": "23:00"},
                     "audience": {"feature": "night_guest", "is_so": True}}, "send_at"),
    ("unmeasured", {"holdout_bp": 0}, "holdout_bp"),
    ("gift-unknown", {"variants": variant(gift={"kind": "coupon", "template_id": "none"})},
     "variants.0.gift.template_id"),
    ("gift-unknown", {"variants": variant(gift={"kind": "coupon", "template_id": "ended"})},
     "variants.0.gift.template_id"),
    ("push-template", {"variants": variant(message=WORDS | {"push_template_id": "T9"})},
     "variants.0.message.push_template_id"),
    ("push-template", {"variants": variant(
        gift={"kind": "none"}, message=WORDS | {"push_template_id": "T1"})},
     "variants.0.message.push_template_id"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "changes", "field"), STOPPED)
def test_each_rule_finds_the_fault_in_a_bad_draft(
    rule: str, changes: dict[str, Any], field: str
) -> None:
    findings = check(campaign(**{"holdout_bp": 1_000} | changes), FACTS)
    assert (rule, field) in {(finding.rule, finding.field) for finding in findings}
    (found,) = [f for f in findings if (f.rule, f.field) == (rule, field)]
    assert found.source
    assert found.message
    english = {f.message for f in check(campaign(**{"holdout_bp": 1_000} | changes), FACTS, "en")}
    assert found.message not in english


def test_every_rule_has_a_bad_draft() -> None:
    assert {rule.name for rule in RULES} - {name for name, *_ in STOPPED} == {
        "changed-once-started"
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trigger": {"kind": "segment"}, "audience": {"feature": "tag", "among": ["studios"]}},
        {"mechanic": {"was_prices": [{"dish_id": "milk-tea", "was_fen": 1_200}]}},
        {"send_at": "22:30", "window": {"since": "21:00", "until": "23:00"},
         "audience": {"feature": "night_guest", "is_so": True}},
        {"mechanic": {"draw": True, "rules_text": "每单一次", "prizes": [
            {"name": "茶", "value_fen": 5_000_000, "odds_bp": 10_000}]}},
        {"variants": variant(message=WORDS | {"push_template_id": "T1"})},
        # A light meal for guests who eat much fried food is about taste, not health.
        {"audience": {"feature": "category_share_bp", "category": "fried", "at_least": 5_000},
         "variants": variant(message={"title": "换换口味", "body": "来份鸡胸沙拉"})},
    ],
)  # fmt: skip
def test_an_honest_campaign_passes(changes: dict[str, Any]) -> None:
    assert check(campaign(**{"holdout_bp": 1_000} | changes), FACTS) == []


def test_a_changed_gift_of_a_started_campaign_is_a_warning() -> None:
    before = campaign(holdout_bp=1_000)
    facts = Facts(FACTS.templates, FACTS.messages, FACTS.lowest_fen, promised(before))
    later = campaign(holdout_bp=1_000, revision=2, variants=variant(gift={"kind": "none"}))
    assert [f.rule for f in check(later, facts)] == ["changed-once-started"]
    assert check(campaign(holdout_bp=1_000, revision=2, priority=9), facts) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"valid_until": None}, "valid_until"),
        ({"valid_until": "2026-02-01"}, "valid_until"),
        ({"trigger": {"kind": "absent"}}, "absent needs days"),
        ({"trigger": {"kind": "registered", "days": 3}}, "registered has no days"),
        ({"audience": {"feature": "orders"}}, "orders needs at_least or at_most"),
        ({"audience": {"feature": "tier", "at_least": 3}}, "tier has no at_least"),
        ({"audience": {"feature": "category_share_bp", "at_least": 3}}, "needs category"),
        ({"audience": {"feature": "orders", "at_least": 3, "at_most": 2}}, "at_least is above"),
        ({"audience": {}}, "a condition is a feature, or one of"),
        ({"variants": []}, "variants"),
        ({"variants": [variant()[0], variant()[0]]}, "each `variant` must be another"),
        ({"variants": variant(gift={"kind": "coupon"})}, "a coupon has template_id"),
        ({"holdout_bp": 9_000}, "holdout_bp"),
    ],
)
def test_an_invalid_draft_is_refused_with_the_reason(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        campaign(**changes)
