"""The best combination of offers for a cart: every allowed subset, every choice of pieces.

A branch-and-bound search in the order in which offers apply. At each one it first takes it, then
leaves it out; a branch ends where even all that is still to come, each at its most, would make it
no better than the best found. Of equal prices the one with fewer coupons wins, then the one whose
coupons end soonest, then the one that takes the earlier offer or the earlier line's pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from huitou.bounds.rules import Candidate, Totals
from huitou.discounts.models import NO_MOST, CartLine, Outcome, Reason, Rule, Taken, Tree
from huitou.discounts.rules import (
    State,
    commit,
    conflict,
    covers_for,
    measure,
    pieces_of,
    reached_fen,
    stands_against,
    untouched,
    why_nothing,
)

MOST_STEPS = 2_000  # Of one search, some 0.1 ms each; past it the best price so far is taken.
_MOST_BY_ITEM = 6  # Offers of one group per item of which every subset is tried.
Key = tuple[int, int, tuple[str, ...]]


def best(
    lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery_fen: int = 0,
    most_steps: int = MOST_STEPS,
) -> Outcome:  # fmt: skip
    """Return the best legal price of a cart, with what each offer takes and why others don't.

    `rules` are in the order in which they apply. Exact unless `proved` is False. Where what must
    be in it can't be, nothing is taken and its reason says why.
    """
    return _Search(lines, rules, tree, delivery_fen, most_steps).outcome()


class _Search:
    def __init__(
        self, lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery_fen: int,
        most_steps: int,
    ) -> None:  # fmt: skip
        self.lines, self.tree = lines, tree
        self.start = State(lines, len(tree.modes), delivery_fen)
        self.steps_left, self.most_steps = most_steps, most_steps
        self.proved = True
        self.noise_fen = len(lines) + sum(line.quantity for line in lines)
        self.never: list[tuple[Rule, Reason]] = []
        self.short: list[tuple[Rule, list[int]]] = []  # That reach too little even at their most.
        self.candidates = self._prepare(rules)
        self.bounds = self._bounds()
        self.best: State = self.start
        self.key: Key | None = None

    def outcome(self) -> Outcome:
        """Search, and say of every offer what it takes or why it takes nothing."""
        if not any(rule.must for rule, _ in (*self.never, *self.short)):
            self._visit(0, self.start)
        best = self.best
        unused = self.never + list(self._reasons(best.taken))
        return Outcome(
            items_fen=best.payable_fen - best.delivery_fen, delivery_fen=best.delivery_fen,
            taken=list(best.taken), unused=unused, proved=self.proved,
            steps=self.most_steps - self.steps_left,
        )  # fmt: skip

    def _prepare(self, rules: Sequence[Rule]) -> list[Candidate]:
        """Sort out what can't apply whatever else does; what is left can at its most."""
        found = []
        for rule in rules:
            if rule.out is not None:
                self.never.append((rule, rule.out))
                continue
            mine = [n for n, line in enumerate(self.lines) if covers_for(rule.terms, line)]
            # Nothing that others do to a cart makes an offer take more than it does at first.
            most = measure(rule, mine, self.start, self.lines)
            if most is None:
                if mine:
                    self.short.append((rule, mine))
                else:
                    self.never.append(rule.no_item)
                continue
            candidate = Candidate(rule, mine, most)
            if rule.steps and self.tree.by_item[rule.steps[-1].group]:
                candidate.by_item = rule.steps[-1].group
                for n in mine:
                    reached = reached_fen(rule.terms, mine, self.start, self.lines)
                    alone = measure(rule, [n], self.start, self.lines, reached=reached)
                    candidate.by_line[n] = alone.amount_fen + 1 if alone else 1
            if rule.terms.kind == "bundle":
                self.proved = self.proved and pieces_of(rule, mine, self.start, self.lines)[1]
            found.append(candidate)
        self.tight = {
            n for n, full in enumerate(self.start.full)
            if sum(c.shares[n] + 1 for c in found) > full
        }  # fmt: skip
        for number, candidate in enumerate(found):
            candidate.contested = candidate.rule.is_unit and self._contested(number, found)
            candidate.steady = self._steady(candidate)
            candidate.forced = not candidate.rule.optional and self._forced(candidate, found)
        return found

    def _forced(self, candidate: Candidate, candidates: list[Candidate]) -> bool:
        """Tell whether nothing here can stand against it, so that leaving it out is no choice."""
        steps, tree = candidate.rule.steps, self.tree
        free = candidate.rule.terms.exclusive == "none" and all(
            tree.modes[group] == "stack" and tree.most[group] == NO_MOST
            and all(group not in names for names in tree.never)
            for group, _ in steps
        )  # fmt: skip
        return free and not any(
            other.rule.terms.exclusive == "order"
            or (
                other.rule.terms.exclusive == "item"
                and not set(other.mine).isdisjoint(candidate.mine)
            )
            for other in candidates
        )

    def _steady(self, candidate: Candidate) -> bool:
        """Tell whether it takes the same off the same lines whatever else is taken."""
        terms, tree = candidate.rule.terms, self.tree
        groups = [step.group for step in candidate.rule.steps]
        return (
            terms.base == "list"
            and (terms.threshold_base == "list" or not terms.threshold_fen)
            and terms.exclusive == "none"
            and not candidate.contested
            and self.tight.isdisjoint(candidate.mine)
            and all(names.isdisjoint(groups) for names in tree.never)
            and all(
                tree.modes[g] == "stack" and not tree.by_item[g] and tree.most[g] == NO_MOST
                for g in groups
            )
        )

    def _contested(self, number: int, candidates: list[Candidate]) -> bool:
        """Tell whether it matters to any other offer which pieces this one takes."""
        own = candidates[number]
        mine = set(own.mine)
        if len(mine) > 1 and mine & self.tight:  # What one takes off, another couldn't any more.
            return True
        for place, other in enumerate(candidates):
            if place == number:
                continue
            terms = other.rule.terms
            meets = not mine.isdisjoint(other.mine)
            if meets and (other.rule.is_unit or terms.exclusive == "item"):
                return True
            if place < number:
                continue
            if meets and any(self.tree.modes[step.group] == "first" for step in other.rule.steps):
                return True
            if own.rule.terms.exclusive == "item" and (meets or terms.threshold_of == "order"):
                return True
            looks = terms.base == "running" or (
                terms.threshold_fen and terms.threshold_base == "running"
            )
            partly = not mine <= set(other.mine) or not terms.with_addons
            if looks and ((meets and partly) or terms.threshold_fen or other.by_item >= 0):
                return True
        return False

    def _bounds(self) -> list[int]:
        """Return what all candidates from each one on could take off at most, by the tree."""
        totals = Totals(self.tree, len(self.lines), [0] * len(self.tree.modes))
        found = [0] * (len(self.candidates) + 1)
        for number in range(len(self.candidates) - 1, -1, -1):
            totals.add(self.candidates[number], self.candidates[number].most_fen)
            found[number] = totals.most()
        return found

    def _visit(self, number: int, state: State) -> None:
        while True:
            if self._hopeless(state, number):
                return
            if number == len(self.candidates):
                self._keep(state)
                return
            candidate = self.candidates[number]
            if candidate.by_item >= 0:
                self._visit_group(number, state)
                return
            self.steps_left -= 1
            if self._spent():
                return
            number += 1
            applies = False
            for taken in self._ways(candidate, state):
                applies = True
                after = state.copy()
                commit(taken, candidate.mine, after, self.lines)
                self._visit(number, after)
            if candidate.rule.must or (applies and candidate.forced):
                return
            if applies:
                state = self._passed_over(candidate, state)

    def _spent(self) -> bool:
        """Tell whether the search has to end; without any price yet it goes on for a while."""
        if self.steps_left >= 0:
            return False
        self.proved = False
        return self.key is not None or self.steps_left < -self.most_steps

    def _hopeless(self, state: State, number: int) -> bool:
        if self.key is None:
            return False
        least = state.payable_fen - self.bounds[number]
        if least > self.key[0] or (least == self.key[0] and _coupons(state)[0] > self.key[1]):
            return True
        return self._least(state, number) > self.key[0]

    def _least(self, state: State, number: int) -> int:
        """Return what the order costs at least from here on; closer than `bounds`, and dearer.

        What is steady leaves less for all that looks at the running price, and leaving it out
        never pays but for a threshold: so the others are measured on what all steady ones before
        them leave, their thresholds on the cart as it is. Rounding may be off by a fen per line
        and piece for each of those that come together.
        """
        self.steps_left -= 2  # It measures several offers, and that is what takes time.
        left, off, rounded = state.copy(), 0, 0
        totals = Totals(self.tree, len(self.lines), state.count)
        for candidate in self.candidates[number:]:
            rule, mine = candidate.rule, candidate.mine
            if candidate.steady:
                off += candidate.most_fen
                for n in mine:
                    left.left[n] = max(0, left.left[n] - candidate.shares[n])
                continue
            if conflict(rule, state, self.tree) is not None:
                continue
            terms = rule.terms
            if candidate.by_item >= 0 or terms.exclusive != "none" or terms.base == "list":
                totals.add(candidate, candidate.most_fen)
                continue
            reached = reached_fen(terms, mine, state, self.lines)
            taken = measure(rule, mine, left, self.lines, reached=reached)
            if taken is not None:
                rounded += 1
                totals.add(candidate, taken.amount_fen)
        slack = min(rounded, 3) * self.noise_fen
        return state.payable_fen - off - totals.most() - slack

    def _ways(self, candidate: Candidate, state: State) -> Iterator[Taken]:
        """Yield what taking this offer may do now: one thing, or one for each choice of pieces."""
        rule, mine = candidate.rule, candidate.mine
        if conflict(rule, state, self.tree) is not None:
            return
        if not candidate.contested:
            taken = measure(rule, mine, state, self.lines)
            if taken is not None:
                yield taken
            return
        usable = untouched(rule.terms, mine, state)
        found, complete = pieces_of(rule, usable, state, self.lines)
        self.proved = self.proved and complete
        for choice in found:
            self.steps_left -= 1
            taken = measure(rule, mine, state, self.lines, (usable, choice))
            if taken is not None:
                yield taken

    def _passed_over(self, candidate: Candidate, state: State) -> State:
        """Of a `first` group only the first offer that applies may come, taken or not."""
        rule = candidate.rule
        blocked = [
            step for step in rule.steps
            if self.tree.modes[step.group] == "first" and state.child[step.group] == -1
        ]  # fmt: skip
        if not blocked and rule.optional:
            return state
        after = state.copy()
        if not rule.optional:
            after.passed = (*after.passed, (rule, candidate.mine))
        for step in blocked:
            after.child[step.group] = step.child
        return after

    def _visit_group(self, number: int, state: State) -> None:
        """Try every subset of a group whose offers share out the lines among themselves."""
        group, end = self.candidates[number].by_item, number
        while end < len(self.candidates) and self.candidates[end].by_item == group:
            end += 1
        members = [
            (candidate, taken)
            for candidate in self.candidates[number:end]
            if conflict(candidate.rule, state, self.tree) is None
            and (taken := measure(candidate.rule, candidate.mine, state, self.lines)) is not None
        ]
        if self.tree.modes[group] == "first":
            members = members[:1]
        for subset in self._subsets(members, group):
            self.steps_left -= 1
            if self._spent():
                return
            if any(c.rule.must and all(c is not m for m, _ in subset)
                   for c in self.candidates[number:end]):  # fmt: skip
                continue
            after = state.copy()
            after.passed += tuple(
                (candidate.rule, candidate.mine)
                for candidate, taken in members
                if not candidate.rule.optional and all(taken is not other for _, other in subset)
            )
            for candidate, mine in _by_line(subset):
                reached = reached_fen(candidate.rule.terms, candidate.mine, after, self.lines)
                taken = measure(candidate.rule, mine, after, self.lines, reached=reached)
                if taken is not None:
                    commit(taken, mine, after, self.lines)
            self._visit(end, after)

    def _subsets(
        self, members: list[tuple[Candidate, Taken]], group: int
    ) -> Iterator[tuple[tuple[Candidate, Taken], ...]]:
        everything = len(members) <= _MOST_BY_ITEM
        self.proved = self.proved and everything
        sizes = range(len(members), -1, -1) if everything else (len(members), 1, 0)
        most = self.tree.most[group]
        for size in sizes:
            for subset in combinations(members, size):
                alone = any(c.rule.terms.exclusive == "order" for c, _ in subset)
                if size <= most and not (alone and size > 1):
                    yield subset

    def _keep(self, state: State) -> None:
        if not all(stands_against(rule, mine, state, self.tree) for rule, mine in state.passed):
            return
        key = (state.payable_fen, *_coupons(state))
        # Offers are taken before they are left out: of equals the first found has the earlier ones.
        if self.key is None or key < self.key:
            self.key, self.best = key, state

    def _reasons(self, taken: Sequence[Taken]) -> Iterator[tuple[Rule, Reason]]:
        """Walk the best way once more: what stood against each other offer at its turn?

        An amount that is short is so at that turn too: what an exclusive offer has taken by then
        doesn't count.
        """
        state = self.start.copy()
        took = {id(one.rule): one for one in taken}
        short = iter(self.short)
        following = next(short, None)
        for candidate in self.candidates:
            rule = candidate.rule
            while following is not None and following[0].order < rule.order:
                yield following[0], why_nothing(*following, state, self.lines)
                following = next(short, None)
            one = took.get(id(rule))
            if one is not None:
                mine = [n for n in candidate.mine if candidate.by_item < 0 or one.shares[n]]
                commit(one, mine, state, self.lines)
                continue
            yield rule, self._why_not(candidate, state)
        while following is not None:
            yield following[0], why_nothing(*following, state, self.lines)
            following = next(short, None)

    def _why_not(self, candidate: Candidate, state: State) -> Reason:
        rule = candidate.rule
        against = conflict(rule, state, self.tree)
        if against is not None:
            return against
        if measure(rule, candidate.mine, state, self.lines) is None:
            return why_nothing(rule, candidate.mine, state, self.lines)
        # It might have come, and a later one is the better choice.
        later = conflict(rule, self.best, self.tree)
        return later or Reason("dearer")


def _coupons(state: State) -> tuple[int, tuple[str, ...]]:
    used = [one.rule.soonest for one in state.taken if one.rule.source == "coupon"]
    return len(used), tuple(sorted(used))


def _by_line(
    members: Sequence[tuple[Candidate, Taken]],
) -> Iterator[tuple[Candidate, list[int]]]:
    """Give each line to the offer that takes most off it; of equals to the earlier one."""
    won: dict[int, list[int]] = {place: [] for place in range(len(members))}
    lines = sorted({n for candidate, _ in members for n in candidate.mine})
    for n in lines:
        won[max(won, key=lambda place: (members[place][1].shares[n], -place))].append(n)
    for place, mine in won.items():
        candidate, alone = members[place]
        kept = [n for n in mine if alone.shares[n]]
        if kept:
            yield candidate, kept
