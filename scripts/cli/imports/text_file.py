"""Read a text file row by row: csv, tsv, columns apart by spaces; UTF-8 or GBK."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cli.imports.cells import (
    HEADER_WITHIN,
    Cell,
    NotATable,
    Row,
    Table,
    header_of,
    is_header,
    no_header,
)

WHITESPACE = " "
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", WHITESPACE: "spaces"}
MOST_BYTES_OF_A_LINE = 512 * 1024  # Longer ones are no table; they must not fill the memory.
# A cell may hold line breaks, but a quote that is never closed must not swallow the file's rest.
MOST_LINES_OF_A_ROW = 50
MOST_LINES_OF_A_HEADER = 20
FEWEST_ROWS = 3  # By which to tell separators at the end from a comma within an amount.
MOST_SHOWN = 1_000  # Characters of a line that can't be read, in the rejects file.
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3},\d{3}\.\d")
_MARK = b"\xef\xbb\xbf"  # By which a file says itself that it is UTF-8.


@dataclass(frozen=True)
class _Shape:
    """How a file's rows are written; `surplus` separators stand behind the last column."""

    encoding: str
    delimiter: str
    columns: list[str]
    surplus: int = 0


def open_text(
    path: Path, wanted: Sequence[str], delimiter: str | None, encoding: str | None
) -> Table:
    """Open a text file; raises NotATable if its first lines hold no header."""
    found, lines = _encoding(path)
    encoding = {"gbk": "gb18030"}.get(encoding, encoding) if encoding else found
    head = _first_lines(path, encoding)
    seen: list[list[str]] = []
    for number, line in enumerate(head[:HEADER_WITHIN]):
        for mark in [delimiter] if delimiter else DELIMITERS if line.strip() else ():
            cells, more = _header_cells(head, number, mark)
            columns = header_of(cells, wanted)
            if is_header(columns, wanted):
                shape = _Shape(encoding, mark, columns)
                after = head[number + 1 + more :]
                shape = replace(shape, surplus=_surplus(shape, len(cells) - len(columns), after))
                rows = _rows(path, number + 1 + more, shape)
                told = f"{encoding.upper()}, columns apart by {DELIMITERS.get(mark, mark)}"
                return Table(columns, rows, lines, told)
            seen.append(columns)
    raise no_header(wanted, seen) if seen else NotATable("the file has only empty lines")


def _first_lines(path: Path, encoding: str) -> list[str]:
    lines: list[str] = []
    with path.open("rb") as file:
        for _ in range(HEADER_WITHIN + MOST_LINES_OF_A_HEADER):
            raw, _too_long = _line(file)
            if not raw:
                break
            lines.append(raw.removeprefix(b"" if lines else _MARK).decode(encoding, "replace"))
    return lines


def _header_cells(head: list[str], number: int, mark: str) -> tuple[list[str], int]:
    """Return a line's cells, and how many lines more they reach: names may hold line breaks."""
    line = head[number]
    if mark != WHITESPACE and '"' in line and _is_open(line, mark):
        for more in range(1, min(MOST_LINES_OF_A_HEADER, len(head) - number)):
            line += head[number + more]
            if not _is_open(line, mark):
                return _cells_or_none(line, mark), more
    return _cells_or_none(head[number], mark), 0


def _encoding(path: Path) -> tuple[str, int]:
    """Tell UTF-8 from GBK by the lines that aren't ASCII, and count the lines.

    Chinese text in GBK is hardly ever valid UTF-8. A few bad lines in a UTF-8 file don't make it
    GBK: the majority decides, and the others are rejected one by one.
    """
    valid = invalid = lines = 0
    with path.open("rb") as file:
        while (line := _line(file)[0]) != b"":
            lines += 1
            if lines == 1 and line.startswith(_MARK):
                valid += 1_000_000
            if not line.isascii():
                try:
                    line.decode("utf-8")
                    valid += 1
                except UnicodeDecodeError:
                    invalid += 1
    return ("gb18030" if invalid > valid else "utf-8"), lines


def _line(file: BinaryIO) -> tuple[bytes, bool]:
    """Read one line, of a too long one only the beginning; the second value says so."""
    raw = file.readline(MOST_BYTES_OF_A_LINE)
    rest, too_long = raw, False
    while len(rest) == MOST_BYTES_OF_A_LINE and not rest.endswith(b"\n"):
        rest = file.readline(MOST_BYTES_OF_A_LINE)
        too_long = too_long or bool(rest)
    return raw, too_long


def _cells(line: str, delimiter: str, *, strict: bool = False) -> list[str]:
    if delimiter == WHITESPACE:
        return line.split()
    # Only \n ends a line here: other marks that Python knows as line ends are letters of a cell.
    lines = io.StringIO(line, newline="\n")
    return next(csv.reader(lines, delimiter=delimiter, strict=strict), [])


