"""Finds the offer that a little more would bring, and proves it by pricing the larger cart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from huitou.promotions.discounts.models import CartLine, Outcome, Reason, Rule
from huitou.promotions.discounts.pieces import OpenPieces
from huitou.promotions.discounts.rules import covers, covers_for

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Scope

MOST_STEPS = 400  # The limit of one search here; a price that isn't proved by then is no hint.
MOST_STEPS_OF_ALL = 400  # The limit of all searches of one quote here.
_MOST_PRICED = 10  # So many carts are priced for one quote.
_MOST_OFFERS = 3  # Only the nearest offers are tried.
_MOST_DISHES = 3  # So many dishes are tried for each offer.
_MOST_PIECES = 20

Priced = Callable[[Sequence[CartLine]], Outcome]


class Further(NamedTuple):
    """If the guest adds `fen` (at menu prices) or `pieces`, `rule` takes off at least `off_fen`.

    `example` are dishes with quantities for which that was proved. `scopes` say which dishes count:
    one scope for each part that is missing.
    """

    rule: Rule
    fen: int
    pieces: int
    off_fen: int
    example: list[CartLine]
    scopes: list[Scope]


def next_step(
    lines: Sequence[CartLine], outcome: Outcome, dishes: Sequence[CartLine], priced: Priced
) -> Further | None:
    """Return the nearest offer that a little more would bring, None if no dish is found for one.

    `dishes` is one piece of everything the store offers. `priced` prices a cart under the same
    conditions as this one.
    """
    return _NextStepSearch(lines, dishes, priced).nearest(outcome)


class _NextStepSearch:
    def __init__(
        self, lines: Sequence[CartLine], dishes: Sequence[CartLine], priced: Priced
    ) -> None:
        self._lines, self._priced = list(lines), priced
        self._left = _MOST_PRICED
        ordered = {(line.dish_id, line.sku_id) for line in lines}
        # First try dishes that are in the cart already, then cheap ones.
        self._dishes = sorted(
            (dish for dish in dishes if dish.unit_fen),
            key=lambda d: ((d.dish_id, d.sku_id) not in ordered, d.unit_fen, d.dish_id, d.sku_id),
        )

    def nearest(self, outcome: Outcome) -> Further | None:
        near = [(r, why) for r, why in outcome.unused if why.code in ("short", "few_pieces")]
        near.sort(
            key=lambda one: (
                one[1].code != "short",
                one[1].fen,
                one[1].pieces,
                -(one[0].terms.off_fen or 0),
                one[0].order,
            )
        )
        for rule, why in near[:_MOST_OFFERS]:
            found = self._by_amount(rule, why) if why.code == "short" else self._by_pieces(rule)
            if found is not None:
                return found
        return None

    def _by_amount(self, rule: Rule, why: Reason) -> Further | None:
        """Find how much more it takes; other offers may take a part of what is added."""
        of_all = rule.terms.threshold_of == "order"
        counting = [dish for dish in self._dishes if of_all or covers_for(rule.terms, dish)]
        fen, off_fen = why.fen, 0
        for dish in counting[:_MOST_DISHES]:
            fen, off_fen = self._enough(rule, why.fen, dish)
            if off_fen:
                break
        if not off_fen:
            return None
        # First try dishes of which few pieces are enough, then cheap ones.
        counting.sort(key=lambda dish: (-(-fen // dish.unit_fen), dish.unit_fen))
        for dish in counting[:_MOST_DISHES]:
            example = [dish._replace(quantity=-(-fen // dish.unit_fen))]
            example_off_fen = 0
            if example[0].quantity <= _MOST_PIECES:
                example_off_fen, _ = self._priced_with(rule, example)
            if example_off_fen:
                scopes = [] if of_all else [rule.terms.scope]
                return Further(rule, fen, 0, min(off_fen, example_off_fen), example, scopes)
        return None

    def _enough(self, rule: Rule, short_fen: int, dish: CartLine) -> tuple[int, int]:
        """Return how much a dish like this one must cost, and what the offer then takes off."""
        fen = short_fen
        for _ in range(3):
            like = dish._replace(unit_fen=fen, bare_fen=fen)
            off_fen, still_fen = self._priced_with(rule, [like])
            if off_fen:
                return fen, off_fen
            if not 0 < still_fen < short_fen:
                break
            fen = -(-fen * short_fen // (short_fen - still_fen))
        return fen, 0

    def _by_pieces(self, rule: Rule) -> Further | None:
        """Find dishes for the missing pieces; for a bundle, one for each slot that isn't full."""
        terms = rule.terms
        if rule.arithmetic.of != "pieces":
            return None
        mine = [line for line in self._lines if covers_for(terms, line)]
        slots = [[covers(slot.scope, line) for line in mine] for slot in terms.slots]
        free, worth = [line.quantity for line in mine], [line.unit_fen for line in mine]
        missing = rule.arithmetic.missing(OpenPieces(worth, free, slots))
        scopes = [slot.scope for slot in terms.slots] or [terms.scope]
        wanted = [(s, n) for s, n in zip(scopes, missing, strict=True) if n]
        for example in self._examples(rule, wanted):
            off_fen, _ = self._priced_with(rule, example)
            if off_fen:
                pieces = sum(line.quantity for line in example)
                return Further(rule, 0, pieces, off_fen, example, [scope for scope, _ in wanted])
        return None

    def _examples(
        self, rule: Rule, wanted: Sequence[tuple[Scope, int]]
    ) -> Iterator[list[CartLine]]:
        counting = [dish for dish in self._dishes if covers_for(rule.terms, dish)]
        fitting = [[dish for dish in counting if covers(scope, dish)] for scope, _ in wanted]
        if not wanted or not all(fitting):
            return
        for number in range(_MOST_DISHES):  # The last try uses the most expensive dishes.
            last = number == _MOST_DISHES - 1
            yield [
                of[-1 if last else min(number, len(of) - 1)]._replace(quantity=pieces)
                for of, (_, pieces) in zip(fitting, wanted, strict=True)
            ]

    def _priced_with(self, rule: Rule, more: Sequence[CartLine]) -> tuple[int, int]:
        """Price the cart with more in it; return what the offer takes off and what it still lacks.

        Both are in fen, and one of them is 0. Both are 0 if nothing is proved.
        """
        if not self._left:
            return 0, 0
        self._left -= 1
        outcome = self._priced([*self._lines, *more])
        if not outcome.proved:
            return 0, 0
        for taken in outcome.taken:
            if taken.rule.source_id == rule.source_id and taken.rule.source == rule.source:
                return taken.amount_fen, 0
        same = (why for r, why in outcome.unused if r.source_id == rule.source_id)
        return 0, next((why.fen for why in same if why.code == "short"), 0)
