"""Put an order together from a file that has one row per dish, as most tills export them.

Or one row per payment: such an order has no lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cli.imports.cells import BadRow, Cell, Row, clean
from cli.imports.people import is_nothing
from cli.imports.rows import NotSold, Rows
from huitou.operations.imports.models import MOST_LINES

Normal = dict[str, Any]

# Rows of one number that are further apart are two orders: the till counts anew each day, or
# money went back later.
LONGEST_MEAL = timedelta(hours=12)
# What exports write only in the first row of an order, in cells that look merged.
_ONCE = ("order", "member", "paid_at", "time", "store", "status", "refund_of")


@dataclass
class _Order:
    """The rows of one number at one store; one bad row keeps all of them out."""

    rows: list[Row] = field(default_factory=list)
    facts: list[tuple[Row, Normal]] = field(default_factory=list)
    fault: tuple[Row, BadRow] | None = None


class Dishes:
    """Gathers a whole file, for the rows of an order may stand anywhere in it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._part = "dish" if "dish" in rows.columns else "payment"
        self._orders: dict[tuple[str, str], _Order] = {}
        self._last: dict[str, Cell] = {}

    def add(self, row: Row) -> None:
        """Take one row in; raises BadRow for a row of no order, NotSold for one that is no sale."""
        cells = self._filled(row.cells)
        try:
            word = self._rows.check_kind(cells)
            back = self._rows.given_back(word, cells) if word is not None else None
            if back is not None and back["order"] is None:
                raise NotSold(back["status"])
        except NotSold:
            self._last = cells
            raise
        order = self._orders.setdefault(self._key(cells), _Order())
        self._last = cells
        order.rows.append(row)
        if back is not None:
            order.facts.append((row, self._with_line(back, cells)))
            return
        try:
            order.facts.append((row, self._rows.facts_of_part(cells)))
        except BadRow as bad:
            order.fault = order.fault or (row, bad)

    def orders(self) -> Iterator[tuple[list[Row], Normal | NotSold | tuple[Row, BadRow]]]:
        """Yield each order's rows with the order they make, or with the row at fault and why.

        NotSold stands for an order of which no row is a sale.
        """
        for order in self._orders.values():
            if order.fault:
                yield order.rows, order.fault
                continue
            for part in _meals(order.facts):
                rows = [row for row, _ in part]
                try:
                    yield rows, self._together([facts for _, facts in part])
                except NotSold as none:
                    yield rows, none
                except BadRow as bad:
                    yield rows, (rows[0], bad)

    def _filled(self, cells: dict[str, Cell]) -> dict[str, Cell]:
        """Fill in what only the first row of an order says."""
        columns = self._rows.columns
        number = cells[columns["order"]]
        if not self._last or is_nothing(clean(cells[columns[self._part]])):
            return cells
        if not is_nothing(clean(number)) and number != self._last[columns["order"]]:
            return cells
        names = [columns[name] for name in _ONCE if name in columns]
        return cells | {n: self._last[n] for n in names if is_nothing(clean(cells[n]))}

    def _key(self, cells: dict[str, Cell]) -> tuple[str, str]:
        columns = self._rows.columns
        number = clean(cells[columns["order"]])
        if is_nothing(number):
            raise BadRow("order", "there is none, so nobody knows which order the row is of")
        return clean(cells[columns["store"]]) if "store" in columns else "", number

    def _with_line(self, back: Normal, cells: dict[str, Cell]) -> Normal:
        """Add the line by which a negative row of an order takes off what it gives back."""
        if back["amount_fen"] > 0 or self._part == "payment":
            return back
        try:
            line = self._rows.line_of(cells, back["amount_fen"])
        except BadRow:  # It names no dish: the whole order went back, or some money.
            line = {"dish": back["status"], "quantity": 1, "amount_fen": back["amount_fen"]}
        return back | {"lines": [line]}

    def _together(self, given: list[Normal]) -> Normal:
        """Return one order of its lines, at the moment of its first.

        A dish that went back is no line of it; `dropped` are the words of those. Rows of their own
        give money back (`returned_fen`). If all went back, the order only matters if it is known.
        """
        sold = [part for part in given if "status" not in part]
        back = [part for part in given if "status" in part and "returned_fen" in part]
        taken = [part for part in given if "status" in part and "returned_fen" not in part]
        if not sold:
            return self._given_back(given, back, taken)
        if len({part["member"] for part in sold}) > 1:
            raise BadRow("member", "the rows of this order name different members")
        if len(given) > MOST_LINES:
            raise BadRow("order", f"more than {MOST_LINES} rows")
        amount_fen = sum(part["amount_fen"] for part in sold)
        first = min(sold, key=_moment)
        row = {**first, "amount_fen": amount_fen}
        if amount_fen < 0:
            del row["lines"]
            row["refund_of"] = row["refund_of"] or row["order"]
            row["amount_fen"] += sum(part["amount_fen"] for part in taken)
        elif row["refund_of"] is not None:
            raise BadRow("amount", "not negative, though refund_of makes it a refund")
        else:
            # Beside dishes that are no lines, what goes back is negative lines: they add up then.
            parts = [*sold, *taken] if back else sold
            row["lines"] = [line for part in parts for line in part.get("lines", ())]
            off_fen = -sum(part["amount_fen"] for part in taken)
            if off_fen > amount_fen:
                raise BadRow("amount", "more goes back than was sold")
            returned_fen = off_fen + sum(part["amount_fen"] for part in back)
            if returned_fen:
                row["amount_fen"] += returned_fen - off_fen
                row["returned_fen"] = returned_fen
            if off_fen and off_fen == amount_fen:
                return {**row, "if_known": True, "status": taken[0]["status"]}
        dropped = [part["status"] for part in back]
        return self._rows.counted(row) | ({"dropped": dropped} if dropped else {})

    def _given_back(self, given: list[Normal], back: list[Normal], taken: list[Normal]) -> Normal:
        """Return what an order without any dish that stands tells of the one that may be in."""
        if not back and not taken:
            raise NotSold(given[0]["status"])
        parts = back or taken
        amount_fen = sum(part["amount_fen"] for part in parts)
        first = min(parts, key=_moment)
        row = {name: value for name, value in first.items() if name != "lines"}
        row["amount_fen"] = amount_fen
        return row | ({"returned_fen": amount_fen} if back else {})


def _meals(facts: list[tuple[Row, Normal]]) -> Iterator[list[tuple[Row, Normal]]]:
    """Split the rows of one number where more than LONGEST_MEAL lies between two of them."""
    ordered = sorted(facts, key=lambda one: _moment(one[1]))
    part = ordered[:1]
    for one in ordered[1:]:
        if _moment(one[1]) - _moment(part[-1][1]) > LONGEST_MEAL:
            yield part
            part = []
        part.append(one)
    yield part


def _moment(row: Normal) -> datetime:
    if "paid_on" in row:
        return datetime.combine(date.fromisoformat(row["paid_on"]), time(12), UTC)
    return datetime.fromisoformat(row["paid_at"])
