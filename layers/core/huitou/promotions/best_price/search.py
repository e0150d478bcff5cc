"""The best combination of offers for a cart: every allowed subset, every choice of pieces.

A branch-and-bound search in the order in which offers apply. At each one it first takes it, in
every way that may matter, then leaves it out; a branch ends where even all that is still to come,
each at its most, would make it no better than the best found. Of equal prices the one with fewer
coupons wins, then the one whose coupons end soonest, then the one that takes the earlier offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from huitou.promotions.best_price.bounds import Candidate, Totals
from huitou.promotions.best_price.candidates import prepare
from huitou.promotions.best_price.carts import alike
from huitou.promotions.best_price.reasons import Ended, reasons
from huitou.promotions.discounts.models import CartLine, Outcome, Rule, Taken, Tree
from huitou.promotions.discounts.pieces import PiecesOff
from huitou.promotions.discounts.rules import (
    State,
    commit,
    conflict,
    is_of_fee,
    measure,
    open_pieces,
    stands_against,
    times_reached,
    workable,
)

MOST_STEPS = 2_000  # Of one search, some 0.1 ms each; past it the best price so far is taken.
Key = tuple[int, int, tuple[str, ...]]


def best(
    lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery_fen: int = 0,
    most_steps: int = MOST_STEPS,
) -> Outcome:  # fmt: skip
    """Return the best legal price of a cart, with what each offer takes and why others don't.

    `rules` are in the order in which they apply, each of a group of the tree. Exact unless
    `proved` is False. Where what must be in it can't be, nothing is taken and its reason says why.
    The price is the same in whatever order lines come: alike ones are one line, and lines are
    searched in an order of their own.
    """
    cart = alike(lines)
    outcome = _Search(cart.lines, rules, tree, delivery_fen, most_steps).outcome()
    outcome.taken = cart.back(outcome.taken)
    return outcome


class Way(NamedTuple):
    """One way in which an offer is taken; of a group per item, the lines that it is given then
    and those it leaves to a later offer."""

    taken: Taken
    given: int = 0
    owed: int = 0


class _Search:
    def __init__(
        self, lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery_fen: int,
        most_steps: int,
    ) -> None:  # fmt: skip
        self.lines, self.tree = lines, tree
        self.start = State(lines, len(tree.modes), delivery_fen)
        self.steps_left, self.most_steps = most_steps, most_steps
        self.proved = True
        prepared = prepare(self.start, lines, rules, tree)
        self.candidates, self.short, self.never = prepared
        self.noise_fen = self._noise()
        self.bounds = self._bounds()
        self.best: State = self.start
        self.key: Key | None = None

    def outcome(self) -> Outcome:
        """Search, and say of every offer what it takes or why it takes nothing."""
        if not any(rule.must for rule, _ in (*self.never, *self.short)):
            if any(candidate.rule.must for candidate in self.candidates):
                self._find_any(0, self.start)
            self._visit(0, self.start)
        best = self.best
        end = Ended(self.candidates, self.short, self.start, best, self.lines, self.tree)
        unused = self.never + list(reasons(end))
        return Outcome(
            items_fen=best.payable_fen - best.delivery_fen, delivery_fen=best.delivery_fen,
            taken=list(best.taken), unused=unused, proved=self.proved,
            steps=self.most_steps - self.steps_left,
        )  # fmt: skip

    def _noise(self) -> int:
        """Return by how many fen rounding may move what all that look at the running price take.

        Each of those that may come together rounds once per line and piece.
        """
        ones = Totals(self.tree, len(self.lines), self.start.count, self.start.given)
        for candidate in self.candidates:
            if not candidate.steady:
                ones.add(candidate, 1)
        pieces = len(self.lines) + sum(line.quantity for line in self.lines)
        return ones.most() * pieces

    def _bounds(self) -> list[int]:
        """Return what all candidates from each one on could take off at most, by the tree."""
        totals = Totals(self.tree, len(self.lines), self.start.count, self.start.given)
        found = [0] * (len(self.candidates) + 1)
        for number in range(len(self.candidates) - 1, -1, -1):
            totals.add(self.candidates[number], self.candidates[number].most_fen)
            found[number] = totals.most()
        return found

    def _find_any(self, number: int, state: State) -> None:
        """Find a first price with all that was named in it: what may be left out is, at first.

        Without a price no branch ends early, and many small offers would hide that there is one.
        """
        if self.key is not None or (self.steps_left < 0 and self._spent()):
            return
        if number and self._owes(self.candidates[number - 1], state):
            return
        if number == len(self.candidates):
            self._keep(state)
            return
        self.steps_left -= 1
        candidate = self.candidates[number]
        rule, ways = candidate.rule, list(self._ways(number, state))
        passed = self._passed_over(candidate, state) if ways else state
        if rule.optional and not rule.must:
            self._find_any(number + 1, passed)
        for way in ways:
            self._find_any(number + 1, self._after(candidate, way, state))
        if not rule.optional and not rule.must and not (ways and candidate.forced):
            self._find_any(number + 1, passed)

    def _after(self, candidate: Candidate, way: Way, state: State) -> State:
        after = state.copy()
        commit(way.taken, after, self.lines)
        if candidate.by_item >= 0:
            after.given[candidate.by_item] |= way.given
            after.owed[candidate.by_item] |= way.owed
        return after

    def _visit(self, number: int, state: State) -> None:
        while True:
            if self.steps_left < 0 and self._spent():
                return
            if number and self._owes(self.candidates[number - 1], state):
                return
            if self._hopeless(state, number):
                return
            if number == len(self.candidates):
                self._keep(state)
                return
            candidate = self.candidates[number]
            self.steps_left -= 1
            if self._spent():
                return
            applies = False
            for way in self._ways(number, state):
                applies = True
                self._visit(number + 1, self._after(candidate, way, state))
            number += 1
            if candidate.rule.must or (applies and candidate.forced):
                return
            if applies:
                state = self._passed_over(candidate, state)

    def _owes(self, candidate: Candidate, state: State) -> bool:
        """Tell whether a group per item ended with a line that was left to nobody."""
        group = candidate.by_item
        return group >= 0 and candidate.last and bool(state.owed[group] & ~state.given[group])

    def _spent(self) -> bool:
        """Tell whether the search has to end; without any price yet it goes on for a while."""
        if self.steps_left >= 0:
            return False
        self.proved = False
        return self.key is not None or self.steps_left < -self.most_steps

    def _hopeless(self, state: State, number: int, missed: tuple[int, int] = (-1, 0)) -> bool:
        if self.key is None:
            return False
        if missed[0] < 0:
            least = state.payable_fen - self.bounds[number]
            if least > self.key[0] or (least == self.key[0] and _coupons(state)[0] > self.key[1]):
                return True
        return self._least(state, number, missed) > self.key[0]

    def _least(self, state: State, number: int, missed: tuple[int, int] = (-1, 0)) -> int:
        """Return what the order costs at least from here on; closer than `bounds`, and dearer.

        What is steady leaves less for all that looks at the running price. Leaving it out pays
        only for a threshold, or where an n-th item or a bundle would then lie on other lines: so
        the others are measured on what all steady ones before them leave, but for those two
        kinds, and their thresholds on the cart as it is.
        """
        # It measures many offers over many lines, and that is what takes time.
        self.steps_left -= 1 + (len(self.candidates) - number) * len(self.lines) // 150
        left, off, rounded = state.copy(), 0, False
        shifts = any(candidate.shifts for candidate in self.candidates[number:])
        totals = Totals(self.tree, len(self.lines), state.count, state.given, missed)
        for candidate in self.candidates[number:]:
            rule, mine = candidate.rule, candidate.mine
            if candidate.steady:
                off += candidate.most_fen
                for n in () if shifts else mine:
                    left.left[n] = max(0, left.left[n] - candidate.shares[n])
                continue
            times = self._times(candidate, state)
            if not times:
                continue
            terms = rule.terms
            fixed = candidate.by_item >= 0 or terms.exclusive != "none" or terms.base == "list"
            if fixed or candidate.capped:
                totals.add(candidate, candidate.most_fen)
                continue
            taken = measure(rule, mine, left, self.lines, times=times)
            if taken is not None:
                rounded = True
                totals.add(candidate, taken.amount_fen)
        return state.payable_fen - off - totals.most() - (self.noise_fen if rounded else 0)

    def _times(self, candidate: Candidate, state: State) -> int:
        """Return how often an offer may still come here or later; what others do keeps it out."""
        if conflict(candidate.rule, state, self.tree) is not None:
            return 0
        return times_reached(candidate.rule, candidate.mine, state, self.lines)

    def _ways(self, number: int, state: State) -> Iterator[Way]:
        """Yield the ways in which this offer may be taken now, the most promising first."""
        candidate = self.candidates[number]
        rule, mine = candidate.rule, candidate.mine
        if conflict(rule, state, self.tree) is not None:
            return
        if candidate.by_item >= 0:
            yield from self._ways_by_item(number, state)
            return
        arithmetic = rule.arithmetic
        if arithmetic.of != "pieces" or not candidate.contested:
            taken = measure(rule, mine, state, self.lines)
            if taken is not None:
                yield Way(taken)
            return
        for taken in self._by_pieces(number, arithmetic, workable(rule, mine, state), state):
            yield Way(taken)

    def _by_pieces(
        self, number: int, arithmetic: PiecesOff, over: Sequence[int], state: State
    ) -> Iterator[Taken]:
        """Yield every choice of pieces of these lines that might be part of the best price."""
        candidate = self.candidates[number]
        found, complete, tried = arithmetic.choices(
            open_pieces(candidate.rule, over, state, self.lines)
        )
        self.proved = self.proved and complete
        self.steps_left -= tried * (len(over) + 6) // 140  # By what it takes of their time.
        least: int | None = None
        for choice in found:
            if self.key is not None:
                # What takes off so much less that all to come can't make up for it, and all after.
                if least is None:
                    least = self._least(state, number + 1)
                if least - choice.amount_fen > self.key[0]:
                    return
            self.steps_left -= 1
            taken = measure(candidate.rule, candidate.mine, state, self.lines, over, choice)
            if taken is not None:
                yield taken

    def _ways_by_item(self, number: int, state: State) -> Iterator[Way]:
        """Yield what an offer of a group per item may be given, with the lines it may work on."""
        candidate = self.candidates[number]
        rule, mine, group = candidate.rule, candidate.mine, candidate.by_item
        given = state.given[group]
        fee = 1 << len(self.lines)
        if is_of_fee(rule):
            taken = None if given & fee else measure(rule, mine, state, self.lines)
            if taken is not None:
                yield Way(taken, fee)
            return
        over = [n for n in workable(rule, mine, state) if not given >> n & 1]
        if rule.arithmetic.of == "pieces":
            for taken in self._by_pieces(number, rule.arithmetic, over, state):
                used = [n for n in over if taken.pieces and taken.pieces[n]]
                yield Way(taken, _bits(over if self._is_first(group) else used))
            return
        if self._is_first(group):
            taken = measure(rule, mine, state, self.lines, over)
            if taken is not None:
                yield Way(taken, _bits(over))
            return
        for left_to_others in self._left_to_others(number, over, state):
            kept = [n for n in over if not left_to_others >> n & 1]
            taken = measure(rule, mine, state, self.lines, kept)
            if taken is not None:
                yield Way(taken, _bits(kept), left_to_others)

    def _left_to_others(self, number: int, over: Sequence[int], state: State) -> Iterator[int]:
        """Yield which lines an offer leaves to later ones of its group, the least loss first.

        The loss is how much less the group could take off than if each line went to the offer that
        takes most off it: from where that is too much, no further way is any better.
        """
        candidate = self.candidates[number]
        group = candidate.by_item
        later = [
            other for other in self.candidates[number + 1 :]
            if other.by_item == group and self._times(other, state)
        ]  # fmt: skip
        open_to = [n for n in over if any(n in other.by_line for other in later)]
        base, losses = 0, []
        for n in open_to:
            other = max(c.by_line.get(n, 0) for c in later)
            own = candidate.by_line.get(n, 0)
            base |= (other > own) << n
            losses.append((abs(other - own), 1 << n))
        for loss, flipped in _subsets(sorted(losses)):
            if self.steps_left < 0 and self._spent():
                return
            if loss and self._hopeless(state, number, (group, loss)):
                return
            self.steps_left -= 1
            yield base ^ flipped

    def _is_first(self, group: int) -> bool:
        return self.tree.modes[group] == "first"

    def _passed_over(self, candidate: Candidate, state: State) -> State:
        """Of a `first` group only the first offer that applies may come, taken or not."""
        rule = candidate.rule
        blocked = [
            step for step in rule.steps
            if self.tree.modes[step.group] == "first" and state.child[step.group] == -1
            and not self.tree.by_item[step.group]
        ]  # fmt: skip
        by_item = candidate.by_item >= 0 and self._is_first(candidate.by_item)
        if not blocked and rule.optional and not by_item:
            return state
        after = state.copy()
        if not rule.optional:
            after.passed = (*after.passed, (rule, candidate.mine))
        for step in blocked:
            after.child[step.group] = step.child
        if by_item and is_of_fee(rule):
            after.given[candidate.by_item] |= 1 << len(self.lines)
        elif by_item:
            after.given[candidate.by_item] |= _bits(workable(rule, candidate.mine, state))
        return after

    def _keep(self, state: State) -> None:
        if not all(stands_against(rule, mine, state, self.tree) for rule, mine in state.passed):
            return
        key = (state.payable_fen, *_coupons(state))
        # Offers are taken before they are left out: of equals the first found has the earlier ones.
        if self.key is None or key < self.key:
            self.key, self.best = key, state


def _bits(lines: Sequence[int]) -> int:
    return sum(1 << n for n in lines)


def _subsets(losses: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield every subset of flipped lines as (its loss, its bits), the least loss first.

    `losses` are sorted. Each subset comes from one before it, by one more flip or by moving the
    last flip on, neither of which loses less.
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


def _coupons(state: State) -> tuple[int, tuple[str, ...]]:
    used = [one.rule.soonest for one in state.taken if one.rule.source == "coupon"]
    return len(used), tuple(sorted(used))
