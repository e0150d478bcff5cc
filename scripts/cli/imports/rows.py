"""Normalise a till's rows: member, moment, amount in fen; or say which field is at fault."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from cli.imports.cells import Cell, clean
from huitou.operations.imports.models import MOST_FEN

FIELDS = ("member", "paid_at", "amount", "order", "store", "refund_of")
NEEDED = FIELDS[:3]
LONGEST = 64  # Characters of a number or name.
EARLIEST, LATEST = date(1970, 1, 1), date(2100, 12, 31)

_DAY = re.compile(
    r"(?P<year>\d{4})"
    r"(?:(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
    r"|年(?P<month_c>\d{1,2})月(?P<day_c>\d{1,2})日|(?P<month_p>\d{2})(?P<day_p>\d{2}))"
    r"(?:(?:[T ]+|(?<=日))(?P<time>\d{1,2}:\d{2}(?::\d{2})?)(?:\.\d+)?|[T ]?(?P<plain>\d{6}))?"
)
_WITH_ZONE = re.compile(r".*\d(Z|[-+]\d{2}:?\d{2})")
_AMOUNT = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
_SHORTENED = re.compile(r"\d+(\.\d+)?[eE]\+?\d+")
_NONE = {"", "-", "--", "/", "0", "null", "none", "nan", "n/a", "\\n", "#n/a"}
_NOBODY = {"散客", "非会员", "游客", "匿名", "无"}
_TIME_DIRECTIVES = ("%H", "%I", "%M", "%S", "%p", "%X", "%c", "%T", "%s", "%R")


class BadRow(Exception):  # noqa: N818
    """A row that can't go in: the field at fault, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.field, self.reason = name, reason


@dataclass
class Rows:
    """How one file's cells are to be read; counts rows that say the same, for their ids.

    `stores` are the chain's store ids by id and by (clean) name, None for a name of several.
    """

    columns: Mapping[str, str]
    unit: str
    date_format: str | None
    zone: ZoneInfo
    stores: Mapping[str, str | None]
    store: str | None
    latest: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))
    seen: Counter[bytes] = field(default_factory=Counter)

    def read(self, line: int, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """Return the row as `maintenance` takes it; raises BadRow."""
        row: dict[str, Any] = {
            "member": self._member(cells),
            **self._moment(cells[self.columns["paid_at"]]),
            "amount_fen": self._fen(cells[self.columns["amount"]]),
            "store": self._store(cells),
            "order": self._text(cells, "order"),
            "refund_of": self._text(cells, "refund_of"),
        }
        if row["amount_fen"] < 0 and row["refund_of"] is None:
            _bad("amount", "negative, and no refund_of says of what")
        if row["amount_fen"] >= 0 and row["refund_of"] is not None:
            _bad("amount", "not negative, though refund_of makes it a refund")
        # Exactly what an id without a number is made of, the moment being that in UTC.
        numbered = row["order"] if row["order"] != row["refund_of"] else None
        same = hashlib.sha256(repr({**row, "order": numbered}).encode()).digest()
        row["seq"] = self.seen[same]
        self.seen[same] += 1
        given = {name: value for name, value in row.items() if value is not None}
        return {"line": line, **given}

    def _member(self, cells: Mapping[str, Cell]) -> str:
        number = self._text(cells, "member")
        if number is None or number in _NOBODY:
            _bad("member", "there is none")
        return number

    def _store(self, cells: Mapping[str, Cell]) -> str | None:
        name = self._text(cells, "store")
        if name is None:
            if "store" in self.columns and self.store is None:
                _bad("store", "there is none; --store names one for such rows")
            return self.store
        store_id = self.stores.get(name)
        if store_id is None:
            _bad("store", f"{'more than one' if name in self.stores else 'no'} such store: {name}")
        return store_id

    def _text(self, cells: Mapping[str, Cell], name: str) -> str | None:
        if name not in self.columns:
            return None
        text = clean(cells[self.columns[name]])
        if text.lower() in _NONE:
            return None
        if name != "store" and _SHORTENED.fullmatch(text):
            _bad(name, f"{text}: Excel has shortened this number; format the column as text")
        if re.fullmatch(r"\d+\.0", text):
            text = text.removesuffix(".0")
        if len(text) > LONGEST:
            _bad(name, f"more than {LONGEST} characters")
        return text

    def _fen(self, cell: Cell) -> int:
        text = clean(cell).replace("\u2212", "-").strip("¥元 ")
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
        """A moment (in UTC) where the row knows one, else a business day."""
        found = cell if isinstance(cell, date) else self._parsed(clean(cell))
        if self.date_format and not knows_time(self.date_format) and isinstance(found, datetime):
            found = found.date()
        day = found.date() if isinstance(found, datetime) else found
        if not EARLIEST <= day <= LATEST:
            _bad("paid_at", f"not between {EARLIEST.year} and {LATEST.year}: {day}")
        if not isinstance(found, datetime):
            moment = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        else:
            moment = found if found.tzinfo else found.replace(tzinfo=self.zone)
        if moment > self.latest:
            _bad("paid_at", f"in the future: {day}")
        if isinstance(found, datetime):
            return {"paid_at": moment.astimezone(UTC).isoformat()}
        return {"paid_on": day.isoformat()}

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
            _bad("paid_at", "there is none")
        try:
            if self.date_format:
                moment = datetime.strptime(text, self.date_format)
                return moment if knows_time(self.date_format) else moment.date()
            return guessed(text)
        except (ValueError, OverflowError):
            wanted = self.date_format or "like 2026-03-02 18:30; --date-format says another form"
            _bad("paid_at", f"not a date {wanted}: {text[:LONGEST]}")


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


def knows_time(date_format: str) -> bool:
    """Whether a date format has a time of day in it."""
    return any(mark in date_format for mark in _TIME_DIRECTIVES)


def guessed(text: str) -> date:
    """Read a date whose form leaves no doubt: the year comes first."""
    match = _DAY.fullmatch(text)
    if match is None:
        if _WITH_ZONE.fullmatch(text) and ":" in text:
            return datetime.fromisoformat(text)
        raise ValueError(text)
    year = int(match["year"])
    month = int(match["month"] or match["month_c"] or match["month_p"])
    day = int(match["day"] or match["day_c"] or match["day_p"])
    if match["time"] is None and match["plain"] is None:
        return date(year, month, day)
    parts = match["time"].split(":") if match["time"] else re.findall("..", match["plain"])
    hour, minute, second = (*(int(part) for part in parts), 0)[:3]
    return datetime(year, month, day, hour, minute, second)


def _bad(name: str, reason: str) -> NoReturn:
    raise BadRow(name, reason)
