"""Faults in what gives coupons and points: templates, tiers, arrivals, referrals, mall, earning.

Amounts in words are in yuan. Each function yields the faults of one document.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import combinations

from huitou.coupons.issuing.models import CouponTemplate
from huitou.growth.geofence.models import ArrivalOffer, ArrivalRules
from huitou.growth.referrals.models import ReferralRules
from huitou.loyalty.earning.models import EarningRule
from huitou.loyalty.rewards.models import MallItem
from huitou.loyalty.tiers.models import TierRules
from huitou.operations.rule_linter.facts import SMALL_FEN, Fault, RuleFacts
from huitou.promotions.offers.kinds import KINDS

FREE_POINTS_FEN = 1_000  # An event without a basket (check-in, review) may bring so much.
FIRST_ORDER_FEN = 5_000
MOST_OF_AN_INVITER_FEN = 1_000_000
MALL_TIMES = 10  # A mall item's coupon may be worth so many times its points.


def yuan(fen: int) -> str:
    """Return an amount as people read it."""
    return f"¥{fen / 100:.2f}"


def coupon_faults(field: str, template_id: str, facts: RuleFacts) -> Iterator[Fault]:
    """Yield why a rule can't give this coupon: there is no such kind, or it has ended."""
    template = facts.templates.get(template_id)
    if template is None:
        yield Fault(field, (f"没有券模板 {template_id}", f"there is no template {template_id}"))
    elif template.valid_until is not None and template.valid_until < facts.today:
        ended = template.valid_until.isoformat()
        yield Fault(field, (f"券已于 {ended} 失效", f"the coupon ended on {ended}"))


def is_bounded(template: CouponTemplate) -> bool:
    """Tell whether a template limits its coupons: by quota, budget or for one member."""
    return bool(template.limits.quota or template.limits.budget_fen or template.is_limited)


# --- coupon templates ---------------------------------------------------------------------------


def claim_without_limit(template: CouponTemplate, _: RuleFacts) -> Iterator[Fault]:
    if template.claimable and not (template.limits.quota and template.is_limited):
        yield Fault(
            "limits",
            (
                "可领取的券须有总份数和每人限次",
                "a claimable coupon needs a quota and a member limit",
            ),
        )


def coupon_above_basket(template: CouponTemplate, _: RuleFacts) -> Iterator[Fault]:
    terms = template.terms
    of_lines = KINDS[terms.kind].arithmetic(terms).of == "lines"
    if of_lines and 0 < terms.threshold_fen < (terms.off_fen or 0):
        yield Fault(
            "terms.off_fen",
            (
                f"减 {yuan(terms.off_fen or 0)} 高于门槛 {yuan(terms.threshold_fen)}",
                f"{yuan(terms.off_fen or 0)} off is above the threshold",
            ),
        )


def claim_and_give(template: CouponTemplate, _: RuleFacts) -> Iterator[Fault]:
    if template.claimable and template.transferable:
        yield Fault(
            "transferable",
            (
                "可领取又可转赠：一人可收集多人的券",
                "claimable and transferable: one may collect many",
            ),
        )


def codes_worth_more(template: CouponTemplate, facts: RuleFacts) -> Iterator[Fault]:
    """Whoever made or approved the codes looked at what a coupon was worth then."""
    before = facts.with_codes.get(template.id)
    worth, was = facts.most_off_fen(template), facts.most_off_fen(before)
    if before is not None and worth > was:
        yield Fault(
            "terms",
            (
                f"兑换码按 {yuan(was)} 发出，不能提高到 {yuan(worth)}：请新建券或先撤回兑换码",
                f"there are codes worth {yuan(was)} each, not {yuan(worth)}: make another kind of"
                " coupon, or revoke the codes first",
            ),
        )


def coupon_over(template: CouponTemplate, facts: RuleFacts) -> Iterator[Fault]:
    if template.valid_until is not None and template.valid_until < facts.today:
        yield Fault("valid_until", ("有效期已过", "it has ended already"))


# --- tiers --------------------------------------------------------------------------------------


