"""Read a till's export, row by row: csv, tsv, columns apart by spaces, xlsx; UTF-8 or GBK."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError  # Only the error.

WHITESPACE = " "
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", WHITESPACE: "spaces"}
HEADER_WITHIN = 10  # Lines; exports like to have a title above their header.
LONGEST_HEADER = 64 * 1024
_NOT_SHOWN = re.compile(r'\[[^]]*\]|"[^"]*"|\\.')  # Of a cell's format: colours, zones, words.
MOST_EXACT = 10**15  # Excel keeps fifteen digits of a number.
# A cell may hold line breaks, but a quote that is never closed must not swallow the file's rest.
MOST_LINES_OF_A_ROW = 50

Cell = str | date  # A moment is a `datetime`; a workbook knows both, a text file neither.


_DAMAGED = (zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, IndexError)


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
    """An open file: `columns` as its header names them, `lines` for a progress bar (0: unknown)."""

    columns: list[str]
    rows: Iterator[Row]
    lines: int
    described: str


def open_table(
    path: Path, wanted: Sequence[str], delimiter: str | None = None, encoding: str | None = None
) -> Table:
    """Open a file with the `wanted` columns in one of its first lines; raises NotATable."""
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
    if not start.strip():
        raise NotATable("the file is empty")
    if start.startswith(b"PK\x03\x04"):
        return _workbook(path, wanted)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise NotATable("an old Excel workbook (.xls) or a protected one; save it as .xlsx or CSV")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotATable("UTF-16 text; save it as UTF-8 (Excel: CSV UTF-8)")
    if b"\n" not in start and b"\r" in start:
        raise NotATable("line ends of an old Macintosh; save it again as CSV")
    return _text(path, wanted, delimiter, encoding)


def _fits(wanted: Sequence[str], columns: Sequence[str]) -> bool:
    return all(name in columns for name in wanted)


def _no_header(wanted: Sequence[str], seen: list[list[str]]) -> NotATable:
    """Say which columns are missing, and which there are in the line that looks most like it."""
    likely = max(seen, key=lambda columns: (sum(name in columns for name in wanted), len(columns)))
    missing = ", ".join(name for name in wanted if name not in likely)
    return NotATable(f"no column {missing} in the header; its columns are: {', '.join(likely)}")


def _named(header: list[str], wanted: Sequence[str]) -> list[str]:
    twice = {name for name in wanted if header.count(name) > 1}
    if twice:
        raise NotATable(f"the header names {', '.join(sorted(twice))} twice")
    return header


# --- text -------------------------------------------------------------------------------------


def _text(path: Path, wanted: Sequence[str], delimiter: str | None, encoding: str | None) -> Table:
    found, lines = _encoding(path)
    encoding = {"gbk": "gb18030"}.get(encoding, encoding) if encoding else found
    seen: list[list[str]] = []
    with path.open("rb") as file:
        for number in range(1, HEADER_WITHIN + 1):
            raw = file.readline(LONGEST_HEADER).removeprefix(b"\xef\xbb\xbf")
            line = raw.decode(encoding, "replace").rstrip("\r\n")
            for mark in [delimiter] if delimiter else DELIMITERS if line.strip() else ():
                columns = [cell.strip() for cell in _cells(line, mark)]
                if _fits(wanted, columns):
                    rows = _text_rows(path, number, encoding, mark, _named(columns, wanted))
                    told = f"{encoding.upper()}, columns apart by {DELIMITERS.get(mark, mark)}"
                    return Table(columns, rows, lines, told)
                seen.append(columns)
    raise _no_header(wanted, seen)


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


def _cells(line: str, delimiter: str, *, strict: bool = False) -> list[str]:
    if delimiter == WHITESPACE:
        return line.split()
    # Only \n ends a line here: other marks that Python knows as line ends are letters of a cell.
    lines = io.StringIO(line, newline="\n")
    return next(csv.reader(lines, delimiter=delimiter, strict=strict), [])


def _text_rows(
    path: Path, header: int, encoding: str, delimiter: str, columns: list[str]
) -> Iterator[Row]:
    with path.open("rb") as file:
        for _ in range(header):
            file.readline()
        line = header
        while raw := file.readline():
            line += 1
            first, (text, fault) = line, _decoded(raw, encoding)
            if delimiter != WHITESPACE and '"' in text and _is_open(text, delimiter):
                # A line break inside quotes: the row goes on until they are closed.
                place = file.tell()
                whole, worse, lines = _closed(file, text, encoding, delimiter, len(columns))
                if not lines:
                    file.seek(place)
                    cells: dict[str, Cell] = {columns[0]: text.rstrip("\r\n")}
                    yield Row(first, cells, "a quote is never closed")
                    continue
                text, fault, line = whole, fault or worse, line + lines
            if text.strip():
                yield _row(first, text, fault, delimiter, columns)


def _is_open(text: str, delimiter: str) -> bool:
    """Whether a text ends inside a quoted cell; a quote within a plain cell is just a letter."""
    try:
        _cells(text, delimiter, strict=True)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _closed(
    file: BinaryIO, text: str, encoding: str, delimiter: str, columns: int
) -> tuple[str, str | None, int]:
    """Join the lines up to the one that closes the quote; 0 lines if none rightly does.

    A line that would be a whole row by itself was not meant to be inside anybody's quotes: then
    the quote before it is a slip, and the rows after it must not disappear in it.
    """
    fault = None
    for number in range(1, MOST_LINES_OF_A_ROW):
        added, worse = _decoded(file.readline(), encoding)
        plain = added.rstrip("\r\n")
        if not added or ('"' not in plain and len(_cells(plain, delimiter)) == columns > 1):
            break
        text, fault = text + added, fault or worse
        if not _is_open(text, delimiter):
            return text, fault, number
    return text, fault, 0


def _decoded(raw: bytes, encoding: str) -> tuple[str, str | None]:
    try:
        return raw.decode(encoding), None
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), f"not {encoding.upper()} text"


def _row(line: int, text: str, fault: str | None, delimiter: str, columns: list[str]) -> Row:
    plain = text.rstrip("\r\n")
    try:
        found = _cells(plain, delimiter)
    except csv.Error as error:
        return Row(line, {columns[0]: plain[:LONGEST_HEADER]}, str(error))
    # More cells than columns: an amount of 1,234.50 without quotes. Fewer: Excel leaves out empty
    # ones at the end, but where spaces separate, nobody knows which one is missing.
    shifted = len(found) > len(columns) or (delimiter == WHITESPACE and len(found) < len(columns))
    if fault is None and shifted:
        fault = f"{len(found)} columns where the header has {len(columns)}"
    cells: dict[str, Cell] = dict.fromkeys(columns, "")
    return Row(line, cells | dict(zip(columns, found, strict=False)), fault)


# --- workbooks --------------------------------------------------------------------------------


def _workbook(path: Path, wanted: Sequence[str]) -> Table:
    rows, seen = _sheet_rows(path), []
    for number, values in zip(range(1, HEADER_WITHIN + 1), rows, strict=False):
        columns = [str(value).strip() for value in values]
        if _fits(wanted, columns):
            named = _named_rows(rows, number, _named(columns, wanted))
            return Table(columns, named, 0, "workbook, first sheet")
        seen.append(columns)
    raise _no_header(wanted, seen) if seen else NotATable("the first sheet is empty")


def _sheet_rows(path: Path) -> Iterator[list[Cell]]:
    """Yield the first sheet's rows; the file is opened by itself, whatever its name ends in."""
    with path.open("rb") as file:
        sheet = _first_sheet(file)
        sheet.reset_dimensions()  # What the sheet says of its size is wrong in many exports.
        try:
            for row in sheet.iter_rows():
                yield [_value(cell) for cell in row]
        except _DAMAGED as error:
            raise NotATable(f"the workbook is damaged ({error}); save it again") from None


