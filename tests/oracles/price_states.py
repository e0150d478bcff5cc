"""The input of the brute force and the states that it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from huitou.promotions.offers.models import Group, Scope, Terms


class Row(NamedTuple):
    """One row of a cart; a piece costs `unit_fen` with its extras and `bare_fen` without."""

    dish_id: str
    sku_id: str
    category: str
    quantity: int
    unit_fen: int
    bare_fen: int


class Offered(NamedTuple):
    """One offer, coupon or tier discount in force; a coupon's `id` is that of its template."""

    source: Literal["tier", "offer", "coupon"]
    id: str
    revision: int
    terms: Terms
    group: str
    priority: int = 0
    optional: bool = True
    named: bool = False
    ends: str = ""


class Best(NamedTuple):
    """The key by which combinations are compared; the least one is the best."""

    payable_fen: int
    coupons: int
    ends: tuple[str, ...]


class Now(NamedTuple):
    """The state of a line after some of the offers.

    `running` is what is still to pay for its `open` pieces, `closed` what the other pieces cost.
    No offer uses the `free` ones of the open pieces. `piecewise` is what offers about single pieces
    took off the open ones. `whole` says that an offer about whole lines took something off.
    """

    open: int
    free: int
    running: int
    closed: int = 0
    piecewise: int = 0
    whole: bool = False


Nows = tuple[Now, ...]


class Outcome(NamedTuple):
    """One way to take an offer: the state after it, and the lines it touched (the fee is last)."""

    nows: Nows
    fee: int
    touched: frozenset[int]


class State(NamedTuple):
    """The state of a combination after some of the offers.

    `left` are the offers that were left out although they aren't optional and could take something
    off. `firsts` says which child each group `first` has chosen. `given` says, for the group per
    item whose turn it is, to which offer each line and the fee was given.
    """

    nows: Nows
    fee: int
    taken: tuple[tuple[int, frozenset[int]], ...]
    left: tuple[int, ...]
    firsts: tuple[tuple[str, str], ...]
    given: tuple[int, ...]


def merged(rows: Sequence[Row]) -> list[Row]:
    """Return the lines in a fixed order; equal rows become one line."""
    lines: dict[tuple[str, str, int, int], Row] = {}
    for row in rows:
        key = (row.dish_id, row.sku_id, row.unit_fen, row.bare_fen)
        more = lines[key].quantity if key in lines else 0
        lines[key] = row._replace(quantity=row.quantity + more)
    return [lines[key] for key in sorted(lines)]


def paths(groups: Sequence[Group], above: tuple[Group, ...] = ()) -> Iterator[tuple[Group, ...]]:
    """Yield the path to each group of the tree, from the outermost group, in depth-first order."""
    for group in groups:
        yield (*above, group)
        yield from paths(group.groups, (*above, group))


def covers(scope: Scope, row: Row) -> bool:
    """Tell whether a scope covers a line."""
    return (
        (not scope.dish_ids or row.dish_id in scope.dish_ids)
        and (not scope.sku_ids or row.sku_id in scope.sku_ids)
        and (not scope.categories or row.category in scope.categories)
        and row.dish_id not in scope.except_dish_ids
    )


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """Share an amount by largest remainder; among equal remainders the earlier part goes first."""
    total = sum(weights)
    shares = [amount * weight // max(1, total) for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda at: -(amount * weights[at] % max(1, total)))
    for at in by_rest[: amount - sum(shares)]:
        shares[at] += 1
    return shares
