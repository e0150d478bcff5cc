"""Rows of one file that have the same order number and time: an order's payments, or one row twice.

An order that was paid in two parts has two rows in many exports. Each of them alone would be an
order that is too small, and two equal parts would look like one row that stands there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.imports.cells import BadRow, Cell, Row, clean
from cli.imports.people import is_nothing

Key = int  # A hash: a large file has as many as rows.


@dataclass
class Repeats:
    """Finds them in a first way through the file; `columns` are the file's names by field."""

    columns: Mapping[str, str]
    seen: set[Key] = field(default_factory=set)
    repeated: set[Key] = field(default_factory=set)

    def look_at(self, row: Row) -> None:
        """Take one row in."""
        key = self.key_of(row.cells)
        if key is not None:
            (self.repeated if key in self.seen else self.seen).add(key)

    def key_of(self, cells: Mapping[str, Cell]) -> Key | None:
        """Return what rows of one order share; None for a row without a number."""
        if "order" not in self.columns or is_nothing(clean(cells[self.columns["order"]])):
            return None
        names = [name for name in ("order", "store", "paid_at", "time") if name in self.columns]
        return hash(tuple(clean(cells[self.columns[name]]) for name in names))

    def has(self, cells: Mapping[str, Cell]) -> bool:
        """Tell whether other rows share this row's number and time."""
        return bool(self.repeated) and self.key_of(cells) in self.repeated


class Held:
    """The sales among such rows, kept until the whole file is read."""

    def __init__(self, repeats: Repeats) -> None:
        self._repeats = repeats
        self._sales: dict[Key | None, list[tuple[Row, dict[str, Any]]]] = {}
        self.twice = 0  # Rows that say in every column what another one says.

    def add(self, row: Row, sale: dict[str, Any]) -> None:
        """Take a sale in."""
        self._sales.setdefault(self._repeats.key_of(row.cells), []).append((row, sale))

    def sales(self) -> Iterator[tuple[Row, dict[str, Any] | BadRow]]:
        """Yield each row with what it says, or with why it can't go in."""
        for same in self._sales.values():
            contents = {tuple(map(clean, row.cells.values())) for row, _ in same}
            if len(contents) == 1:
                self.twice += len(same) - 1
                yield from same
                continue
            places = ", ".join(row.place for row, _ in same[:5])
            reason = (
                f"lines {places} have one number and time. If they are payments of one order, "
                "map payment=COLUMN, and they are added up; if they are of several stores, map "
                "store=COLUMN; else give each its own number"
            )
            for row, _ in same:
                yield row, BadRow("order", reason)
