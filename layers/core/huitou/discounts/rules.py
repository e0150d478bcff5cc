"""What one offer takes off a cart at its turn, given what earlier ones have done to it."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.assignment.rules import Choice, allocate, choices, local_best
from huitou.discounts.models import CartLine, Reason, Rule, Taken, Tree
from huitou.offers.models import Scope, Terms


class State:
    """A cart under way: per line its *open* pieces, those that no exclusive offer has taken.

    `left` is what is still to pay for them, `full` their list price, `free` how many of them no
    offer about single pieces has taken, `by_piece` what such offers have taken off. `closed_fen`
    is what the other pieces cost for good, and `closed_by` whose they are. Of each group: `child`
    is which of its children has an offer in the order, `count` how many offers. `passed` are those
    that were left out though not optional, with their lines.
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
        "left",
        "open",
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
        self.taken: tuple[Taken, ...] = ()
        self.passed: tuple[tuple[Rule, Sequence[int]], ...] = ()

    def copy(self) -> State:
        """Return one that can be changed apart."""
        other = State.__new__(State)
        other.full, other.left = self.full.copy(), self.left.copy()
        other.open, other.free = self.open.copy(), self.free.copy()
        other.by_piece, other.closed_by = self.by_piece.copy(), self.closed_by.copy()
        other.closed_fen, other.delivery_fen = self.closed_fen, self.delivery_fen
        other.child, other.count = self.child.copy(), self.count.copy()
        other.taken, other.passed = self.taken, self.passed
        return other

    @property
    def payable_fen(self) -> int:
        return sum(self.left) + self.closed_fen + self.delivery_fen


def covers(scope: Scope, line: CartLine) -> bool:
    """Tell whether an offer with this scope is about a line."""
    return (
        (not scope.dish_ids or line.dish_id in scope.dish_ids)
        and (not scope.sku_ids or line.sku_id in scope.sku_ids)
        and (not scope.categories or line.category in scope.categories)
        and line.dish_id not in scope.except_dish_ids
    )


def covers_for(terms: Terms, line: CartLine) -> bool:
    """Tell whether an offer is about a line: in its scope, or for a bundle in one of its slots."""
    if not covers(terms.scope, line):
        return False
    return terms.kind != "bundle" or any(covers(slot.scope, line) for slot in terms.slots)


def conflict(rule: Rule, state: State, tree: Tree) -> Reason | None:
    """Return which offer of the order keeps this one out by the tree, or None if it may come."""
    for taken in state.taken:
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
    """Tell whether the order has an offer that this one doesn't go with, in whatever order."""
    if conflict(rule, state, tree) is not None:
        return True
    return any(
        "item" in (taken.rule.terms.exclusive, rule.terms.exclusive)
        and any(taken.shares[n] or (taken.pieces and taken.pieces[n]) for n in mine)
        for taken in state.taken
    )


def _of_group(state: State, group: int) -> str:
    within = (t.rule.name for t in state.taken if any(s.group == group for s in t.rule.steps))
    return next(within, "")


