"""A cart as the search sees it: alike rows are one line, in an order that rows don't decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from huitou.promotions.discounts.models import CartLine, Taken
from huitou.promotions.discounts.shares import spread


class Cart(NamedTuple):
    """Lines to search, and of each which rows of the guest's cart it is (by their places)."""

    lines: list[CartLine]
    rows: list[list[int]]
    quantities: list[int]  # Of each row.

    def back(self, taken: Sequence[Taken]) -> list[Taken]:
        """Lay what offers take off lines onto the rows they came from.

        Pieces go to the earlier row; money follows the pieces, or else lies evenly on them.
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
    """Put rows of the same dish, 规格 and prices together, in the order of these."""
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
