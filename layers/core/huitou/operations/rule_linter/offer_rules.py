"""Faults in what lowers prices or moves money, and in the rules for messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from huitou.loyalty.points.models import PointsRules
from huitou.members.messaging.models import MessageRules
from huitou.operations.rule_linter.coupon_rules import yuan
from huitou.operations.rule_linter.facts import Fault, RuleFacts
from huitou.payments.profit_sharing.models import ShareRules
from huitou.payments.refunds.models import RefundRules
from huitou.promotions.offers.kinds import KINDS
from huitou.promotions.offers.models import Group, Offer, StackingRules, walk

WHOLE_BP = 10_000
DEEP_BP = 7_000  # More off than this is worth a second look.
QUIET_HOURS = 8


# --- offers -------------------------------------------------------------------------------------


def offer_gives_all(offer: Offer, _: RuleFacts) -> Iterator[Fault]:
    terms = offer.terms
    if offer.limits.any or terms.first_order:
        return
    arithmetic = KINDS[terms.kind].arithmetic(terms)
    if arithmetic.of == "lines":
        basket = max(terms.threshold_fen, 1)
        nothing_to_pay = arithmetic.off_fen(basket, 1) >= basket
    elif arithmetic.of == "pieces":
        nothing_to_pay = not (terms.nth or terms.price_fen or terms.threshold_fen)
    else:
        nothing_to_pay = False
    if nothing_to_pay:
        yield Fault(
            "terms",
            (
                "整单可能一分不付：须有更高的门槛，或总份数、预算、每人限次",
                "an order may cost nothing: raise the threshold, or set a quota, budget or limit",
            ),
        )


def offers_stack(offer: Offer, facts: RuleFacts) -> Iterator[Fault]:
    """Yield a fault if this offer and another one together may take off the whole price."""
    for other in facts.offers:
        if other.id == offer.id or not _meet(offer, other):
            continue
        if _combine(offer.group, other.group, facts.stacking):
            part = sum(
                _part_off(one, max(_basket(offer), _basket(other))) for one in (offer, other)
            )
            if part >= WHOLE_BP:
                yield Fault(
                    "group",
                    (
                        f"与“{other.name}”叠加后可能一分不付",
                        f"together with {other.id} an order may cost nothing",
                    ),
                )


def _basket(offer: Offer) -> int:
    return offer.terms.threshold_fen


def _part_off(offer: Offer, basket_fen: int) -> int:
    """Return which part of such a basket an offer takes off, in basis points."""
    terms = offer.terms
    arithmetic = KINDS[terms.kind].arithmetic(terms)
    if offer.limits.quota or offer.limits.budget_fen or arithmetic.of != "lines":
        return 0
    if terms.off_fen is None and (terms.cap_fen or _is_narrow(offer)):
        return 0
    if terms.off_fen and not basket_fen:
        return 0
    basket = basket_fen or WHOLE_BP
    return arithmetic.off_fen(basket, 1) * WHOLE_BP // basket


def _is_narrow(offer: Offer) -> bool:
    scope = offer.terms.scope
    return bool(scope.dish_ids or scope.sku_ids or scope.categories)


def _meet(one: Offer, other: Offer) -> bool:
    """Tell whether one order may meet both offers."""
    a, b = one.terms, other.terms
    exclusive = "order" in (a.exclusive, b.exclusive)
    places = not a.store_ids or not b.store_ids or set(a.store_ids) & set(b.store_ids)
    modes = not a.modes or not b.modes or set(a.modes) & set(b.modes)
    weekdays = not a.weekdays or not b.weekdays or set(a.weekdays) & set(b.weekdays)
    begins = max(one.valid_from or date.min, other.valid_from or date.min)
    ends = min(one.valid_until or date.max, other.valid_until or date.max)
    paused = one.paused or other.paused
    return not exclusive and not paused and bool(places and modes and weekdays) and begins <= ends


def _combine(one: str, other: str, stacking: StackingRules) -> bool:
    """Tell whether the tree lets offers of these groups apply to one order."""
    if any(one in names and other in names for names in stacking.never_together):
        return False
    return _may_both(stacking.groups, one, other)


def _may_both(groups: list[Group], one: str, other: str) -> bool:
    for group in groups:
        within = {inner.group for inner in walk([group])}
        if one in within and other in within:
            if group.mode != "stack" or group.most == 1:
                return False
            return group.group in (one, other) or _may_both(group.groups, one, other)
    return True


def offer_over(offer: Offer, facts: RuleFacts) -> Iterator[Fault]:
    if offer.valid_until and offer.valid_until < facts.today:
        yield Fault("valid_until", ("活动已结束", "it is over already"))


def offer_never(offer: Offer, facts: RuleFacts) -> Iterator[Fault]:
    unknown = sorted(set(offer.terms.store_ids) - facts.stores) if facts.stores else []
    if unknown and len(unknown) == len(set(offer.terms.store_ids)):
        yield Fault(
            "terms.store_ids", (f"没有门店 {unknown[0]}", f"there is no store {unknown[0]}")
        )


def offer_deep(offer: Offer, _: RuleFacts) -> Iterator[Fault]:
    if not offer.limits.any and _part_off(offer, _basket(offer)) >= DEEP_BP:
        yield Fault("terms", ("优惠超过七成且不限量", "over 70 % off, without a limit"))


# --- stacking, points, refunds, shares, messages ------------------------------------------------


def coupons_stack(rules: StackingRules, _: RuleFacts) -> Iterator[Fault]:
    for number, group in enumerate(rules.groups):
        if group.group == "coupon" and group.mode == "stack" and group.most is None:
            yield Fault(
                f"groups.{number}.most",
                ("一单可用的券不限张数", "one order may use any number of coupons"),
            )


def points_above_price(rules: PointsRules, _: RuleFacts) -> Iterator[Fault]:
    yield from _points_back(rules, 1)


def points_rate_high(rules: PointsRules, _: RuleFacts) -> Iterator[Fault]:
    yield from _points_back(rules, 5)


def _points_back(rules: PointsRules, times: int) -> Iterator[Fault]:
    """Yield a fault if so many times what a purchase brings back is more than the purchase."""
    rates = [rules.fen_per_point, *rules.fen_per_point_by_tier.values()]
    if rules.point_value_fen * times > min(rates):
        yield Fault(
            "point_value_fen",
            (
                f"每消费 {yuan(min(rates))} 返 {yuan(rules.point_value_fen)} 的积分",
                f"points of {yuan(rules.point_value_fen)} back for each {yuan(min(rates))}",
            ),
        )


def gifts_unwatched(rules: PointsRules, _: RuleFacts) -> Iterator[Fault]:
    limits = rules.gift_limits
    highest = max(limits.cashier_fen, limits.manager_fen, limits.marketing_fen)
    if highest > 100_000:
        yield Fault(
            "gift_limits",
            (
                f"每人每天可直接赠送 {yuan(highest)}，无人复核",
                f"one person may give {yuan(highest)} a day with no second one",
            ),
        )


def refunds_upside_down(rules: RefundRules, _: RuleFacts) -> Iterator[Fault]:
    if rules.cashier_limit_fen > rules.manager_limit_fen:
        yield Fault(
            "cashier_limit_fen", ("收银的上限高于店长", "a cashier may refund more than a manager")
        )
    if rules.cashier_day_limit_fen < rules.cashier_limit_fen:
        yield Fault(
            "cashier_day_limit_fen", ("每天上限低于每单上限", "a day's limit is below one order's")
        )


def shares_above_most(rules: ShareRules, _: RuleFacts) -> Iterator[Fault]:
    parts = sum(term.ratio_bp or 0 for term in rules.terms)
    if parts > rules.max_share_bp:
        yield Fault(
            "terms",
            (
                f"分账比例共 {parts / 100:g}%，高于上限 {rules.max_share_bp / 100:g}%",
                f"{parts / 100:g} % in all, above max_share_bp",
            ),
        )


def quiet_too_short(rules: MessageRules, _: RuleFacts) -> Iterator[Fault]:
    since, until = (int(at[:2]) * 60 + int(at[3:]) for at in (rules.quiet.since, rules.quiet.until))
    if (until - since) % 1_440 < QUIET_HOURS * 60:
        yield Fault("quiet", ("静默时段不足 8 小时", "the quiet hours are shorter than 8 hours"))
