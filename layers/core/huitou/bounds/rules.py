"""How much offers could take off a cart at most, by the tree of groups: where a search may end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from huitou.discounts.models import NO_MOST, Rule, Taken, Tree


class Candidate:
    """An offer that might take something off this cart: its lines, and the most it could take."""

    __slots__ = ("by_item", "by_line", "contested", "forced", "mine", "most_fen", "rule", "shares",
                 "steady")  # fmt: skip

    def __init__(self, rule: Rule, mine: list[int], most: Taken) -> None:
        self.rule, self.mine = rule, mine
        self.most_fen, self.shares = most.amount_fen, most.shares
        self.contested = False
        self.steady = self.forced = False
        self.by_item = -1  # The group whose offers share out the lines among themselves.
        self.by_line: dict[int, int] = {}  # There: the most it takes off a line it wins alone.


class Totals:
    """How much the candidates added so far could take off together, by the tree of groups.

    `count` is how many offers of each group an order has already.
    """

    def __init__(self, tree: Tree, lines: int, count: Sequence[int]) -> None:
        self._tree, self._lines, self._count = tree, lines, count
        self._top = 0
        self._of: dict[int, list[tuple[Candidate, int]]] = {}
        self._within: dict[int, set[int]] = {}
        self._kept: dict[int, int] = {}

    def add(self, candidate: Candidate, most_fen: int) -> None:
        """Count one more, with the most that it could take off."""
        steps = candidate.rule.steps
        if not steps:
            self._top += most_fen
            return
        self._of.setdefault(steps[-1].group, []).append((candidate, most_fen))
        outer = -1
        for step in steps:
            self._within.setdefault(outer, set()).add(step.group)
            outer = step.group
            self._kept.pop(outer, None)

    def most(self) -> int:
        """Return the most that is possible."""
        return self._top + sum(map(self._group, self._within.get(-1, ())))

    def _group(self, group: int) -> int:
        if group in self._kept:
            return self._kept[group]
        own, tree = self._of.get(group, []), self._tree
        values = [most_fen for _, most_fen in own]
        if tree.by_item[group]:
            value = sum(max(c.by_line.get(n, 0) for c, _ in own) for n in range(self._lines))
            value = min(value, sum(values))
        else:
            values += [self._group(inner) for inner in self._within.get(group, ())]
            value = sum(values) if tree.modes[group] == "stack" else max(values)
        if tree.most[group] < NO_MOST:
            each = sorted(self._all(group), reverse=True)
            value = min(value, sum(each[: max(0, tree.most[group] - self._count[group])]))
        self._kept[group] = value
        return value

    def _all(self, group: int) -> Iterator[int]:
        yield from (most_fen for _, most_fen in self._of.get(group, []))
        for inner in self._within.get(group, ()):
            yield from self._all(inner)
