"""Turn a file's rows into orders and refunds, and sort out those that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cli.imports.cells import BadRow, Row
from cli.imports.dishes import Dishes
from cli.imports.preview import Preview, net_fen
from cli.imports.rejects import Rejects
from cli.imports.repeats import Held, Repeats
from cli.imports.rows import NotSold, Rows

Normal = dict[str, Any]
Entry = tuple[list[Row], Normal]  # An order or refund, and the rows that it was made of.


@dataclass
class Reading:
    """One way through a file; `sums` and `not_sold` say what became of its rows."""

    rows: Rows
    rejects: Rejects
    sums: Counter[str] = field(default_factory=Counter)
    not_sold: Counter[str] = field(default_factory=Counter)
    preview: Preview = field(init=False)
    repeats: Repeats = field(default_factory=lambda: Repeats({}))
    twice: int = 0  # Rows that say in every column what another row says.
    first_day: str = ""
    last_day: str = ""

    def __post_init__(self) -> None:
        self.preview = Preview(self.rows.zone)

    def entries(self, rows: Iterator[Row]) -> Iterator[Entry]:
        """Yield each order and refund of the file; what can't go in is rejected on the way."""
        found = self._dishes(rows) if self.rows.adds_up else self._orders(rows)
        for entry in found:
            self.sums["amount_fen"] += net_fen(entry[1])
            if "if_known" in entry[1]:  # Nothing but what may become of an order that is there.
                yield entry
                continue
            self.sums["without_member"] += "member" not in entry[1]
            day = self.rows.day_of(entry[1])
            self.first_day = min(self.first_day or day, day)
            self.last_day = max(self.last_day, day)
            self.preview.add(*entry, day, midnight=self.rows.is_midnight(entry[1]))
            yield entry

    def _orders(self, rows: Iterator[Row]) -> Iterator[Entry]:
        held = Held(self.repeats)
        for row in self._sound(rows):
            try:
                normal = self.rows.read(row.line, row.cells)
            except NotSold as order:
                self.leave_out(order.status)
            except BadRow as bad:
                self.rejects.add(row, bad.field, bad.reason)
            else:
                is_sale = "refund_of" not in normal and "if_known" not in normal
                if is_sale and self.repeats.has(row.cells):
                    held.add(row, normal)
                else:
                    yield [row], normal
        for row, told in held.sales():
            if isinstance(told, BadRow):
                self.rejects.add(row, told.field, told.reason)
            else:
                yield [row], told
        self.twice = held.twice

    def _dishes(self, rows: Iterator[Row]) -> Iterator[Entry]:
        dishes = Dishes(self.rows)
        for row in self._sound(rows):
            try:
                dishes.add(row)
            except NotSold as dish:
                self.leave_out(dish.status)
            except BadRow as bad:
                self.rejects.add(row, bad.field, bad.reason)
        for of_order, told in dishes.orders():
            if isinstance(told, NotSold):
                self.leave_out(told.status, len(of_order))
                continue
            if isinstance(told, dict):
                for status in told.pop("dropped", ()):
                    self.leave_out(status)
                yield of_order, told
                continue
            culprit, why = told
            for row in of_order:
                if row is culprit:
                    self.rejects.add(row, why.field, why.reason)
                else:
                    self.rejects.add(row, "order", f"see line {culprit.place}")

    def _sound(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.sums["rows"] += 1
            if row.fault:
                self.rejects.add(row, "row", row.fault)
            else:
                yield row

    def leave_out(self, status: str, rows: int = 1) -> None:
        """Count rows that are no revenue, by their status."""
        self.sums["not_sold"] += rows
        self.not_sold[status] += rows
