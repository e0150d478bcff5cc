"""What one offer takes off a cart at its turn, after the offers before it.

functions/pay/PRICING.md explains the rules in words, with an example for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from huitou.promotions.discounts.models import CartLine, Reason, Rule, Taken, Tree
from huitou.promotions.discounts.pieces import Choice, OpenPieces
from huitou.promotions.discounts.shares import spread

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Scope, Terms


class State:
    """The state of a cart after some offers were taken.

    For each line: `open` is how many pieces no exclusive offer has taken, `full` the list price of
    these open pieces, `left` what is still to pay for them, `free` how many of them no offer about
    single pieces has used, and `by_piece` what such offers took off. `closed_by` is the exclusive
    offer that took pieces of the line; `closed_fen` is the final price of all closed pieces.

    For each group: `child` is which of its children has an offer in the order, and `count` how many
    offers the order has. For a group per item, `given` are the lines that one of its offers has,
    and `owed` those that an offer left to a later one (bit masks; the fee is the last bit).
    `passed` are the offers that were left out although they aren't optional.
    """

    __slots__ = (
        "by_piece",
        "child",
        "closed_by",
        "closed_fen",
        "count",
        "delivery_fen",
        "free",
        "full",
        "given",
        "left",
        "open",
        "owed",
        "passed",
        "taken",
    )  # fmt: skip

    def __init__(self, lines: Sequence[CartLine], groups: int, delivery_fen: int) -> None:
        self.full = [line.quantity * line.unit_fen for line in lines]
        self.left = self.full.copy()
        self.open = [line.quantity for line in lines]
        self.free = self.open.copy()
        self.by_piece = [0] * len(lines)
        self.closed_by: list[Rule | None] = [None] * len(lines)
        self.closed_fen = 0
        self.delivery_fen = delivery_fen
        self.child = [-1] * groups
        self.count = [0] * groups
        self.given = [0] * groups
        self.owed = [0] * groups
        self.taken: tuple[Taken, ...] = ()
        self.passed: tuple[tuple[Rule, Sequence[int]], ...] = ()

    def copy(self) -> State:
        """Return a copy that can be changed independently."""
        other = State.__new__(State)
        other.full, other.left = self.full.copy(), self.left.copy()
        other.open, other.free = self.open.copy(), self.free.copy()
        other.by_piece, other.closed_by = self.by_piece.copy(), self.closed_by.copy()
        other.closed_fen, other.delivery_fen = self.closed_fen, self.delivery_fen
        other.child, other.count = self.child.copy(), self.count.copy()
        other.given, other.owed = self.given.copy(), self.owed.copy()
        other.taken, other.passed = self.taken, self.passed
        return other

    @property
    def payable_fen(self) -> int:
        return sum(self.left) + self.closed_fen + self.delivery_fen


def covers(scope: Scope, line: CartLine) -> bool:
    """Tell whether a scope covers a line."""
    return (
        (not scope.dish_ids or line.dish_id in scope.dish_ids)
        and (not scope.sku_ids or line.sku_id in scope.sku_ids)
        and (not scope.categories or line.category in scope.categories)
        and line.dish_id not in scope.except_dish_ids
    )


def covers_for(terms: Terms, line: CartLine) -> bool:
    """Tell whether an offer covers a line: its scope does, and one of its slots if it has any."""
    if not covers(terms.scope, line):
        return False
    return not terms.slots or any(covers(slot.scope, line) for slot in terms.slots)


def conflict(rule: Rule, state: State, tree: Tree) -> Reason | None:
    """Return which offer of the order excludes this one by the tree, None if it may be used."""
    # An offer that excludes all others is the only one of its order, so the first one tells.
    for taken in state.taken[:1]:
        if "order" in (taken.rule.terms.exclusive, rule.terms.exclusive):
            return Reason("excluded", by=taken.rule.name)
    for group, child in rule.steps:
        one = tree.modes[group] != "stack" and not tree.by_item[group]
        if one and state.child[group] not in (-1, child):
            return Reason("not_together", by=_of_group(state, group))
        if state.count[group] >= tree.most[group]:
            return Reason("not_together", by=_of_group(state, group))
    own = {step.group for step in rule.steps}
    for names in tree.never:
        others = names - own
        if len(others) < len(names) and any(state.count[group] for group in others):
            by = next(group for group in others if state.count[group])
            return Reason("not_together", by=_of_group(state, by))
    return None


def stands_against(rule: Rule, mine: Sequence[int], state: State, tree: Tree) -> bool:
    """Tell whether the order has an offer that excludes this one, whichever comes first.

    Offers exclude each other by the tree, because one of them is exclusive, or because both want
    the same line (or the fee) of a group per item.
    """
    if conflict(rule, state, tree) is not None:
        return True
    terms = rule.terms
    for taken in state.taken:
        other, rivals = taken.rule.terms, _rivals(rule, taken.rule, tree)
        if rivals and is_of_fee(rule) and is_of_fee(taken.rule):
            return True
        if (rivals or "item" in (terms.exclusive, other.exclusive)) and uses_any(taken, mine):
            return True
    return False


def is_of_fee(rule: Rule) -> bool:
    """Tell whether an offer takes something off the delivery fee instead of lines."""
    return rule.arithmetic.of == "fee"


def uses_any(taken: Taken, mine: Sequence[int]) -> bool:
    """Tell whether an offer takes something off any of these lines, or uses a piece of them."""
    return any(taken.shares[n] or (taken.pieces and taken.pieces[n]) for n in mine)


def _rivals(rule: Rule, other: Rule, tree: Tree) -> bool:
    """Tell whether two offers belong to the same group per item, and so share out its lines."""
    group = rule.steps[-1].group
    return tree.by_item[group] and other.steps[-1].group == group


def _of_group(state: State, group: int) -> str:
    within = (t.rule.name for t in state.taken if any(s.group == group for s in t.rule.steps))
    return next(within, "")


def reached_fen(rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> int:
    """Return the amount that is compared with an offer's threshold."""
    terms = rule.terms
    over = mine if terms.threshold_of == "scope" else range(len(lines))
    of = state.left if terms.threshold_base == "running" else state.full
    return sum(_values(of, over, lines, rule.with_addons))


