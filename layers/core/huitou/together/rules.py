"""The best price among the offers in force: in one pass where all go together, else searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from huitou.assignment.rules import allocate, local_best
from huitou.combination.rules import best
from huitou.discounts.models import CartLine, Outcome, Reason, Rule, Taken
from huitou.discounts.rules import State, covers, why_nothing
from huitou.offers.rules import InForce

NOBODY: Mapping[str, Reason] = MappingProxyType({})


def best_in_force(
    lines: Sequence[CartLine], in_force: InForce, more: Sequence[Rule] = (),
    delivery_fen: int = 0, blocked: Mapping[str, Reason] = NOBODY,
) -> Outcome:  # fmt: skip
    """Return the best price among the offers in force and a member's own, `more`.

    `blocked` are offers, by their id, that limits keep out.
    """
    if not more and not delivery_fen and not blocked and in_force.plain:
        outcome = _all_of_them(lines, in_force)
        if outcome is not None:
            return outcome
    open_to = [rule for rule in in_force.rules if rule.source_id not in blocked]
    rules = sorted([*open_to, *more], key=lambda rule: rule.order)
    outcome = best(lines, rules, in_force.tree, delivery_fen)
    outcome.unused += in_force.out
    outcome.unused += [
        (rule, blocked[rule.source_id]) for rule in in_force.rules if rule.source_id in blocked
    ]
    return outcome


def _all_of_them(lines: Sequence[CartLine], in_force: InForce) -> Outcome | None:
    """Price a cart where no offer stands in another's way: all that apply, in one pass.

    Each takes off the most it ever could, so nothing is cheaper. None where two are about the
    pieces of one line, or together take off more than a line costs: that wants a search.
    """
    full = [line.quantity * line.unit_fen for line in lines]
    count, total = len(lines), sum(full)
    left = full.copy()
    mine_of: dict[int, list[int]] = {}
    for n, line in enumerate(lines):
        for place in in_force.about(line):
            if place in mine_of:
                mine_of[place].append(n)
            else:
                mine_of[place] = [n]
    everything, whole = list(range(count)), in_force.whole
    of_all: dict[int, list[int]] = {}  # How an amount is shared out over the whole cart.
    claimed: set[int] = set()
    taken: list[Taken] = []
    unused = in_force.out.copy()
    for place, rule in enumerate(in_force.rules):
        is_whole = place in whole
        mine = everything if is_whole else mine_of.get(place)
        if mine is None:
            unused.append(rule.no_item)
            continue
        terms, times, pieces = rule.terms, 1, None
        if terms.threshold_fen:
            over = is_whole or terms.threshold_of == "order"
            reached = total if over else sum(full[n] for n in mine)
            if reached < terms.threshold_fen:
                unused.append((rule, Reason("short", terms.threshold_fen - reached)))
                continue
            times = min(terms.most_times, reached // terms.threshold_fen)
        shares = [0] * count
        if rule.is_unit:
            if not claimed.isdisjoint(mine):
                return None
            claimed.update(mine)
            slots = [[covers(slot.scope, lines[n]) for n in mine] for slot in terms.slots]
            worth, free = [lines[n].unit_fen for n in mine], [lines[n].quantity for n in mine]
            amount, chosen, off = local_best(terms, worth, free, slots)
            pieces = [0] * count
            for n, piece, share in zip(mine, chosen, off, strict=True):
                pieces[n], shares[n] = piece, share
        else:
            if terms.kind == "amount_off":
                amount = (terms.off_fen or 0) * times
            else:
                value = total if is_whole else sum([full[n] for n in mine])
                amount = value * (terms.off_bp or 0) // 10_000
                if terms.cap_fen is not None and amount > terms.cap_fen:
                    amount = terms.cap_fen
            if is_whole:
                if amount not in of_all:
                    of_all[amount] = allocate(amount, full)
                shares = of_all[amount]
            elif len(mine) == 1:
                shares[mine[0]] = amount
            else:
                parts = allocate(amount, [full[n] for n in mine])
                for n, share in zip(mine, parts, strict=True):
                    shares[n] = share
        if amount <= 0:
            unused.append((rule, _too_few(rule, mine, lines)))
            continue
        for n in mine:
            left[n] -= shares[n]
        taken.append(Taken(rule, amount, shares, pieces))
    if min(left, default=0) < 0:
        return None
    return Outcome(sum(left), 0, taken, unused)


def _too_few(rule: Rule, mine: Sequence[int], lines: Sequence[CartLine]) -> Reason:
    return why_nothing(rule, mine, State(lines, 0, 0), lines)
