"""A price by force: every subset of offers, every set of pieces, one after the other.

Written from the rules in words, apart from the engine: fractions for shares, no bound, no order of
trying. Slow; for carts of a few pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product

from huitou.discounts.models import CartLine, Rule, Tree

UNIT = ("fixed_price", "free_item", "exchange", "nth_item", "bundle")


@dataclass(frozen=True)
class Cart:
    """Per line: open pieces, those nobody claimed, what is left to pay, what claims took off."""

    open: tuple[int, ...]
    free: tuple[int, ...]
    left: tuple[int, ...]
    claimed_off: tuple[int, ...]
    paid_for: int = 0
    delivery: int = 0
    chosen: tuple[Rule, ...] = ()
    off: tuple[int, ...] = ()  # What the last offer about whole lines took off each.
    left_out: tuple[Rule, ...] = ()  # Though they aren't optional.
    touched: tuple[tuple[Rule, frozenset[int]], ...] = ()  # Who took from which lines.
    seen: dict[int, int] = field(default_factory=dict)  # `first` groups: the child that applied.

    def payable(self) -> int:
        return sum(self.left) + self.paid_for + self.delivery


def least(
    lines: Sequence[CartLine], rules: Sequence[Rule], tree: Tree, delivery: int = 0
) -> tuple[int, int, tuple[str, ...]]:
    """Return the best key there is: fen to pay, coupons used, when they end."""
    quantities = tuple(line.quantity for line in lines)
    start = Cart(
        quantities, quantities, tuple(line.quantity * line.unit_fen for line in lines),
        (0,) * len(lines), delivery=delivery,
    )  # fmt: skip
    keys = []
    for end in _ends(start, lines, list(rules), tree):
        if not all(_excused(end, lines, rule, tree) for rule in end.left_out):
            continue
        coupons = sorted(rule.soonest for rule in end.chosen if rule.source == "coupon")
        keys.append((end.payable(), len(coupons), tuple(coupons)))
    return min(keys)


def _ends(cart: Cart, lines: Sequence[CartLine], rules: list[Rule], tree: Tree) -> Iterator[Cart]:
    if not rules:
        yield cart
        return
    rule, rest = rules[0], rules[1:]
    leaf = rule.steps[-1].group
    if tree.by_item[leaf]:
        group = [other for other in rules if other.steps[-1].group == leaf]
        for after in _shared_out(cart, lines, group, tree):
            yield from _ends(after, lines, rules[len(group) :], tree)
        return
    ways = list(_ways(cart, lines, rule, tree))
    for after in ways:
        yield from _ends(after, lines, rest, tree)
    if ways:
        if not rule.optional:
            cart = replace(cart, left_out=(*cart.left_out, rule))
        for group, child in rule.steps:
            if tree.modes[group] == "first":
                cart = replace(cart, seen={group: child} | cart.seen)
    yield from _ends(cart, lines, rest, tree)


def _excused(cart: Cart, lines: Sequence[CartLine], rule: Rule, tree: Tree) -> bool:
    """An offer that isn't optional stays away only from one that it doesn't go with."""
    met = any(
        "item" in (other.terms.exclusive, rule.terms.exclusive)
        and any(_about(rule, lines[n]) for n in of)
        for other, of in cart.touched
    )
    return met or not _may(replace(cart, seen={}), rule, tree)


def _may(cart: Cart, rule: Rule, tree: Tree) -> bool:
    others = cart.chosen
    if others and (rule.terms.exclusive == "order" or others[0].terms.exclusive == "order"):
        return False
    for group, child in rule.steps:
        there = [step.child for o in others for step in o.steps if step.group == group]
        if tree.modes[group] != "stack" and not tree.by_item[group]:
            if any(other != child for other in there):
                return False
            if cart.seen.get(group, child) != child:
                return False
        if len(there) >= tree.most[group]:
            return False
    mine = {step.group for step in rule.steps}
    for names in tree.never:
        for other in others:
            theirs = {step.group for step in other.steps}
            if names & mine and (theirs & names) - mine:
                return False
    return True


def _ways(cart: Cart, lines: Sequence[CartLine], rule: Rule, tree: Tree) -> Iterator[Cart]:
    if not _may(cart, rule, tree):
        return
    mine = [n for n, line in enumerate(lines) if _about(rule, line)]
    if not mine:
        return
    taken = replace(cart, chosen=(*cart.chosen, rule))
    for after in _after(taken, lines, rule, mine, mine):
        if after.payable() < cart.payable():
            yield after


def _after(
    cart: Cart, lines: Sequence[CartLine], rule: Rule, mine: list[int], over: list[int]
) -> Iterator[Cart]:
    terms = rule.terms
    times = 1
    if terms.threshold_fen:
        looked_at = over if terms.threshold_of == "scope" else range(len(lines))
        amounts = [_amount(cart, lines, n, terms.threshold_base, terms.with_addons)
                   for n in looked_at]  # fmt: skip
        times = min(terms.most_times, sum(amounts) // terms.threshold_fen)
        if not times:
            return
    if terms.kind == "delivery":
        off = cart.delivery if terms.off_fen is None else min(terms.off_fen, cart.delivery)
        yield replace(cart, delivery=cart.delivery - off)
    elif terms.kind in UNIT:
        for pieces in product(*(range(n + 1) for n in cart.free)):
            after = _claimed(cart, lines, rule, mine, pieces)
            if after is not None:
                yield after
    else:
        yield _taken_off(cart, lines, rule, mine, times)


def _full(cart: Cart, lines: Sequence[CartLine], n: int) -> int:
    return cart.open[n] * lines[n].unit_fen


def _amount(cart: Cart, lines: Sequence[CartLine], n: int, base: str, addons: bool) -> int:
    amount = cart.left[n] if base == "running" else _full(cart, lines, n)
    if addons or not lines[n].unit_fen:
        return amount
    return int(Fraction(amount * lines[n].bare_fen, lines[n].unit_fen))


def _taken_off(
    cart: Cart, lines: Sequence[CartLine], rule: Rule, mine: list[int], times: int
) -> Cart:
    terms = rule.terms
    mine = [n for n in mine if cart.open[n]]
    if terms.exclusive == "item":
        mine = [n for n in mine if cart.left[n] == _full(cart, lines, n)]
    weights = {n: _amount(cart, lines, n, terms.base, terms.with_addons) for n in mine}
    if terms.kind == "percent_off":
        off = int(Fraction(sum(weights.values()) * (terms.off_bp or 0), 10_000))
        off = min(off, terms.cap_fen) if terms.cap_fen else off
    else:
        off = (terms.off_fen or 0) * times
    off = min(off, sum(cart.left[n] for n in mine))
    shares = _spread(off, weights)
    shares = {n: min(share, cart.left[n]) for n, share in shares.items()}
    rest = _spread(off - sum(shares.values()), {n: cart.left[n] - shares[n] for n in mine})
    left, open_, free, paid = list(cart.left), list(cart.open), list(cart.free), cart.paid_for
    for n in mine:
        left[n] -= shares[n] + rest[n]
        if terms.exclusive == "item" and off:
            paid += left[n]
            left[n] = open_[n] = free[n] = 0
    took = tuple(shares.get(n, 0) + rest.get(n, 0) for n in range(len(lines)))
    return replace(
        cart,
        left=tuple(left),
        open=tuple(open_),
        free=tuple(free),
        paid_for=paid,
        off=took,
        touched=(*cart.touched, (rule, frozenset(n for n in mine if took[n]))),
    )


def _spread(total: int, weights: dict[int, int]) -> dict[int, int]:
    """Largest remainder, of equals the earlier line first."""
    whole = sum(weights.values())
    if not whole or not total:
        return dict.fromkeys(weights, 0)
    exact = {n: Fraction(total * weight, whole) for n, weight in weights.items()}
    shares = {n: int(part) for n, part in exact.items()}
    for n in sorted(weights, key=lambda n: (shares[n] - exact[n], n))[
        : total - sum(shares.values())
    ]:
        shares[n] += 1
    return shares


def _claimed(
    cart: Cart, lines: Sequence[CartLine], rule: Rule, mine: list[int], pieces: Sequence[int]
) -> Cart | None:
    terms = rule.terms
    if not sum(pieces) or any(count and n not in mine for n, count in enumerate(pieces)):
        return None
    even = [cart.left[n] + cart.claimed_off[n] for n in range(len(lines))]
    if terms.exclusive == "item" and any(
        count and even[n] != _full(cart, lines, n) for n, count in enumerate(pieces)
    ):
        return None
    worth = []
    for n, line in enumerate(lines):
        value = line.unit_fen
        if terms.base == "running" and cart.open[n]:
            value = even[n] // cart.open[n]
        if (not terms.with_addons or terms.kind == "exchange") and line.unit_fen:
            value = value * line.bare_fen // line.unit_fen
        worth.append(value)
    off = _off(rule, lines, worth, pieces)
    if off is None:
        return None
    of = frozenset(n for n, count in enumerate(pieces) if count)
    left, open_, free = list(cart.left), list(cart.open), list(cart.free)
    claimed, paid = list(cart.claimed_off), cart.paid_for
    for n, count in enumerate(pieces):
        share = min(off[n], cart.left[n])
        free[n] -= count
        if terms.exclusive == "item":
            left[n] -= count * lines[n].unit_fen
            open_[n] -= count
            paid += count * lines[n].unit_fen - share
        else:
            left[n] -= share
            claimed[n] += share
    return replace(cart, left=tuple(left), open=tuple(open_), free=tuple(free),
                   claimed_off=tuple(claimed), paid_for=paid,
                   touched=(*cart.touched, (rule, of)))  # fmt: skip


def _off(
    rule: Rule, lines: Sequence[CartLine], worth: list[int], pieces: Sequence[int]
) -> list[int] | None:
    """What a set of pieces brings per line, or None where the offer can't take that set."""
    terms, off = rule.terms, [0] * len(pieces)
    if terms.kind == "nth_item":
        nth = terms.nth or 1
        singles = [n for n, count in enumerate(pieces) for _ in range(count)]
        if len(singles) % nth or len(singles) // nth > terms.most_times:
            return None
        singles.sort(key=lambda n: (-worth[n], n))
        for n in singles[nth - 1 :: nth]:
            off[n] += worth[n] * (terms.off_bp or 0) // 10_000
        return off
    if terms.kind == "bundle":
        each = sum(slot.quantity for slot in terms.slots)
        times = sum(pieces) // each
        if sum(pieces) % each or times > terms.most_times or not _fills(rule, lines, pieces, times):
            return None
        values = {n: count * worth[n] for n, count in enumerate(pieces)}
        saved = max(0, sum(values.values()) - times * (terms.price_fen or 0))
        return list(_spread(saved, values).values())
    price = terms.price_fen or 0
    useless = any(n and value <= price for n, value in zip(pieces, worth, strict=True))
    if sum(pieces) > terms.most_times or useless:  # It takes no piece that it makes no cheaper.
        return None
    return [n * max(0, value - price) for n, value in zip(pieces, worth, strict=True)]