def _cells_or_none(line: str, delimiter: str) -> list[str]:
    """Return a line's cells; none if it can't be split (the csv module's limits)."""
    try:
        return _cells(line.rstrip("\r\n"), delimiter)
    except csv.Error:
        return []


def _surplus(shape: _Shape, of_header: int, lines: list[str]) -> int:
    """Return how many separators stand behind the last column of most rows.

    A row that alone has one too many is no such row: an amount of 1,234.50 without quotes looks
    just the same where its last cell is empty. Of a few rows, none may look like that.
    """
    counts: Counter[int] = Counter()
    for line in lines:
        if line.strip() and shape.delimiter != WHITESPACE:
            cells = _cells_or_none(line, shape.delimiter)
            more = len(cells) - len(shape.columns)
            counts[more if more > 0 and not any(map(str.strip, cells[-more:])) else 0] += 1
    surplus, count = max(counts.items(), key=lambda one: one[1], default=(of_header, 0))
    if surplus != of_header and counts.total() < FEWEST_ROWS and any(map(_THOUSANDS.search, lines)):
        return of_header
    return surplus if count * 2 > counts.total() else of_header


def _rows(path: Path, header: int, shape: _Shape) -> Iterator[Row]:
    columns, delimiter = shape.columns, shape.delimiter
    with path.open("rb") as file:
        for _ in range(header):
            _line(file)
        line = header
        while True:
            text, fault = _decoded(file, shape.encoding)
            if not text and fault is None:
                return
            line += 1
            first = line
            if delimiter != WHITESPACE and '"' in text and _is_open(text, delimiter):
                # A line break inside quotes: the row goes on until they are closed.
                place = file.tell()
                whole, worse, lines = _closed(file, text, shape)
                if not lines:
                    file.seek(place)
                    yield _unread(first, text, fault or "a quote is never closed", columns)
                    continue
                text, fault, line = whole, fault or worse, line + lines
            if text.strip(shape.delimiter + ' \t\r\n"'):  # Spreadsheets write empty rows as ,,,
                yield _row(first, text, fault, shape)


def _is_open(text: str, delimiter: str) -> bool:
    """Whether a text ends inside a quoted cell; a quote within a plain cell is just a letter."""
    try:
        _cells(text, delimiter, strict=True)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _closed(file: BinaryIO, text: str, shape: _Shape) -> tuple[str, str | None, int]:
    """Join the lines up to the one that closes the quote; 0 lines if none rightly does.

    A line that would be a whole row by itself was not meant to be inside anybody's quotes: then
    the quote before it is a slip, and the rows after it must not disappear in it.
    """
    fault, columns = None, len(shape.columns)
    for number in range(1, MOST_LINES_OF_A_ROW):
        added, worse = _decoded(file, shape.encoding)
        cells = _cells_or_none(added, shape.delimiter)
        is_whole = len(cells) in (columns, columns + shape.surplus) and columns > 1
        if not added or ('"' not in added and is_whole):
            break
        text, fault = text + added, fault or worse
        if not _is_open(text, shape.delimiter):
            return text, fault, number
    return text, fault, 0


def _decoded(file: BinaryIO, encoding: str) -> tuple[str, str | None]:
    raw, too_long = _line(file)
    if too_long:
        fault = f"longer than {MOST_BYTES_OF_A_LINE:,} bytes, the most of a line"
        return raw.decode(encoding, "replace"), fault
    try:
        return raw.decode(encoding), None
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), f"not {encoding.upper()} text"


def _row(line: int, text: str, fault: str | None, shape: _Shape) -> Row:
    plain, columns = text.rstrip("\r\n"), shape.columns
    try:
        found = _cells(plain, shape.delimiter)
    except csv.Error as error:
        return _unread(line, plain, fault or str(error), columns)
    if shape.surplus and not any(map(str.strip, found[-shape.surplus :])):
        found = found[: max(len(columns), len(found) - shape.surplus)]
    # More cells than columns: an amount of 1,234.50 without quotes. Fewer: Excel leaves out empty
    # ones at the end, but where spaces separate, nobody knows which one is missing.
    fewer = shape.delimiter == WHITESPACE and len(found) < len(columns)
    if fault is None and (fewer or len(found) > len(columns)):
        fault = f"{len(found)} columns where the header has {len(columns)}"
    cells: dict[str, Cell] = dict.fromkeys(columns, "")
    return Row(line, cells | dict(zip(columns, found, strict=False)), fault)


def _unread(line: int, text: str, fault: str, columns: list[str]) -> Row:
    """A row that can't be split: its beginning stands in the first column."""
    return Row(line, {columns[0]: text.rstrip("\r\n")[:MOST_SHOWN]}, fault)
