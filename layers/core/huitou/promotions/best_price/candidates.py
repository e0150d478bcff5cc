"""Finds the offers that could take anything off a cart, and facts that make the search shorter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from huitou.promotions.best_price.bounds import Candidate
from huitou.promotions.discounts.models import NO_MOST, CartLine, Reason, Rule, Tree
from huitou.promotions.discounts.rules import State, covers_for, is_of_fee, measure


class Prepared(NamedTuple):
    """All offers, in three lists.

    `candidates` might take something off. `short` take nothing off, because the cart has too little
    for them even before other offers (with the lines they cover). `never` can't apply (with the
    reason).
    """

    candidates: list[Candidate]
    short: list[tuple[Rule, list[int]]]
    never: list[tuple[Rule, Reason]]


def prepare(start: State, lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree) -> Prepared:
    """Sort out the offers that can't apply; find the most that each of the others could take off.

    That is what the offer takes off at the start: other offers can only make it less.
    """
    found = Prepared([], [], [])
    for rule in rules:
        if rule.out is not None:
            found.never.append((rule, rule.out))
            continue
        mine = [n for n, line in enumerate(lines) if covers_for(rule.terms, line)]
        most = measure(rule, mine, start, lines)
        if most is None:
            if mine:
                found.short.append((rule, mine))
            else:
                found.never.append(rule.no_item)
            continue
        candidate = Candidate(rule, mine, most)
        if tree.by_item[rule.steps[-1].group]:
            candidate.by_item = rule.steps[-1].group
            candidate.by_line = _by_line(candidate, start, lines)
        found.candidates.append(candidate)
    ended: set[int] = set()
    for candidate in reversed(found.candidates):
        candidate.last = candidate.by_item not in ended
        ended.add(candidate.by_item)
    _note_capped(found.candidates, start, lines)
    for number, candidate in enumerate(found.candidates):
        candidate.contested = candidate.rule.is_unit and (
            candidate.by_item >= 0 or _contested(number, found.candidates, tree)
        )
        candidate.steady = _steady(candidate, tree)
        candidate.forced = not candidate.rule.optional and _forced(
            candidate, found.candidates, tree
        )
    return found


def _by_line(candidate: Candidate, start: State, lines: Sequence[CartLine]) -> dict[int, int]:
    """Return the most that an offer could take off each line; the fee counts as the last line."""
    rule, most_fen = candidate.rule, candidate.most_fen
    if is_of_fee(rule):
        return {len(lines): most_fen}
    of_line = rule.arithmetic.most_of_line_fen
    return {n: min(most_fen, of_line(start.full[n], None)) for n in candidate.mine}


def _note_capped(candidates: Sequence[Candidate], start: State, lines: Sequence[CartLine]) -> None:
    """Set `capped` on the offers that may find less left on a line than they would take off it.

    Only earlier offers take from what is left, or close pieces. A discount that is shared out over
    whole lines by the running price never finds too little. An offer that doesn't count extras
    takes from the dish's part alone, so it needs more to be left.
    """
    taken = [0] * len(lines)
    closing = any(one.rule.terms.exclusive == "item" for one in candidates)
    for candidate in candidates:
        terms = candidate.rule.terms
        most = {n: _most_off(candidate, n, start, closing) for n in candidate.mine}
        for n, share in most.items():
            line = lines[n]
            bare = share * line.unit_fen // max(1, line.bare_fen) + 1
            needed = share if candidate.rule.with_addons else bare
            if (terms.base == "list" or candidate.rule.is_unit) and (
                taken[n] + needed > start.full[n]
            ):
                candidate.capped = True
        for n, share in most.items():
            # If one line has too little left, the rest of a discount goes to another line.
            bears = min(candidate.most_fen, start.full[n])
            if terms.exclusive == "item":  # No other offer gets anything of the closed pieces.
                bears = share = start.full[n]
            taken[n] += bears if candidate.capped else share


def _most_off(candidate: Candidate, n: int, start: State, closing: bool) -> int:
    """Return the most that an offer might take off a line if it isn't capped."""
    rule = candidate.rule
    fewer_lines = candidate.by_item >= 0 or closing
    share = candidate.shares[n] if rule.terms.base == "list" and not fewer_lines else None
    of_line = rule.arithmetic.most_of_line_fen(start.full[n], share)
    return min(candidate.most_fen, start.full[n], of_line)


def _plain_steps(rule: Rule, tree: Tree) -> bool:
    """Tell whether the tree lets an offer be combined with every other one."""
    return all(
        tree.modes[group] == "stack"
        and not tree.by_item[group]
        and tree.most[group] == NO_MOST
        and all(group not in names for names in tree.never)
        for group, _ in rule.steps
    )


def _forced(candidate: Candidate, candidates: Sequence[Candidate], tree: Tree) -> bool:
    """Tell whether no candidate can exclude this one, so that it may not be left out."""
    rule = candidate.rule
    return (
        rule.terms.exclusive == "none"
        and _plain_steps(rule, tree)
        and not any(
            other.rule.terms.exclusive == "order"
            or (
                other.rule.terms.exclusive == "item"
                and not set(other.mine).isdisjoint(candidate.mine)
            )
            for other in candidates
        )
    )


def _steady(candidate: Candidate, tree: Tree) -> bool:
    """Tell whether an offer takes the same off the same lines whatever else is taken."""
    terms = candidate.rule.terms
    return (
        terms.base == "list"
        and (terms.threshold_base == "list" or not terms.threshold_fen)
        and terms.exclusive == "none"
        and not candidate.contested
        and not candidate.capped
        and _plain_steps(candidate.rule, tree)
    )


def _contested(number: int, candidates: Sequence[Candidate], tree: Tree) -> bool:
    """Tell whether it may matter to the price which pieces an offer about single pieces uses.

    It doesn't matter if each later offer takes the same off anyway, or covers all the touched lines
    and takes a part of their sum. Then the choice that takes most off is best.
    """
    own = candidates[number]
    if own.capped:
        return True
    mine, closes = set(own.mine), own.rule.terms.exclusive == "item"
    for other in candidates[:number]:
        # An earlier offer that isn't optional may be left out only for the lines used here.
        if "item" in (other.rule.terms.exclusive, own.rule.terms.exclusive) and (
            not other.rule.optional and not mine.isdisjoint(other.mine)
        ):
            return True
    for other in candidates[number + 1 :]:
        terms, meets = other.rule.terms, not mine.isdisjoint(other.mine)
        if terms.threshold_fen and (
            (meets or terms.threshold_of == "order")
            and (closes or terms.threshold_base == "running")
        ):
            return True
        if not meets or is_of_fee(other.rule):
            continue
        if closes or other.rule.is_unit or terms.exclusive == "item" or other.rule.must:
            return True
        if other.by_item >= 0 or any(
            tree.modes[step.group] == "first" for step in other.rule.steps
        ):
            return True
        if other.capped:
            return True
        if terms.base == "list":
            continue
        if not mine <= set(other.mine) or not other.rule.with_addons:
            return True
        mine |= set(other.mine)
    return False
