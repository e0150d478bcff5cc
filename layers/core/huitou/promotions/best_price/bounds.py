"""Upper bounds for what offers can take off a cart, by the tree of groups.

The search ends a branch if even the bound can't make it cheaper than the best price found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from huitou.promotions.discounts.models import NO_MOST, Rule, Taken, Tree


class Candidate:
    """An offer that might take something off this cart: its lines, and the most it could take.

    `capped`: a line may have less left than the offer would take off. `contested`: it may matter
    to other offers which pieces this one uses. `steady`: the offer takes the same off the same
    lines whatever else is taken. `shifts`: it depends on earlier offers which lines get its
    discount. `forced`: no other offer can exclude it, so it must be used. `by_item` is the offer's
    group if that is a group per item, else -1. In such a group `by_line` is the most that the
    offer takes off each line (the delivery fee counts as the last line), and `last` says that no
    offer of the group comes after it.
    """

    __slots__ = ("by_item", "by_line", "capped", "contested", "forced", "last", "mine", "most_fen",
                 "rule", "shares", "shifts", "steady")  # fmt: skip

    def __init__(self, rule: Rule, mine: list[int], most: Taken) -> None:
        self.rule, self.mine = rule, mine
        self.most_fen, self.shares = most.amount_fen, most.shares
        self.capped = self.contested = self.steady = False
        terms = rule.terms
        self.shifts = terms.base == "running" and rule.arithmetic.compares_lines
        self.forced = self.last = False
        self.by_item = -1
        self.by_line: dict[int, int] = {}


class Totals:
    """How much the candidates added so far could take off together, by the tree of groups.

    `count` is how many offers of each group the order has already. `given` are, for each group per
    item, the lines that one of its offers has. `missed` is (group, fen): the bound of that group
    per item is known to be lower by this amount; (-1, 0) means no group.
    """

    def __init__(
        self,
        tree: Tree,
        lines: int,
        count: Sequence[int],
        given: Sequence[int],
        missed: tuple[int, int] = (-1, 0),
    ) -> None:
        self._tree, self._lines, self._count, self._given = tree, lines, count, given
        self._missed = missed
        self._own: dict[int, list[int]] = {}
        self._sums: dict[int, int] = {}
        self._best_of_line: dict[int, list[int]] = {}
        self._within: dict[int, set[int]] = {}
        self._kept: dict[int, int] = {}

    def add(self, candidate: Candidate, most_fen: int) -> None:
        """Add a candidate with the most that it could take off.

        What a group's bound follows from is kept up here. A bound for each of five hundred offers
        would else go through all of them for each line.
        """
        steps = candidate.rule.steps
        group = steps[-1].group
        self._own.setdefault(group, []).append(most_fen)
        self._sums[group] = self._sums.get(group, 0) + most_fen
        if self._tree.by_item[group]:
            best = self._best_of_line.setdefault(group, [0] * (self._lines + 1))
            for n, most_of_line_fen in candidate.by_line.items():
                best[n] = max(best[n], most_of_line_fen)
        outer = -1
        for step in steps:
            self._within.setdefault(outer, set()).add(step.group)
            outer = step.group
            self._kept.pop(outer, None)

    def most(self) -> int:
        """Return the most that all added candidates could take off together."""
        return sum(map(self._group, self._within.get(-1, ())))

    def _group(self, group: int) -> int:
        if group in self._kept:
            return self._kept[group]
        tree, of_own = self._tree, self._sums.get(group, 0)
        if tree.by_item[group]:
            given = self._given[group]
            best = enumerate(self._best_of_line.get(group, ()))
            value = sum(fen for n, fen in best if not given >> n & 1)
            if group == self._missed[0]:
                value -= self._missed[1]
            value = min(value, of_own)
        else:
            inner = [self._group(inner) for inner in self._within.get(group, ())]
            if tree.modes[group] == "stack":
                value = of_own + sum(inner)
            else:
                value = max([*self._own.get(group, ()), *inner])
        if tree.most[group] < NO_MOST:
            each = sorted(self._all(group), reverse=True)
            value = min(value, sum(each[: max(0, tree.most[group] - self._count[group])]))
        self._kept[group] = value
        return value

    def _all(self, group: int) -> Iterator[int]:
        yield from self._own.get(group, ())
        for inner in self._within.get(group, ()):
            yield from self._all(inner)


def subsets(losses: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield every subset of flipped lines as (its loss, its bits), the least loss first.

    `losses` are sorted. Each subset comes from an earlier one by one more flip, or by moving its
    last flip to the next line. Neither makes the loss smaller.
    """
    yield 0, 0
    if not losses:
        return
    heap = [(losses[0][0], 0, losses[0][1])]
    while heap:
        loss, last, bits = heappop(heap)
        yield loss, bits
        if last + 1 < len(losses):
            more, bit = losses[last + 1]
            heappush(heap, (loss + more, last + 1, bits | bit))
            heappush(heap, (loss + more - losses[last][0], last + 1, bits ^ losses[last][1] | bit))
