"""What an order earns, what it keeps after refunds, and how long points are valid."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from huitou.catalog.stores.rules import in_hours
from huitou.loyalty.earning.models import EarningRule, EarningTerms, FirstOrderBonus, WentBack
from huitou.loyalty.points.models import NEVER, ON_COMPLETION, Expiry, PointsRules, RuleRef, Usable
from huitou.runtime.errors import Lang
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.loyalty.points.rules import Award

if TYPE_CHECKING:
    from huitou.loyalty.tiers.models import Level
    from huitou.promotions.discounts.models import Discount, Line

BonusEvent = Literal["review", "check_in"]  # Events that aren't orders.
BonusOutcome = Literal["awarded", "awarded_before", "nothing_left", "no_rule"]
ONCE = 10_000  # A multiplier of one, in basis points.


@dataclass(frozen=True)
class Purchase:
    """The part of an order or a cart that earning reads; `at` is when it was paid, in any zone."""

    lines: Sequence[Line]
    discounts: Sequence[Discount]
    store_id: str | None
    zone: str
    business_day: str
    at: datetime


def expires_after(expiry: Expiry, day: str) -> str:
    """Return the last day on which points given on this business day are valid."""
    given = date.fromisoformat(day)
    if expiry.kind == "never":
        return NEVER
    if expiry.kind == "end_of_next_year":
        return date(given.year + 1, 12, 31).isoformat()
    years, month = divmod(given.month - 1 + expiry.months, 12)
    year, month = given.year + years, month + 1
    # In a shorter month the 31st becomes the last day.
    return date(year, month, min(given.day, monthrange(year, month)[1])).isoformat()


def usable_from(usable: Usable, day: str) -> str | None:
    """Return the first day on which points given on this business day may be spent.

    None means at once; ON_COMPLETION means when the order is completed.
    """
    if usable.kind == "at_once":
        return None
    if usable.kind == "on_completion":
        return ON_COMPLETION
    return (date.fromisoformat(day) + timedelta(days=usable.days)).isoformat()


def terms_for(
    points: PointsRules,
    rules: Iterable[EarningRule],
    purchase: Purchase,
    level: Level,
    tier_rules_revision: int,
    birthday: date | None = None,
) -> EarningTerms:
    """Return the terms by which this purchase earns; the order keeps those of when it is paid."""
    met = [rule for rule in rules if meets(rule, purchase, level.level, birthday)]
    multipliers = [rule for rule in met if rule.kind == "multiplier"]
    tier_bp = level.points_multiplier_bp
    weights: list[int] = []
    applied: dict[str, EarningRule] = {}
    for number, line in enumerate(purchase.lines):
        counted_fen = _counted_fen(points, line, number, purchase.discounts)
        meeting = [rule for rule in multipliers if counted_fen and _meets_line(rule, line)]
        applied |= {rule.id: rule for rule in meeting}
        extra_bp = sum((rule.multiplier_bp or ONCE) - ONCE for rule in meeting)
        weights.append(counted_fen * max(0, tier_bp + extra_bp))
    return EarningTerms(
        tier=level.level,
        tier_rules_revision=tier_rules_revision,
        points_rules_revision=points.revision,
        fen_per_point=points.fen_per_point_by_tier.get(level.level, points.fen_per_point),
        weights=weights,
        paid_by_line=_paid_by_line(purchase),
        rules=[_reference_to(rule) for rule in applied.values()],
        order_points=points.caps.order_points,
        day_points=points.caps.day_points,
        month_points=points.caps.month_points,
        expires_on=expires_after(points.expiry, purchase.business_day),
        usable=usable_from(points.usable, purchase.business_day),
        claw_back=points.claw_back,
        return_expired_days=points.return_expired_days,
        first_order=[
            FirstOrderBonus(rule_id=rule.id, revision=rule.revision, points=rule.points or 0)
            for rule in met
            if rule.event == "first_order"
        ],
    )


def bonuses_for(
    rules: Iterable[EarningRule],
    event: BonusEvent,
    moment: Purchase,
    tier: str,
    birthday: date | None = None,
) -> list[EarningRule]:
    """Return the rules that give something for an event at this moment.

    An event has no dishes and no store: a rule that names any isn't met.
    """
    offered = (rule for rule in rules if rule.kind == "bonus" and rule.event == event)
    return [rule for rule in offered if meets(rule, moment, tier, birthday)]


def bonus_award(points: PointsRules, day: str) -> Award:
    """Return the lot of an event's bonus; without an order, ON_COMPLETION becomes at once."""
    usable = usable_from(points.usable, day)
    held_until = expires_after(points.expiry, day)
    return Award(held_until, None if usable == ON_COMPLETION else usable)


