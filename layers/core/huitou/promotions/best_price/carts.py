"""The cart as the search sees it: equal rows become one line, and lines have a fixed order.

So the price doesn't depend on how the guest's rows are split or ordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from huitou.promotions.discounts.shares import spread

if TYPE_CHECKING:
    from huitou.promotions.discounts.models import CartLine, Taken


class Cart(NamedTuple):
    """The lines to search, and for each line the places of its rows in the guest's cart."""

    lines: list[CartLine]
    rows: list[list[int]]
    quantities: list[int]  # The quantity of each row.

    def back(self, taken: Sequence[Taken]) -> list[Taken]:
        """Move the discounts of lines back to the rows that the lines were made of.

        The earlier row gets its pieces first. An amount follows the pieces it is for; if it is for
        none, each row gets a part in proportion to its quantity.
        """
        if all(len(rows) == 1 for rows in self.rows):
            return [self._moved(one) for one in taken]
        left = [0] * len(self.quantities)
        for line, rows in zip(self.lines, self.rows, strict=True):
            for row in rows:
                left[row] = self.quantities[row] * line.unit_fen
        unused = self.quantities.copy()
        return [self._shared_out(one, left, unused) for one in taken]

    def _moved(self, taken: Taken) -> Taken:
        size = len(self.quantities)
        shares, pieces = [0] * size, [0] * size
        for n, (row,) in enumerate(self.rows):
            shares[row] = taken.shares[n]
            pieces[row] = taken.pieces[n] if taken.pieces is not None else 0
        return taken._replace(shares=shares, pieces=None if taken.pieces is None else pieces)

    def _shared_out(self, taken: Taken, left: list[int], unused: list[int]) -> Taken:
        size = len(self.quantities)
        shares, pieces = [0] * size, [0] * size
        for n, rows in enumerate(self.rows):
            weights = [self.quantities[row] for row in rows]
            if taken.pieces is not None:
                rest = taken.pieces[n]
                for row in rows:
                    pieces[row] = min(rest, unused[row])
                    unused[row] -= pieces[row]
                    rest -= pieces[row]
                weights = [pieces[row] for row in rows]
            parts = spread(taken.shares[n], weights, [left[row] for row in rows])
            for row, part in zip(rows, parts, strict=True):
                shares[row] = part
                left[row] -= part
        return taken._replace(shares=shares, pieces=None if taken.pieces is None else pieces)


def alike(rows: Sequence[CartLine]) -> Cart:
    """Join the rows of the same dish, 规格 and prices into one line; sort the lines by these."""
    places: dict[tuple[str, str, int, int, str], list[int]] = {}
    for place, row in enumerate(rows):
        key = (row.dish_id, row.sku_id, row.unit_fen, row.bare_fen, row.category)
        places.setdefault(key, []).append(place)
    found = [places[key] for key in sorted(places)]
    lines = [
        rows[same[0]]._replace(quantity=sum(rows[place].quantity for place in same))
        for same in found
    ]
    return Cart(lines, found, [row.quantity for row in rows])