def reached_fen(terms: Terms, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> int:
    """Return the amount that an offer's threshold looks at."""
    over = mine if terms.threshold_of == "scope" else range(len(lines))
    return sum(_values(state, over, lines, terms.threshold_base == "running", terms.with_addons))


def _values(
    state: State, mine: Sequence[int], lines: Sequence[CartLine], running: bool, with_addons: bool
) -> list[int]:
    """Return the amount of each line on which a rate is taken."""
    of = state.left if running else state.full
    if with_addons:
        return [of[n] for n in mine]
    return [of[n] * lines[n].bare_fen // max(1, lines[n].unit_fen) for n in mine]


def untouched(terms: Terms, mine: Sequence[int], state: State) -> list[int]:
    """Return the lines an offer may take from: an exclusive one needs pieces nobody discounted."""
    if terms.exclusive != "item":
        return [n for n in mine if state.open[n]]
    return [n for n in mine if state.open[n] and state.left[n] + state.by_piece[n] == state.full[n]]


def measure(
    rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine],
    choice: tuple[Sequence[int], Choice] | None = None, reached: int | None = None,
) -> Taken | None:  # fmt: skip
    """Return what an offer takes off `mine`, its lines, or None where that is nothing.

    Of an offer about single pieces `choice` says which, with the lines it counts by; without one
    it takes those that bring most. `reached` is what its threshold looks at, where that isn't the
    state's own. Shares are of all lines of the cart.
    """
    terms = rule.terms
    if not mine:
        return None
    times = 1
    if terms.threshold_fen:
        if reached is None:
            reached = reached_fen(terms, mine, state, lines)
        times = min(terms.most_times, reached // terms.threshold_fen)
        if times == 0:
            return None
    if terms.kind == "delivery":
        whole = state.delivery_fen if terms.off_fen is None else terms.off_fen
        amount = min(whole, state.delivery_fen)
        return Taken(rule, amount, [0] * len(lines)) if amount else None
    open_to = untouched(terms, mine, state)
    shares = [0] * len(lines)
    if rule.is_unit:
        usable, chosen = choice or (open_to, best_pieces(rule, open_to, state, lines))
        pieces = [0] * len(lines)
        for place, n in enumerate(usable):
            shares[n] = min(chosen.off_fen[place], state.left[n])
            pieces[n] = chosen.pieces[place]
        amount = sum(shares)
        return Taken(rule, amount, shares, pieces) if amount else None
    if terms.exclusive == "item":  # Of a line partly taken by piece it would take the rest.
        open_to = [n for n in open_to if state.left[n] == state.full[n]]
    values = _values(state, open_to, lines, terms.base == "running", terms.with_addons)
    if terms.kind == "percent_off":
        wanted = sum(values) * (terms.off_bp or 0) // 10_000
        wanted = wanted if terms.cap_fen is None else min(wanted, terms.cap_fen)
    else:
        wanted = (terms.off_fen or 0) * times
    amount = min(wanted, sum(state.left[n] for n in open_to))
    if amount <= 0:
        return None
    for n, share in zip(open_to, _capped(amount, values, open_to, state.left), strict=True):
        shares[n] = share
    return Taken(rule, amount, shares)


def _capped(amount: int, values: Sequence[int], mine: Sequence[int], left: list[int]) -> list[int]:
    """Share an amount out by value; what a line can't bear goes to those that can."""
    shares = allocate(amount, values)
    over = sum(max(0, share - left[n]) for n, share in zip(mine, shares, strict=True))
    if not over and sum(shares) == amount:
        return shares
    shares = [min(share, left[n]) for n, share in zip(mine, shares, strict=True)]
    rest = [left[n] - share for n, share in zip(mine, shares, strict=True)]
    more = allocate(amount - sum(shares), rest)
    return [share + extra for share, extra in zip(shares, more, strict=True)]


def pieces_of(
    rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]
) -> tuple[list[Choice], bool]:
    """Return every choice of pieces an offer has, the best first, and whether they are all."""
    return choices(rule.terms, *_pieces(rule.terms, mine, state, lines))


def best_pieces(rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> Choice:
    """Return the choice of pieces that takes most off."""
    return local_best(rule.terms, *_pieces(rule.terms, mine, state, lines))


def _pieces(
    terms: Terms, mine: Sequence[int], state: State, lines: Sequence[CartLine]
) -> tuple[list[int], list[int], list[list[bool]]]:
    with_addons = terms.with_addons and terms.kind != "exchange"
    worth = []
    for n in mine:
        unit = lines[n].unit_fen
        if terms.base == "running" and state.open[n]:
            # Offers about the whole line lie evenly on its pieces.
            unit = (state.left[n] + state.by_piece[n]) // state.open[n]
        if not with_addons:
            unit = unit * lines[n].bare_fen // max(1, lines[n].unit_fen)
        worth.append(unit)
    slots = [[covers(slot.scope, lines[n]) for n in mine] for slot in terms.slots]
    return worth, [state.free[n] for n in mine], slots


def commit(taken: Taken, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> None:
    """Change the state by what an offer takes off."""
    rule = taken.rule
    state.taken = (*state.taken, taken)
    for group, child in rule.steps:
        state.child[group] = child
        state.count[group] += 1
    if rule.terms.kind == "delivery":
        state.delivery_fen -= taken.amount_fen
        return
    closing = rule.terms.exclusive == "item"
    for n in mine:
        if taken.pieces is None:
            if closing and (state.open[n] and state.left[n] == state.full[n]):
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
    """Keep pieces from later offers; nobody discounted them, so each is at its list price."""
    value = pieces * line.unit_fen
    state.left[n] -= value
    state.full[n] -= value
    state.open[n] -= pieces
    state.free[n] -= pieces
    state.closed_fen += value - taken.shares[n]
    state.closed_by[n] = taken.rule


def why_nothing(rule: Rule, mine: Sequence[int], state: State, lines: Sequence[CartLine]) -> Reason:
    """Return why an offer that may come takes nothing off the cart as it is."""
    terms = rule.terms
    if not mine:
        return Reason("no_item")
    if terms.kind == "delivery" and not state.delivery_fen:
        return Reason("no_delivery")
    if terms.threshold_fen:
        short_fen = terms.threshold_fen - reached_fen(terms, mine, state, lines)
        if short_fen > 0:
            return Reason("short", fen=short_fen)
    open_to = untouched(terms, mine, state)
    closed = next((by for n in mine if (by := state.closed_by[n]) is not None), None)
    if not open_to and closed is not None:
        return Reason("excluded", by=closed.name)
    if rule.is_unit:
        each = terms.nth or max(1, sum(slot.quantity for slot in terms.slots))
        have = sum(state.free[n] for n in open_to)
        if have < each:
            return Reason("few_pieces", pieces=each - have)
    return Reason("worth_nothing")
