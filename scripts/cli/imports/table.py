"""Read a till's export, row by row: csv, tsv, columns apart by spaces, xlsx; UTF-8 or GBK."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

WHITESPACE = " "
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", WHITESPACE: "spaces"}
# A cell may hold line breaks, but a quote that is never closed must not swallow the file's rest.
MOST_LINES_OF_A_ROW = 50

Cell = str | date  # A moment is a `datetime`; a workbook knows both, a text file neither.


class NotATable(Exception):  # noqa: N818
    """The file as a whole can't be read; the message says what to do."""


@dataclass(frozen=True)
class Row:
    """One row: its line in the file (the first one is 1), its cells by column, or what is wrong."""

    line: int
    cells: dict[str, Cell]
    fault: str | None = None


@dataclass(frozen=True)
class Table:
    """An open file: `columns` as its header names them, `lines` for a progress bar."""

    columns: list[str]
    rows: Iterator[Row]
    lines: int
    described: str


def open_table(path: Path, wanted: Sequence[str], delimiter: str | None) -> Table:
    """Open a file whose header must name the `wanted` columns; raises NotATable."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK\x03\x04"):
        return _workbook(path, wanted)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise NotATable("an old Excel workbook (.xls); save it as .xlsx or CSV")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotATable("UTF-16 text; save it as UTF-8 (Excel: CSV UTF-8)")
    return _text(path, wanted, delimiter)


def _missing(wanted: Sequence[str], columns: Sequence[str]) -> list[str]:
    return [name for name in wanted if name not in columns]


def _named(header: list[str], wanted: Sequence[str]) -> list[str]:
    twice = {name for name in wanted if header.count(name) > 1}
    if twice:
        raise NotATable(f"the header names {', '.join(sorted(twice))} twice")
    return header


# --- text -------------------------------------------------------------------------------------


def _text(path: Path, wanted: Sequence[str], delimiter: str | None) -> Table:
    encoding, lines = _encoding(path)
    with path.open("rb") as file:
        first = file.readline().removeprefix(b"\xef\xbb\xbf").decode(encoding, "replace")
    tried = [delimiter] if delimiter else list(DELIMITERS)
    headers = {mark: [cell.strip() for cell in _cells(first, mark)] for mark in tried}
    fitting = [mark for mark in tried if not _missing(wanted, headers[mark])]
    if not fitting:
        likely = max(tried, key=lambda mark: len(headers[mark]))
        raise NotATable(
            f"no column {', '.join(_missing(wanted, headers[likely]))} in the header; "
            f"its columns are: {', '.join(headers[likely])}"
        )
    mark = fitting[0]
    columns = _named(headers[mark], wanted)
    described = f"{encoding.upper()}, columns apart by {DELIMITERS.get(mark, mark)}"
    return Table(columns, _text_rows(path, encoding, mark, columns), lines, described)


def _encoding(path: Path) -> tuple[str, int]:
    """Tell UTF-8 from GBK by the lines that aren't ASCII, and count the lines.

    Chinese text in GBK is hardly ever valid UTF-8. A few bad lines in a UTF-8 file don't make it
    GBK: the majority decides, and the others are rejected one by one.
    """
    valid = invalid = lines = 0
    with path.open("rb") as file:
        for line in file:
            lines += 1
            if lines == 1 and line.startswith(b"\xef\xbb\xbf"):
                valid += 1_000_000  # It says itself that it is UTF-8.
            if not line.isascii():
                try:
                    line.decode("utf-8")
                    valid += 1
                except UnicodeDecodeError:
                    invalid += 1
    return ("gb18030" if invalid > valid else "utf-8"), lines


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == WHITESPACE:
        return line.split()
    return next(csv.reader([line], delimiter=delimiter), [])


def _text_rows(path: Path, encoding: str, delimiter: str, columns: list[str]) -> Iterator[Row]:
    with path.open("rb") as file:
        file.readline()
        line = 1
        while raw := file.readline():
            line += 1
            first, (text, fault) = line, _decoded(raw, encoding)
            if delimiter != WHITESPACE and text.count('"') % 2:
                # A line break inside quotes: the row goes on until they are closed.
                place = file.tell()
                following, lines = _until_closed(file, encoding)
                if not lines:
                    file.seek(place)
                    yield Row(first, {}, "a quote is never closed")
                    continue
                text, line = text + following, line + lines
            if text.strip():
                yield _row(first, text, fault, delimiter, columns)


def _until_closed(file: BinaryIO, encoding: str) -> tuple[str, int]:
    """Return the lines up to the one that closes a quote, and how many; 0 if none does."""
    text = ""
    for number in range(1, MOST_LINES_OF_A_ROW):
        raw = file.readline()
        if not raw:
            break
        text += _decoded(raw, encoding)[0]
        if text.count('"') % 2:
            return text, number
    return "", 0


def _decoded(raw: bytes, encoding: str) -> tuple[str, str | None]:
    try:
        return raw.decode(encoding), None
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), f"not {encoding.upper()} text"


def _row(line: int, text: str, fault: str | None, delimiter: str, columns: list[str]) -> Row:
    try:
        found = _cells(text.rstrip("\r\n"), delimiter)
    except csv.Error as error:
        return Row(line, {}, str(error))
    cells: dict[str, Cell] = dict(zip(columns, found, strict=False))
    if fault is None and len(found) != len(columns):  # An amount of 1,234.50 without quotes.
        fault = f"{len(found)} columns where the header has {len(columns)}"
    return Row(line, cells, fault)


# --- workbooks --------------------------------------------------------------------------------


def _workbook(path: Path, wanted: Sequence[str]) -> Table:
    rows = _sheet_rows(path)
    header = [str(value).strip() for value in next(rows, [])]
    if missing := _missing(wanted, header):
        raise NotATable(
            f"no column {', '.join(missing)} in the first sheet's first row; "
            f"its columns are: {', '.join(header)}"
        )
    columns = _named(header, wanted)
    return Table(columns, _named_rows(rows, columns), _length(path), "workbook, first sheet")


def _sheet_rows(path: Path) -> Iterator[list[Cell]]:
    """Yield the first sheet's rows; the file is opened by itself, whatever its name ends in."""
    with path.open("rb") as file:
        for row in _first_sheet(file).iter_rows():
            yield [_value(cell) for cell in row]


def _first_sheet(file: BinaryIO) -> Any:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles, which don't matter here.
            return load_workbook(file, read_only=True, data_only=True).worksheets[0]
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError) as error:
        raise NotATable(f"not a workbook that can be read ({error}); save it as CSV") from None


def _length(path: Path) -> int:
    with path.open("rb") as file:
        return _first_sheet(file).max_row or 0


def _named_rows(rows: Iterator[list[Cell]], columns: list[str]) -> Iterator[Row]:
    for line, values in enumerate(rows, start=2):
        if any(values):
            cells: dict[str, Cell] = dict.fromkeys(columns, "")
            yield Row(line, cells | dict(zip(columns, values, strict=False)))


def _value(cell: Any) -> Cell:
    value = cell.value
    if isinstance(value, datetime):
        # A day and a moment are the same to Excel; only how the cell is shown tells them apart.
        shows_time = any(mark in str(cell.number_format).lower() for mark in ("h", "s", "上午"))
        return value if shows_time or value.time() != datetime.min.time() else value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, float):
        return f"{value:.15g}" if not value.is_integer() else str(int(value))
    return "" if value is None else str(value)