def bonus_words(outcome: BonusOutcome, points: int, lang: Lang) -> str:
    """Say what an event has brought."""
    chinese, english = {
        "awarded": (f"获得 {points} 积分", f"{points} points for you"),
        "awarded_before": (f"已获得 {points} 积分", f"You have had {points} points for this"),
        "nothing_left": ("积分已达上限", "You have earned all that can be earned for now"),
        "no_rule": ("当前没有积分奖励", "There are no points for this at present"),
    }[outcome]
    return english if lang == "en" else chinese


def history_terms(
    points: PointsRules, level: Level, tier_rules_revision: int, day: str, *, earns: bool
) -> EarningTerms:
    """Return the terms of an imported past order: today's rate, on its own business day.

    Today's promotions and caps don't apply, and the wait until points are usable is over. `earns`
    is False if the chain's balances are migrated separately: then its orders only count as spend.
    """
    return EarningTerms(
        tier=level.level,
        tier_rules_revision=tier_rules_revision,
        points_rules_revision=points.revision,
        fen_per_point=points.fen_per_point_by_tier.get(level.level, points.fen_per_point),
        order_points=None if earns else 0,
        expires_on=expires_after(points.expiry, day),
        claw_back=points.claw_back,
        return_expired_days=points.return_expired_days,
    )


def _paid_by_line(purchase: Purchase) -> list[int]:
    return [
        line.list_fen - sum(discount.by_line_fen[number] for discount in purchase.discounts)
        for number, line in enumerate(purchase.lines)
    ]


def in_force(rule: EarningRule, day: str) -> bool:
    """Tell whether the rule is valid on this business day; its first and last day are included."""
    on = date.fromisoformat(day)
    return (rule.valid_from is None or rule.valid_from <= on) and (
        rule.valid_until is None or on <= rule.valid_until
    )


def meets(rule: EarningRule, purchase: Purchase, tier: str, birthday: date | None) -> bool:
    """Tell whether a purchase meets all conditions of a rule: at least one line is of its dishes.

    An order at 01:30 belongs to the business day, and the weekday, of the evening before. Hours
    are compared with the wall clock.
    """
    return (
        in_force(rule, purchase.business_day)
        and _is_on(rule, purchase)
        and (not rule.store_ids or purchase.store_id in rule.store_ids)
        and (not rule.tiers or tier in rule.tiers)
        and _is_birthday(rule, birthday, date.fromisoformat(purchase.business_day))
        and (_is_for_all(rule) or any(_meets_line(rule, line) for line in purchase.lines))
    )


def asks_birthday(rules: Iterable[EarningRule], day: str) -> bool:
    """Tell whether a rule in force depends on the member's birthday."""
    return any(rule.birthday is not None and in_force(rule, day) for rule in rules)


def _is_on(rule: EarningRule, purchase: Purchase) -> bool:
    weekday = date.fromisoformat(purchase.business_day).weekday()
    clock = purchase.at.astimezone(ZoneInfo(purchase.zone)).strftime("%H:%M")
    return (not rule.weekdays or weekday in rule.weekdays) and (
        not rule.hours or any(in_hours(hours, clock) for hours in rule.hours)
    )


def _is_birthday(rule: EarningRule, birthday: date | None, day: date) -> bool:
    if rule.birthday is None:
        return True
    if birthday is None or birthday.month != day.month:
        return False
    # A birthday on 29 February is celebrated on the 28th in other years.
    on = min(birthday.day, monthrange(day.year, day.month)[1])
    return rule.birthday == "month" or on == day.day


def _is_for_all(rule: EarningRule) -> bool:
    return not rule.dish_ids and not rule.categories


def _meets_line(rule: EarningRule, line: Line) -> bool:
    """Tell whether a rule applies to this line: by its dish, by its category, or to all lines."""
    named = line.dish_id in rule.dish_ids or line.category in rule.categories
    return _is_for_all(rule) or named