def tier_coupon_unknown(rules: TierRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, level in enumerate(rules.levels):
        for name in ("entry_coupons", "monthly_coupons", "birthday_coupons"):
            for template_id in getattr(level, name):
                yield from coupon_faults(f"levels.{number}.{name}", template_id, facts)


def tier_above_spend(rules: TierRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, level in enumerate(rules.levels):
        for name in ("entry_coupons", "monthly_coupons"):
            worth = sum(facts.worth_fen(one) for one in getattr(level, name))
            if level.spend_fen and worth > level.spend_fen:
                yield Fault(
                    f"levels.{number}.{name}",
                    (
                        f"礼券共 {yuan(worth)}，高于升级所需消费 {yuan(level.spend_fen)}",
                        f"coupons of {yuan(worth)} for spending {yuan(level.spend_fen)}",
                    ),
                )


def tier_gift_for_everybody(rules: TierRules, facts: RuleFacts) -> Iterator[Fault]:
    for name in ("entry_coupons", "monthly_coupons"):
        for template_id in getattr(rules.levels[0], name):
            template = facts.templates.get(template_id)
            if template and not template.terms.threshold_fen and not is_bounded(template):
                yield Fault(
                    f"levels.0.{name}",
                    (
                        f"最低等级人人都有：“{template.name}”须有门槛或限量",
                        f"everybody has the lowest level: {template_id} needs a threshold or limit",
                    ),
                )


def tier_coupon_once_only(rules: TierRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, level in enumerate(rules.levels):
        for template_id in level.monthly_coupons:
            template = facts.templates.get(template_id)
            if template and template.most_per_member:
                most = template.most_per_member
                yield Fault(
                    f"levels.{number}.monthly_coupons",
                    (
                        f"“{template.name}”每人共限 {most} 张，之后的月份发不出",
                        f"{template_id} is limited to {most} per member: later months bring none",
                    ),
                )


def tier_discount_deep(rules: TierRules, _: RuleFacts) -> Iterator[Fault]:
    for number, level in enumerate(rules.levels):
        if level.discount_bp < 7_000 or level.points_multiplier_bp > 50_000:
            yield Fault(
                f"levels.{number}",
                ("会员价低于 7 折或积分超过 5 倍", "over 30 % off, or over 5 times the points"),
            )


# --- arrivals -----------------------------------------------------------------------------------


def arrival_coupon_unknown(rules: ArrivalRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, offer in enumerate(rules.offers):
        yield from coupon_faults(f"offers.{number}.template_id", offer.template_id, facts)


def arrival_never(rules: ArrivalRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, offer in enumerate(rules.offers):
        if offer.valid_from and offer.valid_until and offer.valid_until < offer.valid_from:
            yield Fault(
                f"offers.{number}.valid_until", ("结束日期早于开始日期", "it ends before it begins")
            )
        template = facts.templates.get(offer.template_id)
        ends = template.valid_until if template else None
        if ends and offer.valid_from and ends < offer.valid_from:
            yield Fault(
                f"offers.{number}.template_id",
                ("券在活动开始前失效", "the coupon ends before the offer begins"),
            )
        unknown = sorted(set(offer.store_ids) - facts.stores) if facts.stores else []
        if unknown:
            yield Fault(
                f"offers.{number}.store_ids",
                (f"没有门店 {unknown[0]}", f"there is no store {unknown[0]}"),
            )


def arrival_without_limit(rules: ArrivalRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, offer in enumerate(rules.offers):
        template = facts.templates.get(offer.template_id)
        if template and not template.terms.threshold_fen and not is_bounded(template):
            yield Fault(
                f"offers.{number}.template_id",
                (
                    f"路过就能每天领“{template.name}”：须有门槛或限量",
                    "whoever walks by gets it every day: it needs a threshold or a limit",
                ),
            )


def arrival_above_basket(rules: ArrivalRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, offer in enumerate(rules.offers):
        template = facts.templates.get(offer.template_id)
        basket = template.terms.threshold_fen if template else 0
        if basket and facts.worth_fen(offer.template_id) > max(basket, SMALL_FEN):
            yield Fault(
                f"offers.{number}.template_id",
                ("券的优惠可高于其门槛", "the coupon may be worth more than its threshold"),
            )


def arrival_overlap(rules: ArrivalRules, _: RuleFacts) -> Iterator[Fault]:
    for (_a, one), (number, other) in combinations(enumerate(rules.offers), 2):
        if one.template_id == other.template_id and _same_place_and_time(one, other):
            yield Fault(
                f"offers.{number}",
                ("与另一条到店权益重叠，同一张券会叠加", "overlaps another offer of this coupon"),
            )


def _same_place_and_time(one: ArrivalOffer, other: ArrivalOffer) -> bool:
    places = not one.store_ids or not other.store_ids or set(one.store_ids) & set(other.store_ids)
    begins = max(one.valid_from or date.min, other.valid_from or date.min)
    ends = min(one.valid_until or date.max, other.valid_until or date.max)
    return bool(places) and begins <= ends


def arrival_over(rules: ArrivalRules, facts: RuleFacts) -> Iterator[Fault]:
    for number, offer in enumerate(rules.offers):
        if offer.valid_until and offer.valid_until < facts.today:
            yield Fault(f"offers.{number}.valid_until", ("活动已结束", "it is over already"))


# --- referrals ----------------------------------------------------------------------------------


def _rewards(rules: ReferralRules) -> Iterator[tuple[str, int, int]]:
    """Yield each reward: its field, the inviter's points and the friend's."""
    yield "inviter_points", rules.inviter_points, rules.invited_points
    for number, activity in enumerate(rules.activities):
        yield f"activities.{number}", activity.inviter_points, activity.invited_points


def referral_above_basket(rules: ReferralRules, facts: RuleFacts) -> Iterator[Fault]:
    basket = max(rules.min_order_fen, SMALL_FEN)
    for field, inviter, invited in _rewards(rules):
        reward = facts.points_fen(inviter + invited)
        if reward > basket:
            yield Fault(
                field,
                (
                    f"双方共得 {yuan(reward)}，高于首单最低金额 {yuan(rules.min_order_fen)}",
                    f"both get {yuan(reward)} for an order of {yuan(rules.min_order_fen)}",
                ),
            )
    several = rules.invite_set
    if several and facts.worth_fen(several.template_id) > several.count * basket:
        yield Fault(
            "invite_set.template_id",
            ("券的优惠高于好友首单金额之和", "the coupon is worth more than the friends' orders"),
        )


def referral_coupon_unknown(rules: ReferralRules, facts: RuleFacts) -> Iterator[Fault]:
    if rules.invite_set:
        yield from coupon_faults("invite_set.template_id", rules.invite_set.template_id, facts)


def referral_without_limit(rules: ReferralRules, facts: RuleFacts) -> Iterator[Fault]:
    most = max(facts.points_fen(inviter) for _, inviter, _ in _rewards(rules)) * rules.most_in_all
    if most > MOST_OF_AN_INVITER_FEN:
        yield Fault(
            "most_in_all",
            (
                f"一位邀请人最多可得 {yuan(most)}，须降低人数或积分",
                f"one inviter may get {yuan(most)}: lower the number of friends or the points",
            ),
        )


def referral_of_oneself(rules: ReferralRules, _: RuleFacts) -> Iterator[Fault]:
    if rules.burst_per_hour >= rules.most_a_day and rules.hold_from_rank == 5:
        yield Fault(
            "burst_per_hour",
            (
                "自邀不会被审核：降低每小时人数或风险等级",
                "nobody looks at people who invite themselves: lower it, or hold_from_rank",
            ),
        )


def referral_activities_overlap(rules: ReferralRules, facts: RuleFacts) -> Iterator[Fault]:
    for (_a, one), (number, other) in combinations(enumerate(rules.activities), 2):
        if one.valid_from <= other.valid_until and other.valid_from <= one.valid_until:
            yield Fault(
                f"activities.{number}",
                (
                    "与另一活动期重叠，以后一条为准",
                    "overlaps another activity: the later one counts",
                ),
            )
    for number, activity in enumerate(rules.activities):
        if activity.valid_until < facts.today:
            yield Fault(f"activities.{number}.valid_until", ("活动期已过", "it is over already"))


# --- mall and earning ---------------------------------------------------------------------------


def mall_coupon_over(item: MallItem, facts: RuleFacts) -> Iterator[Fault]:
    if item.template_id in facts.templates:  # An unknown one is refused when it is stored.
        yield from coupon_faults("template_id", item.template_id, facts)


def mall_below_worth(item: MallItem, facts: RuleFacts) -> Iterator[Fault]:
    worth, price = facts.worth_fen(item.template_id), facts.points_fen(item.points)
    bounded = item.stock is not None or item.per_member is not None
    if worth > MALL_TIMES * price and not bounded:
        yield Fault(
            "points",
            (
                f"{item.points} 积分（{yuan(price)}）换 {yuan(worth)}：须有库存或每人限兑",
                f"{yuan(price)} of points for {yuan(worth)}: it needs stock or per_member",
            ),
        )


def event_bonus_high(rule: EarningRule, facts: RuleFacts) -> Iterator[Fault]:
    limit_fen = FIRST_ORDER_FEN if rule.event == "first_order" else FREE_POINTS_FEN
    worth = facts.points_fen(rule.points or 0)
    if rule.event and worth > limit_fen:
        most = yuan(limit_fen)
        yield Fault(
            "points",
            (
                f"{yuan(worth)} 无需消费门槛，最多 {most}",
                f"{yuan(worth)} without a basket: at most {most}",
            ),
        )


def multiplier_high(rule: EarningRule, _: RuleFacts) -> Iterator[Fault]:
    if (rule.multiplier_bp or 0) > 100_000:
        yield Fault("multiplier_bp", ("积分超过 10 倍", "over 10 times the points"))
