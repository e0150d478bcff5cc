"""Normalise a till's rows: member, moment, amount in fen; or say which field is at fault."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from cli.imports.table import Cell
from huitou.imports.models import MOST_FEN

FIELDS = ("member", "paid_at", "amount", "order", "store", "refund_of")
NEEDED = FIELDS[:3]
LONGEST = 64  # Characters of a number or name.
EARLIEST = date(1970, 1, 1)

_DAY = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.年]?)(?P<month>\d{1,2})[-/.月]?(?P<day>\d{1,2})日?"
    r"(?:[T ]*(?P<time>\d{1,2}:\d{2}(?::\d{2})?|\d{6})(?:\.\d+)?)?"
)
_AMOUNT = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
_TIME_DIRECTIVES = ("%H", "%I", "%M", "%S", "%p", "%X", "%c", "%T", "%s", "%R")


class BadRow(Exception):  # noqa: N818
    """A row that can't go in: the field at fault, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.field, self.reason = name, reason


@dataclass
class Rows:
    """How one file's cells are to be read; counts rows that say the same, for their ids."""

    columns: Mapping[str, str]
    unit: str
    date_format: str | None
    zone: ZoneInfo
    store: str | None
    latest: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))
    seen: Counter[int] = field(default_factory=Counter)

    def read(self, line: int, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """Return the row as `maintenance` takes it; raises BadRow."""
        row: dict[str, Any] = {
            "member": self._text(cells, "member") or _bad("member", "there is none"),
            **self._moment(cells[self.columns["paid_at"]]),
            "amount_fen": self._fen(cells[self.columns["amount"]]),
            "store": self._text(cells, "store") or self.store,
            "order": self._text(cells, "order"),
            "refund_of": self._text(cells, "refund_of"),
        }
        if "store" in self.columns and row["store"] is None:
            _bad("store", "there is none; --store names one for such rows")
        if row["amount_fen"] < 0 and row["refund_of"] is None:
            _bad("amount", "negative, and no refund_of says of what")
        if row["amount_fen"] >= 0 and row["refund_of"] is not None:
            _bad("amount", "not negative, though refund_of makes it a refund")
        same = hash(tuple(row.values()))
        row["seq"] = self.seen[same]
        self.seen[same] += 1
        given = {name: value for name, value in row.items() if value is not None}
        return {"line": line, **given}

    def _text(self, cells: Mapping[str, Cell], name: str) -> str | None:
        if name not in self.columns:
            return None
        text = _clean(cells[self.columns[name]])
        if len(text) > LONGEST:
            _bad(name, f"more than {LONGEST} characters")
        return text or None

    def _fen(self, cell: Cell) -> int:
        text = _clean(cell).replace("\u2212", "-").strip("¥元 ")
        text = text.replace("-¥", "-").replace("¥-", "-")
        if not text:
            _bad("amount", "there is none")
        if not _AMOUNT.fullmatch(text):
            _bad("amount", f"not a number: {text[:LONGEST]}")
        try:
            fen = Decimal(text.replace(",", "")) * (100 if self.unit == "yuan" else 1)
        except InvalidOperation:
            _bad("amount", "not a number")
        if fen != fen.to_integral_value():
            _bad("amount", f"a fraction of a fen: {text}")
        if abs(fen) > MOST_FEN:
            _bad("amount", f"too large: {text}")
        return int(fen)

    def _moment(self, cell: Cell) -> dict[str, str]:
        """A moment where the row knows one, else a business day."""
        found = cell if isinstance(cell, date) else self._parsed(_clean(cell))
        day = found.date() if isinstance(found, datetime) else found
        if not isinstance(found, datetime):
            moment = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        else:
            moment = found if found.tzinfo else found.replace(tzinfo=self.zone)
        if day < EARLIEST:
            _bad("paid_at", f"before {EARLIEST.year}: {day}")
        if moment > self.latest:
            _bad("paid_at", f"in the future: {day}")
        if isinstance(found, datetime):
            return {"paid_at": moment.isoformat()}
        return {"paid_on": day.isoformat()}

    def _parsed(self, text: str) -> date:
        if not text:
            _bad("paid_at", "there is none")
        try:
            if self.date_format:
                moment = datetime.strptime(text, self.date_format)
                knows_time = any(mark in self.date_format for mark in _TIME_DIRECTIVES)
                return moment if knows_time else moment.date()
            return _guessed(text)
        except (ValueError, OverflowError):
            wanted = self.date_format or "like 2026-03-02 18:30; --date-format says another form"
            _bad("paid_at", f"not a date {wanted}: {text[:LONGEST]}")


def _guessed(text: str) -> date:
    """Read a date whose form leaves no doubt: the year comes first."""
    match = _DAY.fullmatch(text)
    if match is None:
        return datetime.fromisoformat(text)  # With a zone.
    if not match["mark"] and len(match["month"] + match["day"]) != 4:
        raise ValueError(text)
    day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    if match["time"] is None:
        return day
    parts = match["time"].split(":") if ":" in match["time"] else re.findall("..", match["time"])
    hour, minute, second = (*(int(part) for part in parts), 0)[:3]
    return datetime(day.year, day.month, day.day, hour, minute, second)


def _clean(cell: Cell) -> str:
    """Full-width digits and the quote marks by which exports keep Excel from counting: gone."""
    return unicodedata.normalize("NFKC", str(cell)).strip().lstrip("`'").strip()


def _bad(name: str, reason: str) -> NoReturn:
    raise BadRow(name, reason)