def _values(
    of: Sequence[int], mine: Sequence[int], lines: Sequence[CartLine], with_addons: bool
) -> list[int]:
    """Return the amounts of these lines; without addons only the part of the dish itself."""
    if with_addons:
        return [of[n] for n in mine]
    return [of[n] * lines[n].bare_fen // max(1, lines[n].unit_fen) for n in mine]


def workable(rule: Rule, mine: Sequence[int], state: State) -> list[int]:
    """Return the lines that an offer can work on.

    They need open pieces, for an offer about single pieces also free ones. An exclusive offer needs
    pieces that no other offer has touched.
    """
    if rule.is_unit:
        mine = [n for n in mine if state.free[n]]
        if rule.terms.exclusive != "item":
            return mine
        return [n for n in mine if state.left[n] + state.by_piece[n] == state.full[n]]
    if rule.terms.exclusive != "item":
        return [n for n in mine if state.open[n]]
    return [
        n
        for n in mine
        if state.open[n]
        and state.left[n] == state.full[n]
        and state.free[n] == state.open[n]
        and state.closed_by[n] is None
    ]


def times_reached(rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> int:
    """Return how often an offer's threshold is reached, at most `most_times`; 1 without one."""
    terms = rule.terms
    if not terms.threshold_fen:
        return 1
    return min(terms.most_times, reached_fen(rule, mine, state, lines) // terms.threshold_fen)


def measure(
    rule: Rule,
    mine: Sequence[int],
    state: State,
    lines: Sequence[CartLine],
    over: Sequence[int] | None = None,
    choice: Choice | None = None,
    times: int | None = None,
) -> Taken | None:
    """Return what an offer takes off, None if that is nothing.

    `mine` are the lines that it covers; `over` are those of them that it works on, by default all
    that are workable (a group per item may give it fewer). For an offer about single pieces,
    `choice` says which pieces of `over` it uses, by default those that bring most. `times` is how
    often its threshold is reached, by default in this state. The result has a share for every line
    of the cart.
    """
    terms = rule.terms
    if times is None:
        times = times_reached(rule, mine, state, lines)
    if not times or not mine:
        return None
    shares = [0] * len(lines)
    arithmetic = rule.arithmetic
    if arithmetic.of == "fee":
        amount = arithmetic.off_fen(state.delivery_fen)
        return Taken(rule, amount, shares) if amount else None
    over = workable(rule, mine, state) if over is None else over
    bears = _values(state.left, over, lines, rule.with_addons)
    if arithmetic.of == "lines":
        of = state.left if terms.base == "running" else state.full
        values = _values(of, over, lines, rule.with_addons)
        amount = min(arithmetic.off_fen(sum(values), times), sum(bears))
        if amount <= 0:
            return None
        for n, share in zip(over, spread(amount, values, bears), strict=True):
            shares[n] = share
        return Taken(rule, amount, shares, over=over)
    if arithmetic.of == "pieces":
        if choice is None:
            choice = arithmetic.best(open_pieces(rule, over, state, lines))
        pieces = [0] * len(lines)
        for place, n in enumerate(over):
            shares[n] = min(choice.off_fen[place], bears[place])
            pieces[n] = choice.pieces[place]
        amount = sum(shares)
        return Taken(rule, amount, shares, pieces, over) if amount else None
    assert_never(arithmetic)


def open_pieces(
    rule: Rule, over: Sequence[int], state: State, lines: Sequence[CartLine]
) -> OpenPieces:
    """Return the pieces of these lines that an offer about single pieces may choose from."""
    terms, worth = rule.terms, []
    for n in over:
        unit = lines[n].unit_fen
        if terms.base == "running" and state.open[n]:
            # The discount of a whole line is spread evenly over its pieces.
            unit = (state.left[n] + state.by_piece[n]) // state.open[n]
        if not rule.with_addons:
            unit = unit * lines[n].bare_fen // max(1, lines[n].unit_fen)
        worth.append(unit)
    slots = [[covers(slot.scope, lines[n]) for n in over] for slot in terms.slots]
    return OpenPieces(worth, [state.free[n] for n in over], slots)


def commit(taken: Taken, state: State, lines: Sequence[CartLine]) -> None:
    """Apply what an offer takes off to the state."""
    rule = taken.rule
    state.taken = (*state.taken, taken)
    for group, child in rule.steps:
        state.child[group] = child
        state.count[group] += 1
    if is_of_fee(rule):
        state.delivery_fen -= taken.amount_fen
        return
    closing = rule.terms.exclusive == "item"
    for n in taken.over:
        if taken.pieces is None:
            if closing:
                _close(state, n, state.open[n], taken, lines[n])
            else:
                state.left[n] -= taken.shares[n]
        elif taken.pieces[n]:
            if closing:
                _close(state, n, taken.pieces[n], taken, lines[n])
            else:
                state.left[n] -= taken.shares[n]
                state.free[n] -= taken.pieces[n]
                state.by_piece[n] += taken.shares[n]


def _close(state: State, n: int, pieces: int, taken: Taken, line: CartLine) -> None:
    """Close pieces to later offers; they were untouched, so each is worth its list price."""
    value = pieces * line.unit_fen
    state.left[n] -= value
    state.full[n] -= value
    state.open[n] -= pieces
    state.free[n] -= pieces
    state.closed_fen += value - taken.shares[n]
    state.closed_by[n] = taken.rule


def why_nothing(rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> Reason:
    """Return why an offer that no other one excludes takes nothing off the cart in this state."""
    terms = rule.terms
    if not mine:
        return Reason("no_item")
    if is_of_fee(rule) and not state.delivery_fen:
        return Reason("no_delivery")
    if terms.threshold_fen:
        short_fen = terms.threshold_fen - reached_fen(rule, mine, state, lines)
        if short_fen > 0:
            return Reason("short", fen=short_fen)
    open_to = workable(rule, mine, state)
    closed = next((by for n in mine if (by := state.closed_by[n]) is not None), None)
    if not open_to and closed is not None:
        return Reason("excluded", by=closed.name)
    if rule.arithmetic.of == "pieces":
        lacks = sum(rule.arithmetic.missing(open_pieces(rule, open_to, state, lines)))
        if lacks:
            return Reason("few_pieces", pieces=lacks)
    return Reason("worth_nothing")