def _fills(rule: Rule, lines: Sequence[CartLine], pieces: Sequence[int], times: int) -> bool:
    places = [slot for slot in rule.terms.slots for _ in range(slot.quantity * times)]
    singles = [n for n, count in enumerate(pieces) for _ in range(count)]

    def fill(left: list[int], to_fill: list[object]) -> bool:
        if not to_fill:
            return True
        slot = to_fill[0]
        return any(
            _in(slot.scope, lines[n])  # type: ignore[attr-defined]
            and fill([*left[:place], *left[place + 1 :]], to_fill[1:])
            for place, n in enumerate(left)
        )

    return fill(singles, list(places))


def _about(rule: Rule, line: CartLine) -> bool:
    slots = rule.terms.slots
    return _in(rule.terms.scope, line) and (
        not slots or any(_in(slot.scope, line) for slot in slots)
    )


def _in(scope: object, line: CartLine) -> bool:
    wanted = [(scope.dish_ids, line.dish_id), (scope.sku_ids, line.sku_id),  # type: ignore[attr-defined]
              (scope.categories, line.category)]  # type: ignore[attr-defined] # fmt: skip
    without: list[str] = scope.except_dish_ids  # type: ignore[attr-defined]
    return all(not ids or mine in ids for ids, mine in wanted) and line.dish_id not in without