def _first_sheet(file: BinaryIO) -> Any:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles, which don't matter here.
            return load_workbook(file, read_only=True, data_only=True).worksheets[0]
    except _DAMAGED as error:
        raise NotATable(f"not a workbook that can be read ({error}); save it as CSV") from None


def _named_rows(rows: Iterator[list[Cell]], header: int, columns: list[str]) -> Iterator[Row]:
    for line, values in enumerate(rows, start=header + 1):
        if any(values):
            cells: dict[str, Cell] = dict.fromkeys(columns, "")
            yield Row(line, cells | dict(zip(columns, values, strict=False)))


def _value(cell: Any) -> Cell:
    value = cell.value
    if isinstance(value, datetime):
        # A day and a moment are the same to Excel; only how the cell is shown tells them apart.
        shown = _NOT_SHOWN.sub("", str(cell.number_format)).lower()
        only_a_day = value.time() == time() and not re.search("[hs]|上午", shown)
        return value.date() if only_a_day else value
    if isinstance(value, date):
        return value
    if isinstance(value, int | float) and abs(value) >= MOST_EXACT:
        return f"{value:.5E}"  # Excel has rounded it already: to be refused where it is a number.
    if isinstance(value, float):
        return f"{value:.15g}" if not value.is_integer() else str(int(value))
    return "" if value is None else str(value)
