"""What the enumeration of prices is told, and what it keeps of a combination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from huitou.promotions.offers.models import Group, Scope, Terms


class Row(NamedTuple):
    """One row of a cart; the price of a piece with its extras and without."""

    dish_id: str
    sku_id: str
    category: str
    quantity: int
    unit_fen: int
    bare_fen: int


class Offered(NamedTuple):
    """One offer, coupon or tier discount that is in force; `id` of a coupon is its template's."""

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
    """What the best combination comes to; the least is the best."""

    payable_fen: int
    coupons: int
    ends: tuple[str, ...]


class Now(NamedTuple):
    """What became of a line so far.

    `running` is still to pay for its `open` pieces, of which `free` are used by no offer, `closed`
    for the others; `piecewise` is what offers about single pieces took off the open ones; `whole`
    says that an offer about whole lines took something.
    """

    open: int
    free: int
    running: int
    closed: int = 0
    piecewise: int = 0
    whole: bool = False


Nows = tuple[Now, ...]


class Outcome(NamedTuple):
    """One way to take an offer: what it leaves, and the lines (last, the fee) that it touched."""

    nows: Nows
    fee: int
    touched: frozenset[int]


class State(NamedTuple):
    """Where a combination is after some of the offers.

    `left` are those not optional that were left out though they could take something off; `firsts`
    the child that each group `first` has settled on; `given` whom each line, and the fee, was
    given to in the group `per: item` that is being applied.
    """

    nows: Nows
    fee: int
    taken: tuple[tuple[int, frozenset[int]], ...]
    left: tuple[int, ...]
    firsts: tuple[tuple[str, str], ...]
    given: tuple[int, ...]


def merged(rows: Sequence[Row]) -> list[Row]:
    """Return the lines in their canonical order, alike rows as one."""
    lines: dict[tuple[str, str, int, int], Row] = {}
    for row in rows:
        key = (row.dish_id, row.sku_id, row.unit_fen, row.bare_fen)
        more = lines[key].quantity if key in lines else 0
        lines[key] = row._replace(quantity=row.quantity + more)
    return [lines[key] for key in sorted(lines)]


def paths(groups: Sequence[Group], above: tuple[Group, ...] = ()) -> Iterator[tuple[Group, ...]]:
    """Yield each group of the tree, with those around it before it, in the order of the page."""
    for group in groups:
        yield (*above, group)
        yield from paths(group.groups, (*above, group))


def covers(scope: Scope, row: Row) -> bool:
    """Whether a scope has a line in it."""
    return (
        (not scope.dish_ids or row.dish_id in scope.dish_ids)
        and (not scope.sku_ids or row.sku_id in scope.sku_ids)
        and (not scope.categories or row.category in scope.categories)
        and row.dish_id not in scope.except_dish_ids
    )


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """Share an amount by largest remainder; of equal remainders the earlier goes first."""
    total = sum(weights)
    shares = [amount * weight // max(1, total) for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda at: -(amount * weights[at] % max(1, total)))
    for at in by_rest[: amount - sum(shares)]:
        shares[at] += 1
    return shares