def _shared_out(
    cart: Cart, lines: Sequence[CartLine], group: list[Rule], tree: Tree
) -> Iterator[Cart]:
    """A group per item: of any of its offers, each line goes to the one that takes most off it."""
    alone: list[tuple[Rule, list[int], tuple[int, ...]]] = []
    for rule in group:
        mine = [n for n, line in enumerate(lines) if _about(rule, line)]
        if not mine or not _may(cart, rule, tree):
            continue
        after = next(_after(cart, lines, rule, mine, mine), None)
        if after is not None and after.payable() < cart.payable():
            alone.append((rule, mine, after.off))
    if tree.modes[group[0].steps[-1].group] == "first":
        alone = alone[:1]
    for picks in product([True, False], repeat=len(alone)):
        picked = [one for one, pick in zip(alone, picks, strict=True) if pick]
        won: list[list[int]] = [[] for _ in picked]
        for n in range(len(lines)):
            offs = [off[n] if n in mine else 0 for _, mine, off in picked]
            if offs and max(offs):
                won[offs.index(max(offs))].append(n)
        out = [rule for (rule, _, _), pick in zip(alone, picks, strict=True)
               if not pick and not rule.optional]  # fmt: skip
        after = replace(cart, left_out=(*cart.left_out, *out))
        for (rule, mine, _), lines_won in zip(picked, won, strict=True):
            if lines_won:
                done = next(_after(after, lines, rule, lines_won, mine), None)
                if done is not None and done.payable() < after.payable():
                    after = replace(done, chosen=(*done.chosen, rule))
        yield after
