"""Finds the best combination of offers for a cart: every allowed subset, every choice of pieces.

This is a branch-and-bound search in the order in which offers apply. At each offer it first takes
the offer, in every way that may matter, and then leaves it out. A branch ends if it couldn't beat
the best price found even if all later offers took off their most. If prices are equal, the one
with fewer coupons wins, then the one whose coupons end soonest, then the one with the earlier
offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from huitou.promotions.best_price.bounds import Candidate, Totals, subsets
from huitou.promotions.best_price.candidates import prepare
from huitou.promotions.best_price.carts import alike
from huitou.promotions.best_price.improvement import improve
from huitou.promotions.best_price.reasons import FinishedSearch, reasons
from huitou.promotions.discounts.models import CartLine, Outcome, Rule, Taken, Tree
from huitou.promotions.discounts.pieces import MOST_CHOICES, PiecesOff
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

MOST_STEPS = 1_000  # About 0.1 ms each; after so many the search returns its best price so far.
_CHOICES_OF_A_LINE = 140  # So many choices of pieces on one line take as long as a step.
_FEWEST_CHOICES = 20
Key = tuple[int, int, tuple[str, ...]]


def best(
    lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery_fen: int = 0,
    most_steps: int = MOST_STEPS,
) -> Outcome:  # fmt: skip
    """Return the best legal price of a cart, what each offer takes off, and why others don't.

    `rules` are in the order in which they apply; each has its group in the tree. The price is exact
    unless `proved` is False. If a rule that must be used can't be, no offer is taken and the rule's
    reason says why. The order and splitting of `lines` don't change the price, because equal lines
    are joined and sorted first.
    """
    cart = alike(lines)
    outcome = Search(cart.lines, rules, tree, delivery_fen, most_steps).outcome()
    outcome.taken = cart.back(outcome.taken)
    return outcome


class Way(NamedTuple):
    """One way to take an offer.

    In a group per item, `given` are the lines that the offer gets and `owed` those that it leaves
    to a later offer of the group; both are bit masks.
    """

    taken: Taken
    given: int = 0
    owed: int = 0


class Search:
    """One search; `key` and `best` are the best price so far."""

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
        """Search; return what each offer takes off or why it takes nothing off."""
        if not any(rule.must for rule, _ in (*self.never, *self.short)):
            if any(candidate.rule.must for candidate in self.candidates):
                self._find_any(0, self.start)
            self._visit(0, self.start)
            if not self.proved:
                improve(self)
        best = self.best
        end = FinishedSearch(self.candidates, self.short, self.start, best, self.lines, self.tree)
        unused = self.never + list(reasons(end))
        return Outcome(
            items_fen=best.payable_fen - best.delivery_fen, delivery_fen=best.delivery_fen,
            taken=list(best.taken), unused=unused, proved=self.proved,
            steps=self.most_steps - self.steps_left,
        )  # fmt: skip

    def _noise(self) -> int:
        """Return by how many fen rounding may change what offers on the running price take off.

        Each of those that may be combined rounds once per line and piece.
        """
        ones = Totals(self.tree, len(self.lines), self.start.count, self.start.given)
        for candidate in self.candidates:
            if not candidate.steady:
                ones.add(candidate, 1)
        pieces = len(self.lines) + sum(line.quantity for line in self.lines)
        return ones.most() * pieces

    def _bounds(self) -> list[int]:
        """Return, for each candidate, the most that it and all later ones could take off."""
        totals = Totals(self.tree, len(self.lines), self.start.count, self.start.given)
        found = [0] * (len(self.candidates) + 1)
        for number in range(len(self.candidates) - 1, -1, -1):
            totals.add(self.candidates[number], self.candidates[number].most_fen)
            found[number] = totals.most()
        return found

    def _find_any(self, number: int, state: State) -> None:
        """Find a first price that uses all named coupons; it tries without optional offers first.

        Until there is a price no branch ends early, and among many small offers the search might
        reach its limit before it finds one.
        """
        if self.key is not None or (self.steps_left < 0 and self._spent()):
            return
        if number and self.owes(self.candidates[number - 1], state):
            return
        if number == len(self.candidates):
            self.keep(state)
            return
        self.steps_left -= 1
        candidate = self.candidates[number]
        rule, ways = candidate.rule, list(self.ways(number, state))
        passed = self.passed_over(candidate, state) if ways else state
        if rule.optional and not rule.must:
            self._find_any(number + 1, passed)
        for way in ways:
            self._find_any(number + 1, self.after(candidate, way, state))
        if not rule.optional and not rule.must and not (ways and candidate.forced):
            self._find_any(number + 1, passed)

    def after(self, candidate: Candidate, way: Way, state: State) -> State:
        """Return the state after an offer was taken."""
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
            if number and self.owes(self.candidates[number - 1], state):
                return
            if self._hopeless(state, number):
                return
            if number == len(self.candidates):
                self.keep(state)
                return
            candidate = self.candidates[number]
            self.steps_left -= 1
            if self._spent():
                return
            applies = False
            for way in self.ways(number, state):
                applies = True
                self._visit(number + 1, self.after(candidate, way, state))
            number += 1
            if candidate.rule.must or (applies and candidate.forced):
                return
            if applies:
                state = self.passed_over(candidate, state)

    def owes(self, candidate: Candidate, state: State) -> bool:
        """Tell whether a line was left to a later offer of a group per item, but none took it."""
        group = candidate.by_item
        return group >= 0 and candidate.last and bool(state.owed[group] & ~state.given[group])

    def _spent(self) -> bool:
        """Tell whether the search must end; without a price it may take twice as many steps."""
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
        """Return the least that the order can cost from here on.

        The result is closer than `bounds`, and takes longer. A steady offer leaves less for every
        offer on the running price. To leave a steady offer out pays only to reach a threshold, or
        to move an n-th item or a bundle to other lines. So the other offers are measured on what
        the steady ones before them leave, except if an n-th item or a bundle is still to come.
        Thresholds are measured on the cart as it is.
        """
        # The steps grow with offers and lines, because measuring them is what takes the time.
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
        """Return how often an offer's threshold is reached here; 0 if taken offers exclude it."""
        if conflict(candidate.rule, state, self.tree) is not None:
            return 0
        return times_reached(candidate.rule, candidate.mine, state, self.lines)

    def ways(self, number: int, state: State) -> Iterator[Way]:
        """Yield the ways in which this offer may be taken now, the best ones first."""
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
        """Yield every choice of pieces on these lines that may lead to the best price."""
        candidate = self.candidates[number]
        # A choice among many lines takes as long as several steps. No more are tried than there
        # are steps left for, so one offer can't take longer than the whole search may.
        a_choice = (len(over) + 6) * arithmetic.effort
        affordable = max(self.steps_left * _CHOICES_OF_A_LINE // a_choice, _FEWEST_CHOICES)
        found, complete, tried = arithmetic.choices(
            open_pieces(candidate.rule, over, state, self.lines), min(MOST_CHOICES, affordable)
        )
        self.proved = self.proved and complete
        self.steps_left -= tried * a_choice // _CHOICES_OF_A_LINE
        least: int | None = None
        for choice in found:
            if self.key is not None:
                # Later offers can't make up for this choice, nor for those after it.
                if least is None:
                    # A search that is over takes no further choice, on none of its levels.
                    if self.steps_left < 0 and self._spent():
                        return
                    least = self._least(state, number + 1)
                if least - choice.amount_fen > self.key[0]:
                    return
            self.steps_left -= 1
            taken = measure(candidate.rule, candidate.mine, state, self.lines, over, choice)
            if taken is not None:
                yield taken

    def _ways_by_item(self, number: int, state: State) -> Iterator[Way]:
        """Yield the ways to take an offer of a group per item: which lines it gets."""
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
        """Yield the lines that an offer leaves to later ones of its group, the least loss first.

        The group takes most off if each line goes to the offer that takes most off that line. The
        loss is how much less it takes off otherwise. Once the loss is too much, no later way is
        better, and this ends.
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
        for loss, flipped in subsets(sorted(losses)):
            if self.steps_left < 0 and self._spent():
                return
            if loss and self._hopeless(state, number, (group, loss)):
                return
            self.steps_left -= 1
            yield base ^ flipped

    def _is_first(self, group: int) -> bool:
        return self.tree.modes[group] == "first"

    def passed_over(self, candidate: Candidate, state: State) -> State:
        """Return the state after an offer that applies was left out.

        In a "first" group this excludes the group's later offers too.
        """
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

    def keep(self, state: State) -> None:
        """Note a price if it is legal and better than the best so far."""
        if not all(stands_against(rule, mine, state, self.tree) for rule, mine in state.passed):
            return
        key = (state.payable_fen, *_coupons(state))
        # Offers are taken before they are left out: the first of equal ones has the earlier offers.
        if self.key is None or key < self.key:
            self.key, self.best = key, state


def _bits(lines: Sequence[int]) -> int:
    return sum(1 << n for n in lines)


def _coupons(state: State) -> tuple[int, tuple[str, ...]]:
    used = [one.rule.soonest for one in state.taken if one.rule.source == "coupon"]
    return len(used), tuple(sorted(used))
