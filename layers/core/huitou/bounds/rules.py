"""How much offers could take off a cart at most, by the tree of groups: where a search may end."""

from __future__ import annotations

from collections.abc import Iterator

from huitou.discounts.models import Rule, Taken, Tree


class Candidate:
    """An offer that might take something off this cart: its lines, and the most it could take."""

    __slots__ = ("by_item", "by_line", "contested", "mine", "most_fen", "rule", "shares")

    def __init__(self, rule: Rule, mine: list[int], most: Taken) -> None:
        self.rule, self.mine = rule, mine
        self.most_fen, self.shares = most.amount_fen, most.shares
        self.contested = False
        self.by_item = -1  # The group whose offers share out the lines among themselves.
        self.by_line: dict[int, int] = {}  # There: the most it takes off a line it wins alone.


class Totals:
    """How much the candidates added so far could take off together, by the tree of groups."""

    def __init__(self, tree: Tree, lines: int) -> None:
        self._tree, self._lines = tree, lines
        self._top: list[Candidate] = []
        self._of: dict[int, list[Candidate]] = {}
        self._within: dict[int, set[int]] = {}
        self._kept: dict[int, int] = {}

    def add(self, candidate: Candidate) -> None:
        """Count one more."""
        groups = [step.group for step in candidate.rule.steps]
        if not groups:
            self._top.append(candidate)
            return
        self._of.setdefault(groups[-1], []).append(candidate)
        for outer, inner in zip([-1, *groups], groups, strict=False):
            self._within.setdefault(outer, set()).add(inner)
        for group in groups:
            self._kept.pop(group, None)

    def most(self) -> int:
        """Return the most that is possible."""
        return sum(c.most_fen for c in self._top) + sum(map(self._group, self._within.get(-1, ())))

    def _group(self, group: int) -> int:
        if group in self._kept:
            return self._kept[group]
        own = self._of.get(group, [])
        if self._tree.by_item[group]:
            value = sum(max(c.by_line.get(n, 0) for c in own) for n in range(self._lines))
            value = min(value, sum(c.most_fen for c in own))
        else:
            values = [c.most_fen for c in own]
            values += [self._group(inner) for inner in self._within.get(group, ())]
            value = sum(values) if self._tree.modes[group] == "stack" else max(values)
        most = self._tree.most[group]
        if most < 1_000:
            each = sorted((c.most_fen for c in self._all(group)), reverse=True)
            value = min(value, sum(each[:most]))
        self._kept[group] = value
        return value

    def _all(self, group: int) -> Iterator[Candidate]:
        yield from self._of.get(group, [])
        for inner in self._within.get(group, ()):
            yield from self._all(inner)
