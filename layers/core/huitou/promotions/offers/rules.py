"""Which offers are in force at a store and moment, compiled once and in the order they apply."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import count
from typing import NamedTuple

from huitou.catalog.stores.rules import in_hours
from huitou.promotions.discounts.amounts import LinesOff
from huitou.promotions.discounts.models import (
    NO_MOST,
    CartLine,
    Reason,
    ReasonCode,
    Rule,
    Source,
    Step,
    Tree,
)
from huitou.promotions.discounts.pieces import PiecesOff
from huitou.promotions.discounts.rules import covers_for
from huitou.promotions.offers.kinds import PLACE_OF
from huitou.promotions.offers.models import MEMBER, Group, Offer, Scope, StackingRules, Terms

PlainRule = tuple[Rule, Terms, int, LinesOff | PiecesOff, bool]
# So many offers may be in force at one store on one day. The time of a quote grows with them; a
# chain has tens.
MOST_AT_ONCE = 100
SOURCES: tuple[Source, ...] = ("tier", "offer", "coupon")


class Context(NamedTuple):
    """Where, when and for whom a cart is priced: the facts besides the cart that terms ask for.

    `day` is the store's business day, `clock` its local time as HH:MM.
    """

    store_id: str
    day: date
    clock: str
    mode: str
    channel: str
    tier: str
    first_order: bool


class Compiled:
    """All offers and one revision of the tree, prepared to find those in force in a context."""

    def __init__(self, offers: Iterable[Offer], stacking: StackingRules) -> None:
        self.stacking = stacking
        self.tree, self._steps, self._places = _number(stacking)
        self.groups = frozenset(self._steps)
        # Offers get child numbers from here on; groups within a group have small ones.
        self._children = count(NO_MOST)
        self.offers = {offer.id: offer for offer in offers}
        self._rules = [
            self.rule(
                Rule(
                    "offer",
                    offer.id,
                    offer.revision,
                    offer.name,
                    offer.terms,
                    offer.group,
                    offer.priority,
                    offer.borne_by,
                    optional=offer.optional,
                )
            )
            for offer in self.offers.values()
        ]
        self.limited = [offer for offer in self.offers.values() if offer.limits.any]
        self.for_first_order = any(o.terms.first_order for o in self.offers.values())
        self._kept: dict[Context, InForce] = {}

    def rule(self, rule: Rule) -> Rule:
        """Set a rule's place in the tree and its order among all rules; return the same rule."""
        place = self._places.get(rule.group, len(self._places))
        rule.steps = self._steps.get(rule.group, ())
        if rule.steps:  # Each offer is a child of its own in its group.
            last = rule.steps[-1]
            rule.steps = (*rule.steps[:-1], Step(last.group, next(self._children)))
        rule.whole = rule.terms.scope == Scope() and not rule.terms.slots
        # The order is the same for all members. The ids of a member's own coupons come last: they
        # only decide between coupons that are otherwise equal.
        rule.order = (
            place,
            -rule.priority,
            PLACE_OF[rule.terms.kind],
            SOURCES.index(rule.source),
            rule.kin or rule.source_id,
            rule.revision,
            rule.soonest,
            rule.source_id,
        )
        return rule

    def at(self, context: Context) -> InForce:
        """Return the offers in force in a context; keeps the answer for the next cart."""
        found = self._kept.get(context)
        if found is None:
            if len(self._kept) >= 200:
                self._kept.clear()
            found = self._kept[context] = InForce(self, self._rules, context)
        return found


class InForce:
    """The offers in force in one context, and for each dish those that cover it."""

    def __init__(self, compiled: Compiled, rules: Iterable[Rule], context: Context) -> None:
        self.context, self.tree = context, compiled.tree
        self.out: list[tuple[Rule, Reason]] = []
        self.rules: list[Rule] = []
        for rule in sorted(rules, key=lambda rule: rule.order):
            offer = compiled.offers[rule.source_id]
            reason = _not_on(offer, context) or out_of(rule.terms, context)
            # The tree has lost the rule's group, so nothing says with what it may be combined.
            if not rule.steps:
                reason = "no_group"
            if reason:
                self.out.append((rule, Reason(reason)))
            else:
                self.rules.append(rule)
        # The facts about each rule that one pass needs: the rule, its terms, its threshold, its
        # arithmetic, and whether it covers every line. None if one pass isn't enough for a rule.
        rows = [self._plain(rule) for rule in self.rules]
        plain = [row for row in rows if row is not None]
        self.plain = plain if len(plain) == len(rows) else None
        self._by_dish: dict[tuple[str, str, str], tuple[int, ...]] = {}

    def _plain(self, rule: Rule) -> PlainRule | None:
        """Return the facts for one pass; None if the offer and others may affect each other."""
        terms, tree, arithmetic = rule.terms, self.tree, rule.arithmetic
        if arithmetic.of == "fee":
            return None
        plain = (
            terms.base == "list"
            and (terms.threshold_base == "list" or not terms.threshold_fen)
            and terms.exclusive == "none"
            and rule.with_addons
            and not tree.never
            and all(
                tree.modes[g] == "stack" and not tree.by_item[g] and tree.most[g] == NO_MOST
                for g, _ in rule.steps
            )
        )
        if not plain:
            return None
        return rule, terms, terms.threshold_fen, arithmetic, rule.whole

    def about(self, line: CartLine) -> tuple[int, ...]:
        """Return the places of the rules that cover this line, but not every line; keeps them."""
        key = (line.dish_id, line.sku_id, line.category)
        found = self._by_dish.get(key)
        if found is None:
            found = self._by_dish[key] = tuple(
                place
                for place, rule in enumerate(self.rules)
                if not rule.whole and covers_for(rule.terms, line)
            )
        return found


