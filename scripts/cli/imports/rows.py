"""Normalise a till's rows: member, moment, amount in fen; or say which field is at fault."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from cli.imports.amounts import fen_of, quantity_of, returned_of
from cli.imports.cells import BadRow, Cell, clean, header_key
from cli.imports.dates import guessed, knows_time
from cli.imports.people import (
    NoMember,
    is_nothing,
    is_sum,
    is_sum_anywhere,
    member_number,
    number_text,
)
from cli.imports.statuses import is_money_back, is_part, meaning_of
from huitou.operations.imports.models import LONGEST_DISH, MOST_FEN, MOST_PIECES

FIELDS = (
    "member", "paid_at", "amount", "order", "store", "refund_of", "status", "refund_amount",
    "dish", "quantity", "payment", "time",
)  # fmt: skip
NEEDED = FIELDS[:3]
# Tells no order from another one: the till's words of today about it, and how it was read.
_BESIDES = ("formerly", "lines", "returned_fen", "if_known", "status")
LONGEST_SHOWN = 64
EARLIEST, LATEST = date(1970, 1, 1), date(2100, 12, 31)
# Where the word of a sum row may stand, besides the first column.
_NUMBERS = ("member", "order", "paid_at")
_NAMES_A_SUM = (*_NUMBERS, "store", "dish", "status")


class NoOrder(BadRow):
    """A row that belongs to no order at all: a sum, or the header once more."""


class NotSold(Exception):  # noqa: N818
    """A row that is rightly no revenue: its order was cancelled, refunded or never paid."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Rows:
    """How one file's cells are to be read; counts rows that say the same, for their ids.

    `stores` are the chain's store ids by id and by (clean) name, None for a name of several.
    `sold` are status words (clean, lower) that mean a sale besides those that tills use. A row
    without a member is an order without a guest if `keeps_without_member`, else it is rejected.
    """

    columns: Mapping[str, str]
    unit: str
    date_format: str | None
    zone: ZoneInfo
    stores: Mapping[str, str | None]
    store: str | None
    latest: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))
    seen: Counter[bytes] = field(default_factory=Counter)
    sold: frozenset[str] = frozenset()
    keeps_without_member: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether an order has several rows, one for each dish or payment."""
        return "dish" in self.columns or "payment" in self.columns

    def read(self, line: int, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """Return the row as `maintenance` takes it; raises BadRow, or NotSold.

        A row that only matters if its order is known has `if_known`, and the `status` that says
        so; it still is to be `counted`, after all others.
        """
        word = self.check_kind(cells)
        if word is not None:
            return {"line": line, **self.given_back(word, cells)}
        row = self._facts(cells)
        row["returned_fen"] = self._returned(cells, row["amount_fen"])
        if row["returned_fen"] is not None and row["returned_fen"] == row["amount_fen"]:
            return {"line": line, **row, "if_known": True, "status": self._shown_status(cells)}
        if row["amount_fen"] < 0 and row["refund_of"] is None:
            if row["order"] is None:
                raise BadRow("amount", "negative, and no refund_of says of what")
            row["refund_of"] = row["order"]  # It gives back (part of) the order of its own number.
        if row["amount_fen"] >= 0 and row["refund_of"] is not None:
            raise BadRow("amount", "not negative, though refund_of makes it a refund")
        return {"line": line, **self.counted(row)}

    def counted(self, row: dict[str, Any]) -> dict[str, Any]:
        """Add how many rows before it said the same; fields that say nothing are left out.

        `seq` counts rows of the same moment, exactly what an id without a number is made of;
        `seq_in_minute` those of the same minute, for a file that has lost its seconds.
        """
        # Equal facts by whatever spelling; the moment is that in UTC.
        numbered = row["order"] if row["order"] != row["refund_of"] else None
        facts = {name: value for name, value in row.items() if name not in (*_BESIDES, "line")}
        facts["order"] = numbered
        row["seq"] = self._count(facts)
        if numbered is None and "paid_at" in row:
            in_minute = self._count({**facts, "paid_at": row["paid_at"][:16]})
            row["seq_in_minute"] = in_minute if in_minute != row["seq"] else None
        return {name: value for name, value in row.items() if value is not None}

    def check_kind(self, cells: Mapping[str, Cell]) -> str | None:
        """Raise NoOrder for a sum or a header, and NotSold for what never was sold.

        Returns the status of a sale that went back whole, None for one that stands. Raises BadRow
        for a status that nobody knows.
        """
        if all(header_key(cell) == header_key(name) for name, cell in cells.items()):
            raise NoOrder("row", "the header again")
        places = [
            (name, cells[self.columns[name]]) for name in _NAMES_A_SUM if name in self.columns
        ]
        for name, cell in [*places, ("row", next(iter(cells.values()), ""))]:
            if is_sum(cell, is_number=name in _NUMBERS):
                raise NoOrder(name, f"a sum row, no sale: {clean(cell)[:LONGEST_SHOWN]}")
        for column, cell in cells.items():
            if is_sum_anywhere(cell) and column != self.columns.get("dish"):
                shown = f"{clean(cell)[:LONGEST_SHOWN]} in column {column[:LONGEST_SHOWN]}"
                raise NoOrder("row", f"a sum row, no sale: {shown}")
        if "status" in self.columns:
            status = clean(cells[self.columns["status"]])
            meaning = meaning_of(status, self.columns["status"], self.sold)
            if meaning == "not sold":
                raise NotSold(status[:LONGEST_SHOWN])
            part = "refund_amount" in self.columns and self._told_back(cells) > 0
            if meaning == "given back" and not part:
                return self._shown_status(cells)
            if meaning == "unknown" and not (part and is_part(status)):
                shown = status[:LONGEST_SHOWN] or '""'
                how = ", or map refund_amount=COLUMN" if is_part(status) else ""
                raise BadRow("status", f"does {shown} mean sold? If so: --sold {shown}{how}")
        return None

    def given_back(self, word: str, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """Return a sale that went back, if it can be one that came in before; else raise NotSold.

        Nobody is asked about a row that can't be read: it is no revenue in any case. A refund's
        own row, which names its order in refund_of, may have its amount without a minus.
        """
        try:
            row = self._facts(cells)
        except BadRow:
            raise NotSold(word) from None
        if row["refund_of"] and row["amount_fen"] > 0:
            column = self.columns["status"]
            if not is_money_back(cells[column], column):
                raise NotSold(word)  # Most likely the refund itself was called off.
            row["amount_fen"] = -row["amount_fen"]
        if row["amount_fen"] == 0:
            raise NotSold(word)
        if row["amount_fen"] < 0:
            row["refund_of"] = row["refund_of"] or row["order"]
            if row["refund_of"] is None:
                raise NotSold(word)
        else:
            row["returned_fen"] = row["amount_fen"]
        return row | {"if_known": True, "status": word}

    def _shown_status(self, cells: Mapping[str, Cell]) -> str:
        column = self.columns.get("status", self.columns.get("refund_amount", ""))
        return clean(cells[column])[:LONGEST_SHOWN]

    def _told_back(self, cells: Mapping[str, Cell]) -> int:
        return returned_of(cells[self.columns["refund_amount"]], self.unit, MOST_FEN)

    def _returned(self, cells: Mapping[str, Cell], amount_fen: int) -> int | None:
        """Return how much of a sale went back, None for nothing."""
        if "refund_amount" not in self.columns or amount_fen <= 0:
            return None
        returned_fen = self._told_back(cells)
        if returned_fen > amount_fen:
            raise BadRow("refund_amount", "more than the amount, which is before refunds")
        return returned_fen or None

    def facts_of_part(self, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """Return a row of one dish or payment: the order's facts, and its line; raises BadRow."""
        row = self._facts(cells)
        if row["order"] is None:
            raise BadRow("order", "there is none, so nobody knows which order the row is of")
        row["lines"] = [self.line_of(cells, row["amount_fen"])] if "dish" in self.columns else []
        return row

    def _facts(self, cells: Mapping[str, Cell]) -> dict[str, Any]:
        number: str | None
        try:
            number, formerly = member_number(cells[self.columns["member"]])
        except NoMember:
            if not self.keeps_without_member:
                raise
            number = formerly = None
        return {
            "member": number,
            **self._moment(self._when(cells)),
            "amount_fen": fen_of(cells[self.columns["amount"]], self.unit, MOST_FEN),
            "store": self._store(cells),
            "order": self._number(cells, "order"),
            "refund_of": self._number(cells, "refund_of"),
            "formerly": formerly,
        }

    def line_of(self, cells: Mapping[str, Cell], amount_fen: int) -> dict[str, Any]:
        """Return the line of a row's dish; raises BadRow."""
        name = clean(cells[self.columns["dish"]])[:LONGEST_DISH]
        if is_nothing(name):
            raise BadRow("dish", "there is none")
        count = quantity_of(cells[self.columns["quantity"]] if "quantity" in self.columns else "")
        if not 0 < abs(count) <= MOST_PIECES:
            raise BadRow("quantity", f"not between 0 and {MOST_PIECES}: {count}")
        if count == count.to_integral_value():
            return {"dish": name, "quantity": int(count), "amount_fen": amount_fen}
        # Half a pound: one portion of that size, for pieces are whole.
        line = {"dish": name, "quantity": 1, "amount_fen": amount_fen}
        return line | {"portion": f"×{count.normalize():f}"}

    def _store(self, cells: Mapping[str, Cell]) -> str | None:
        name = clean(cells[self.columns["store"]]) if "store" in self.columns else ""
        if is_nothing(name):
            if "store" in self.columns and self.store is None:
                raise BadRow("store", "there is none; --store names one for such rows")
            return self.store
        store_id = self.stores.get(name)
        if store_id is None:
            how = "more than one" if name in self.stores else "no"
            raise BadRow("store", f"{how} such store: {name[:LONGEST_SHOWN]}")
        return store_id

    def _number(self, cells: Mapping[str, Cell], name: str) -> str | None:
        text = clean(cells[self.columns[name]]) if name in self.columns else ""
        return None if is_nothing(text) else number_text(name, text)

    def _when(self, cells: Mapping[str, Cell]) -> date:
        """Return the day or moment of a row, which may have its time in a column of its own."""
        cell = cells[self.columns["paid_at"]]
        found = cell if isinstance(cell, date) else self._parsed(clean(cell))
        if self.date_format and not knows_time(self.date_format) and isinstance(found, datetime):
            found = found.date()
        if "time" not in self.columns:
            return found
        clock = self._clock(cells)
        if isinstance(found, datetime) and found.time() != time():
            if clock:
                raise BadRow("time", "paid_at has a time of its own; leave one of them out")
            return found
        day = found.date() if isinstance(found, datetime) else found
        if not clock:
            return day
        try:
            moment = guessed(f"{day.isoformat()} {clock}")
        except (ValueError, OverflowError):
            moment = day
        if not isinstance(moment, datetime):
            raise BadRow("time", f"not a time like 18:30: {clock[:LONGEST_SHOWN]}")
        return moment

    def _clock(self, cells: Mapping[str, Cell]) -> str:
        cell = cells[self.columns["time"]]
        if isinstance(cell, datetime):  # A spreadsheet's time may have a day that isn't shown.
            return cell.time().isoformat()
        text = clean(cell)
        return "" if is_nothing(text) else text

    def _moment(self, found: date) -> dict[str, str]:
        """A moment (in UTC) where the row knows one, else a business day."""
        day = found.date() if isinstance(found, datetime) else found
        if not EARLIEST <= day <= LATEST:
            raise BadRow("paid_at", f"not between {EARLIEST.year} and {LATEST.year}: {day}")
        if not isinstance(found, datetime):
            moment = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        else:
            moment = found if found.tzinfo else found.replace(tzinfo=self.zone)
        if moment > self.latest:
            raise BadRow("paid_at", f"in the future: {day}")
        if isinstance(found, datetime):
            return {"paid_at": moment.astimezone(UTC).isoformat()}
        return {"paid_on": day.isoformat()}

    def _count(self, facts: Mapping[str, Any]) -> int:
        same = hashlib.sha256(repr(sorted(facts.items())).encode()).digest()
        self.seen[same] += 1
        return self.seen[same] - 1

    def day_of(self, row: Mapping[str, Any]) -> str:
        """The day that a row says, as its file would write it."""
        if "paid_on" in row:
            return str(row["paid_on"])
        return datetime.fromisoformat(row["paid_at"]).astimezone(self.zone).date().isoformat()

    def is_midnight(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says a moment, and that is 00:00:00 where it was written."""
        at = row.get("paid_at")
        return at is not None and datetime.fromisoformat(at).astimezone(self.zone).time() == time()

    def _parsed(self, text: str) -> date:
        if not text:
            raise BadRow("paid_at", "there is none")
        try:
            if self.date_format:
                moment = datetime.strptime(text, self.date_format)
                return moment if knows_time(self.date_format) else moment.date()
            return guessed(text)
        except (ValueError, OverflowError):
            wanted = self.date_format or "like 2026-03-02 18:30; --date-format says another form"
            raise BadRow("paid_at", f"not a date {wanted}: {text[:LONGEST_SHOWN]}") from None


def columns_of(
    given: Iterable[str], fields: Sequence[str], needed: Sequence[str]
) -> dict[str, str]:
    """Read FIELD=COLUMN,… as a user types it; raises a BadParameter that names what is wrong."""
    columns: dict[str, str] = {}
    for text in given:
        for pair in re.split(r"[,，]\s*(?=[a-z_]+=)", text):  # Column names may hold commas.
            name, _, column = pair.partition("=")
            if name not in fields or not column.strip():
                raise click.BadParameter(f"{pair!r}; write FIELD=COLUMN, {', '.join(fields)}")
            if name in columns:
                raise click.BadParameter(f"{name} is given twice")
            columns[name] = column.strip()
    if missing := [name for name in needed if name not in columns]:
        raise click.BadParameter(f"also needed: {', '.join(missing)}")
    return columns
