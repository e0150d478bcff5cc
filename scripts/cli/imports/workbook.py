"""Read the sheets of a workbook (xlsx), row by row."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError  # Only the error.

from cli.imports.cells import (
    HEADER_WITHIN,
    Cell,
    NotATable,
    Row,
    Table,
    header_key,
    header_of,
    is_header,
    no_header,
)
from cli.imports.workbook_limits import check_limits, check_size

MOST_EXACT = 10**15  # Excel keeps fifteen digits of a number.
_NOT_SHOWN = re.compile(r'\[[^]]*\]|"[^"]*"|\\.')  # Of a cell's format: colours, zones, words.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, IndexError, TypeError,
    AttributeError, NotImplementedError, RuntimeError, EOFError,
)  # fmt: skip


@dataclass(frozen=True)
class _Sheet:
    """A sheet and its first rows: `columns` of its header and the `header`'s row, if it has one."""

    name: str
    sheet: Any
    columns: list[str]
    header: int
    first_rows: list[list[Cell]]

    @property
    def is_hidden(self) -> bool:
        return str(self.sheet.sheet_state) != "visible"


def open_workbook(path: Path, wanted: Sequence[str], sheets: Sequence[str]) -> Table:
    """Open a workbook; raises NotATable if it can't be read or its sheets leave a doubt.

    All visible sheets with the wanted columns are read, one after the other. Short visible sheets
    with none of these columns are covers and are left out. Whatever else there is (a sheet with
    some of the columns, a long one with none) might be a part of the history: it is refused by
    name until `sheets` says which to read. A hidden sheet is read only if `sheets` names it.
    """
    walk = _walk(path, wanted, sheets)
    columns, described = cast("tuple[list[str], str]", next(walk))
    return Table(columns, cast("Iterator[Row]", walk), 0, described)


def _walk(
    path: Path, wanted: Sequence[str], sheets: Sequence[str]
) -> Iterator[tuple[list[str], str] | Row]:
    """Yield the columns and the description first, then every row: the file is opened once."""
    with path.open("rb") as file, ExitStack() as opened:
        book, has_hidden = _loaded(file)
        opened.enter_context(closing(book))
        found = [_look_at(sheet, wanted) for sheet in book.worksheets]
        chosen = _named(found, sheets) if sheets else _visible(found, wanted)
        for one in chosen:
            if not one.header:
                seen = [header_of(row, wanted) for row in one.first_rows]
                problem = no_header(wanted, seen) if seen else "it is empty"
                raise NotATable(f"sheet {one.name}: {problem}")
        told = _told(found, chosen)
        if has_hidden:
            told += "; rows that are hidden, as by a filter, are read too"
        yield list(dict.fromkeys(c for one in chosen for c in one.columns)), told
        for one in chosen:
            yield from _rows(one, several=len(chosen) > 1)


def _loaded(file: BinaryIO) -> tuple[Any, bool]:
    """Load a workbook, whatever its name ends in; its rows are read later, one by one.

    The second value tells whether rows are hidden.
    """
    from openpyxl import load_workbook

    try:
        has_hidden = check_limits(file)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles, which don't matter here.
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except _DAMAGED as error:
        raise NotATable(f"not a workbook that can be read ({error}); save it as CSV") from None
    return book, has_hidden


def _look_at(sheet: Any, wanted: Sequence[str]) -> _Sheet:
    sheet.reset_dimensions()  # What the sheet says of its size is wrong in many exports.
    with closing(_cells(sheet)) as rows:
        first = list(islice(rows, HEADER_WITHIN + 1))
    for number, cells in enumerate(first[:HEADER_WITHIN], start=1):
        columns = header_of(cells, wanted)
        if is_header(columns, wanted):
            return _Sheet(sheet.title, sheet, columns, number, first)
    return _Sheet(sheet.title, sheet, [], 0, [row for row in first if any(row)])


def _named(found: list[_Sheet], sheets: Sequence[str]) -> list[_Sheet]:
    chosen = []
    for name in sheets:
        same = [one for one in found if header_key(one.name) == header_key(name)]
        if not same:
            there = ", ".join(one.name for one in found)
            raise NotATable(f"no sheet {name}; there are: {there}")
        chosen += [one for one in same if one not in chosen]
    return chosen


def _visible(found: list[_Sheet], wanted: Sequence[str]) -> list[_Sheet]:
    visible = [one for one in found if not one.is_hidden]
    chosen = [one for one in visible if one.header]
    if not chosen:
        if hidden := [one.name for one in found if one.header]:
            raise NotATable(
                f"only hidden sheets have these columns: {', '.join(hidden)}; "
                "--sheet NAME reads one all the same"
            )
        seen = [header_of(row, wanted) for one in visible for row in one.first_rows]
        raise no_header(wanted, seen) if seen else NotATable("no visible sheet has any rows")
    if doubtful := [one.name for one in visible if not one.header and _may_be_history(one, wanted)]:
        raise NotATable(
            f"sheets with another header: {', '.join(doubtful)}; with these columns: "
            f"{', '.join(one.name for one in chosen)}. Name each sheet to be read: --sheet NAME"
        )
    return chosen


def _may_be_history(one: _Sheet, wanted: Sequence[str]) -> bool:
    """A sheet with some of the columns, or one as long and as wide as a table, is no cover."""
    names = {name for row in one.first_rows for name in header_of(row, wanted)}
    if names & set(wanted):
        return True
    wide = [row for row in one.first_rows if sum(cell != "" for cell in row) >= len(wanted)]
    return len(wide) >= HEADER_WITHIN


def _told(found: list[_Sheet], chosen: list[_Sheet]) -> str:
    told = f"workbook, {'sheets' if len(chosen) > 1 else 'sheet'} "
    told += ", ".join(one.name for one in chosen)
    left_out = [
        f"{one.name} ({'hidden' if one.is_hidden else 'no such columns'})"
        for one in found
        if one not in chosen
    ]
    return f"{told}; left out: {', '.join(left_out)}" if left_out else told


def _cells(sheet: Any) -> Generator[list[Cell]]:
    try:
        for number, row in enumerate(sheet.iter_rows(), start=1):
            check_size(number, len(row))
            yield [_value(cell) for cell in row]
    except _DAMAGED as error:
        raise NotATable(f"the workbook is damaged ({error}); save it again") from None


def _rows(one: _Sheet, *, several: bool) -> Iterator[Row]:
    sheet = one.name if several else ""
    for line, values in enumerate(_cells(one.sheet), start=1):
        if line > one.header and any(values):
            cells: dict[str, Cell] = dict.fromkeys(one.columns, "")
            yield Row(line, cells | dict(zip(one.columns, values, strict=False)), None, sheet)


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
