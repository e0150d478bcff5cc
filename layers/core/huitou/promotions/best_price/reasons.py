"""Finds the reason why each unused offer isn't in the best combination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from huitou.promotions.discounts.models import CartLine, Reason, Rule, Tree
from huitou.promotions.discounts.rules import (
    State,
    commit,
    conflict,
    measure,
    uses_any,
    why_nothing,
)

if TYPE_CHECKING:
    from huitou.promotions.best_price.bounds import Candidate


class FinishedSearch(NamedTuple):
    """A finished search: the offers it tried, the state it began with and the best one it found."""

    candidates: Sequence[Candidate]
    short: Sequence[tuple[Rule, list[int]]]
    start: State
    best: State
    lines: Sequence[CartLine]
    tree: Tree


def reasons(end: FinishedSearch) -> Iterator[tuple[Rule, Reason]]:
    """Go through the best combination again and yield what kept each unused offer out at its turn.

    A missing amount is also measured at the offer's turn: pieces that an exclusive offer has taken
    by then don't count.
    """
    state = end.start.copy()
    took = {id(one.rule): one for one in end.best.taken}
    short = iter(end.short)
    following = next(short, None)
    for candidate in end.candidates:
        rule = candidate.rule
        while following is not None and following[0].order < rule.order:
            yield following[0], why_nothing(*following, state, end.lines)
            following = next(short, None)
        one = took.get(id(rule))
        if one is not None:
            commit(one, state, end.lines)
            continue
        yield rule, _why_not(candidate, state, end)
    while following is not None:
        yield following[0], why_nothing(*following, state, end.lines)
        following = next(short, None)


def _why_not(candidate: Candidate, state: State, end: FinishedSearch) -> Reason:
    rule = candidate.rule
    against = conflict(rule, state, end.tree)
    if against is not None:
        return against
    if measure(rule, candidate.mine, state, end.lines) is None:
        return why_nothing(rule, candidate.mine, state, end.lines)
    # The offer would have applied at its turn, but a later offer is the better choice.
    later = conflict(rule, end.best, end.tree)
    if later is None and candidate.by_item >= 0:
        later = next(
            (
                Reason("not_together", by=taken.rule.name)
                for taken in end.best.taken
                if taken.rule.group == rule.group and uses_any(taken, candidate.mine)
            ),
            None,
        )
    return later or Reason("dearer")
