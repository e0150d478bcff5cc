"""The best price with the offers in force: in one pass if all can be combined, else by search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from huitou.promotions.best_price.carts import alike
from huitou.promotions.best_price.search import MOST_STEPS, best
from huitou.promotions.discounts.models import CartLine, Outcome, Reason, Rule, Taken
from huitou.promotions.discounts.pieces import OpenPieces
from huitou.promotions.discounts.rules import State, covers, why_nothing
from huitou.promotions.discounts.shares import allocate

if TYPE_CHECKING:
    from huitou.promotions.offers.rules import InForce, PlainRule

NONE_BLOCKED: Mapping[str, Reason] = MappingProxyType({})


def best_in_force(
    lines: Sequence[CartLine],
    in_force: InForce,
    more: Sequence[Rule] = (),
    delivery_fen: int = 0,
    blocked: Mapping[str, Reason] = NONE_BLOCKED,
    most_steps: int = MOST_STEPS,
) -> Outcome:
    """Return the best price with the offers in force and a member's own ones, `more`.

    `blocked` maps the ids of offers that limits keep out to the reason.
    """
    if not more and not delivery_fen and not blocked and in_force.plain is not None:
        outcome = _plainly(lines, in_force, in_force.plain)
        if outcome is not None:
            return outcome
    open_to = [rule for rule in in_force.rules if rule.source_id not in blocked]
    rules = sorted([*open_to, *more], key=lambda rule: rule.order)
    outcome = best(lines, rules, in_force.tree, delivery_fen, most_steps)
    outcome.unused += in_force.out
    outcome.unused += [
        (rule, blocked[rule.source_id]) for rule in in_force.rules if rule.source_id in blocked
    ]
    return outcome


def _plainly(
    lines: Sequence[CartLine], in_force: InForce, plain: Sequence[PlainRule]
) -> Outcome | None:
    """Price a cart in one pass; like the search, whatever the order of its rows."""
    if len({(line.dish_id, line.sku_id) for line in lines}) == len(lines):
        order = sorted(range(len(lines)), key=lines.__getitem__)
        return _all_of_them(lines, order, in_force, plain)
    cart = alike(lines)  # Some rows may belong to one line.
    outcome = _all_of_them(cart.lines, list(range(len(cart.lines))), in_force, plain)
    if outcome is not None:
        outcome.taken = cart.back(outcome.taken)
    return outcome


def _all_of_them(
    lines: Sequence[CartLine], order: list[int], in_force: InForce, plain: Sequence[PlainRule]
) -> Outcome | None:
    """Price a cart with all offers that apply, in one pass; none of them affects another.

    Each offer takes off the most it ever could, so no price is cheaper. If a fen is left over when
    an amount is shared out, the earlier line in `order` gets it. Returns None if a search is
    needed: two offers are about pieces of the same line, or offers together might take off more
    than a line costs.
    """
    full = [line.quantity * line.unit_fen for line in lines]
    count, total = len(lines), sum(full)
    left = full.copy()
    mine_of = _lines_of_each(lines, order, in_force)
    of_order = [full[n] for n in order]
    of_all: dict[int, list[int]] = {}  # The shares of an amount that is taken off the whole cart.
    claimed: set[int] = set()
    taken: list[Taken] = []
    unused = in_force.out.copy()
    for place, (rule, terms, threshold_fen, arithmetic, is_whole) in enumerate(plain):
        mine = order if is_whole else mine_of.get(place)
        if mine is None:
            unused.append(rule.no_item)
            continue
        times, pieces = 1, None
        if threshold_fen:
            over = is_whole or terms.threshold_of == "order"
            reached = total if over else sum([full[n] for n in mine])
            if reached < threshold_fen:
                unused.append((rule, Reason("short", threshold_fen - reached)))
                continue
            times = min(terms.most_times, reached // threshold_fen)
        if arithmetic.of == "pieces":
            if not claimed.isdisjoint(mine):
                return None
            claimed.update(mine)
            slots = [[covers(slot.scope, lines[n]) for n in mine] for slot in terms.slots]
            worth, free = [lines[n].unit_fen for n in mine], [lines[n].quantity for n in mine]
            amount, chosen, off = arithmetic.best(OpenPieces(worth, free, slots))
            shares, pieces = [0] * count, [0] * count
            for n, piece, share in zip(mine, chosen, off, strict=True):
                pieces[n], shares[n] = piece, share
                left[n] -= share
        elif is_whole:
            amount = arithmetic.off_fen(total, times)
            if amount not in of_all:
                of_all[amount] = shares = [0] * count
                for n, share in zip(order, allocate(amount, of_order), strict=True):
                    shares[n] = share
            shares = of_all[amount]
            left = [have - share for have, share in zip(left, shares, strict=True)]
        elif len(mine) == 1:
            n, shares = mine[0], [0] * count
            amount = shares[n] = arithmetic.off_fen(full[n], times)
            left[n] -= amount
        else:
            values, shares = [full[n] for n in mine], [0] * count
            amount = arithmetic.off_fen(sum(values), times)
            for n, share in zip(mine, allocate(amount, values), strict=True):
                shares[n] = share
                left[n] -= share
        if amount <= 0:
            unused.append((rule, _why_nothing(rule, mine, lines)))
            continue
        taken.append(Taken(rule, amount, shares, pieces))
    # If the shares are more than a line costs, the search must decide which offer takes what.
    return None if min(left, default=0) < 0 else Outcome(sum(left), 0, taken, unused)


def _lines_of_each(
    lines: Sequence[CartLine], order: list[int], in_force: InForce
) -> dict[int, list[int]]:
    """Return the lines that each rule covers, by the rule's place."""
    found: dict[int, list[int]] = {}
    for n in order:
        for place in in_force.about(lines[n]):
            if place in found:
                found[place].append(n)
            else:
                found[place] = [n]
    return found


def _why_nothing(rule: Rule, mine: Sequence[int], lines: Sequence[CartLine]) -> Reason:
    return why_nothing(rule, mine, State(lines, 0, 0), lines)