def out_of(terms: Terms, context: Context) -> ReasonCode | None:
    """Return why an offer doesn't apply at this store, to this member or now; None if it does."""
    if terms.store_ids and context.store_id not in terms.store_ids:
        return "wrong_store"
    if terms.modes and context.mode not in terms.modes:
        return "wrong_mode"
    if terms.channels and context.channel not in terms.channels:
        return "wrong_channel"
    if terms.tiers and context.tier not in terms.tiers:
        return "wrong_tier"
    if terms.first_order and not context.first_order:
        return "not_first_order"
    if terms.weekdays and context.day.weekday() not in terms.weekdays:
        return "wrong_day"
    if terms.hours and not any(in_hours(hours, context.clock) for hours in terms.hours):
        return "wrong_hours"
    return None


def _not_on(offer: Offer, context: Context) -> ReasonCode | None:
    if offer.paused:
        return "paused"
    if offer.valid_from and context.day < offer.valid_from:
        return "not_yet"
    return "ended" if offer.valid_until and context.day > offer.valid_until else None


def crowded_store(before: Sequence[Offer], after: Sequence[Offer], today: date) -> str | None:
    """Return a store with more than MOST_AT_ONCE offers on some day from today on; else None.

    The answer is "" if that holds for every store. A store that had as many before isn't named, so
    that a chain which stored more can still change its offers.
    """
    had = _most_at_once(before, today)
    return next(
        (
            store
            for store, most in _most_at_once(after, today).items()
            if most > max(MOST_AT_ONCE, had.get(store, had[""]))
        ),
        None,
    )


def _most_at_once(offers: Sequence[Offer], today: date) -> dict[str, int]:
    """Return the most offers on one day of each store that an offer names; "" is any other one."""
    everywhere: list[tuple[date, date]] = []
    own: dict[str, list[tuple[date, date]]] = {}
    for offer in offers:
        days = max(offer.valid_from or today, today), offer.valid_until or date.max
        for store in offer.terms.store_ids:
            own.setdefault(store, []).append(days)
        if not offer.terms.store_ids:
            everywhere.append(days)
    return {
        "": _most_overlapping(everywhere),
        **{store: _most_overlapping([*everywhere, *days]) for store, days in own.items()},
    }


def _most_overlapping(spans: Sequence[tuple[date, date]]) -> int:
    """Return how many of these spans of days have one day in common; both ends are included."""
    first_days = sorted(first for first, _ in spans)
    last_days = sorted(last for _, last in spans)
    return max(
        (n - bisect_left(last_days, day) for n, day in enumerate(first_days, start=1)), default=0
    )


def _number(
    stacking: StackingRules,
) -> tuple[Tree, Mapping[str, tuple[Step, ...]], Mapping[str, int]]:
    """Number the groups depth first.

    Returns the numbered tree, the steps from the top to each group, and each group's number.
    """
    modes: list[str] = []
    by_item: list[bool] = []
    most: list[int] = []
    steps: dict[str, tuple[Step, ...]] = {}

    def walk(groups: Sequence[Group], above: tuple[Step, ...]) -> None:
        for child, group in enumerate(groups):
            number = len(modes)
            modes.append(group.mode)
            # Older trees may have `stack` per item, which means the same as `stack`.
            by_item.append(group.per == "item" and group.mode != "stack")
            most.append(group.most or NO_MOST)
            reached = (*above[:-1], above[-1]._replace(child=child)) if above else ()
            steps[group.group] = (*reached, Step(number, 0))
            walk(group.groups, steps[group.group])

    walk(stacking.groups, ())
    places = {name: place for place, name in enumerate(steps)}
    never = tuple(
        frozenset(steps[name][-1].group for name in names) for names in stacking.never_together
    )
    tree = Tree(tuple(modes), tuple(by_item), tuple(most), never)
    return tree, steps, places


def tier_rule(level: str, name: str, discount_bp: int, revision: int) -> Rule | None:
    """Return a tier's discount as a rule of the group `member`; None for a tier without one."""
    if discount_bp >= 10_000:
        return None
    terms = Terms(kind="percent_off", off_bp=10_000 - discount_bp, base="running")
    return Rule("tier", level, revision, name, terms, MEMBER)