def _counted_fen(
    points: PointsRules, line: Line, number: int, discounts: Sequence[Discount]
) -> int:
    """Return the fen of a line that earn: what is paid, and discounts that count as paid."""
    if line.dish_id in points.excluded_dish_ids or line.category in points.excluded_categories:
        return 0
    counts = {"coupon": points.counts_coupon_part, "points": points.counts_points_part}
    off_fen = sum(d.by_line_fen[number] for d in discounts if not counts.get(d.kind, False))
    return min(line.list_fen, max(0, line.list_fen - off_fen))


def _reference_to(rule: EarningRule) -> RuleRef:
    return RuleRef(rule_id=rule.id, revision=rule.revision)


def whole_award(terms: EarningTerms, paid_fen: int) -> Fraction:
    """Return the exact points an order is worth: its weights divided by the rate, up to its cap."""
    weight = sum(terms.weights) if terms.weights else paid_fen * ONCE
    worth = Fraction(weight, terms.fen_per_point * ONCE)
    return worth if terms.order_points is None else min(worth, Fraction(terms.order_points))


def awarded(terms: EarningTerms, paid_fen: int, room: int | None = None) -> int:
    """Return the points an order earns: rounded down, at most `room`, which other caps leave."""
    points = int(whole_award(terms, paid_fen))
    return points if room is None else min(points, max(0, room))


def kept(
    terms: EarningTerms,
    lines_paid_fen: Sequence[int],
    paid_fen: int,
    award: int,
    refunds: Sequence[WentBack],
    *,
    wholly: bool = False,
) -> int:
    """Return how many points of its award an order keeps after these refunds.

    `award` is what was given, `lines_paid_fen` what was paid for each line. The result is the
    exact award (or what a cap left of it) times the part of the order that remains, rounded down
    once. It depends only on the sums refunded per line and without lines: the order of refunds
    doesn't matter, and rounding loses nothing. If all lines have one multiplier, it equals what
    the rest of the order would earn.
    """
    if wholly:
        return 0
    worth = whole_award(terms, paid_fen)
    base = worth if int(worth) == award else Fraction(award)
    return int(base * _remaining(terms, lines_paid_fen, paid_fen, refunds))


def _remaining(
    terms: EarningTerms,
    lines_paid_fen: Sequence[int],
    paid_fen: int,
    refunds: Sequence[WentBack],
) -> Fraction:
    """Return the part of an order's weight that was not refunded, from 0 to 1.

    Only lines earn. Other payments (delivery fee, packaging, tip, rounding) bear their share of
    money refunded without lines, but take nothing from what lines have earned. Another refund
    never makes the part larger, since no factor grows with it.
    """
    refunded_fen = sum(refund.amount_fen for refund in refunds)
    if paid_fen <= 0:  # Paid with coupon and points only: no money can go back.
        return Fraction(1)
    left_fen = max(0, paid_fen - refunded_fen)
    whole = sum(terms.weights)
    if not whole or len(terms.weights) != len(lines_paid_fen):
        return Fraction(left_fen, paid_fen)
    left = list(lines_paid_fen)
    for refund in refunds:
        for back in refund.lines:
            left[back.line] -= back.amount_fen
    goods_fen, goods_left_fen = sum(lines_paid_fen), max(0, sum(left))
    # A line that cost nothing may earn too: it shrinks like the other lines together.
    beside = Fraction(goods_left_fen, goods_fen) if goods_fen else Fraction(1)
    rest = sum(
        (
            weight * (Fraction(max(0, line_left), paid) if paid else beside)
            for weight, line_left, paid in zip(terms.weights, left, lines_paid_fen, strict=True)
        ),
        Fraction(0),
    )
    # Money refunded without lines takes the same share of each line's rest, and of the fee.
    not_by_line_fen = goods_left_fen + (paid_fen - goods_fen)
    if not_by_line_fen <= 0:
        return Fraction(0)
    return rest * Fraction(min(left_fen, not_by_line_fen), not_by_line_fen) / whole


def points_back(points_used: int, paid_fen: int, refunded_fen: int, *, wholly: bool) -> int:
    """Return how many of the points used for an order have come back, after all refunds so far.

    They come back in proportion to the money, rounded down; if all goes back, all points do.
    """
    if wholly:
        return points_used
    if paid_fen <= 0:
        return 0
    return points_used * min(refunded_fen, paid_fen) // paid_fen
