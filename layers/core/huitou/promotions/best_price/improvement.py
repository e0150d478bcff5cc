"""Betters a price that the search couldn't prove: it takes what applies, less single offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huitou.promotions.best_price.search import Search


def improve(search: Search) -> None:
    """Try prices that leave out few offers; the search keeps the best one.

    A search that stopped early has seen only what begins like its first price. So this takes every
    offer that applies, in order, and then leaves out each one once, as long as that helps. The
    price is never higher than the one with every offer that applies.
    """
    best_key, best, steps = search.key, search.best, search.steps_left
    search.steps_left = search.most_steps // 4
    base: frozenset[int] = frozenset()
    while True:
        bettered = base
        for left_out in (base, *(base | {number} for number in range(len(search.candidates)))):
            if search.steps_left < 0:
                break
            search.key, search.best = None, search.start
            _dive(search, left_out)
            if search.key is not None and (best_key is None or search.key < best_key):
                best_key, best, bettered = search.key, search.best, left_out
        if bettered == base:
            break
        base = bettered
    search.key, search.best, search.steps_left = best_key, best, steps


def _dive(search: Search, left_out: frozenset[int]) -> None:
    """Take the first way of each offer but those left out, and keep the price if it is legal."""
    state, candidates = search.start, search.candidates
    search.steps_left -= 1 + len(candidates) * len(search.lines) // 150
    for number, candidate in enumerate(candidates):
        way = next(search.ways(number, state), None)
        if way is None and candidate.rule.must:
            return
        if way is not None and number in left_out:
            if candidate.rule.must or candidate.forced:
                return
            state = search.passed_over(candidate, state)
        elif way is not None:
            state = search.after(candidate, way, state)
        if search.owes(candidate, state):
            return
    search.keep(state)
