"""What every reader of a file shares: cells, rows, the table, and how text is cleaned."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from huitou.runtime.typed import LONGEST, is_invisible

HEADER_WITHIN = 50  # Rows. Exports put titles, filters and addresses above their header.

Cell = str | date  # A moment is a `datetime`; a workbook knows both, a text file neither.


class NotATable(Exception):  # noqa: N818
    """The file as a whole can't be read; the message says what to do."""


class BadRow(Exception):  # noqa: N818
    """A row that can't go in: the field at fault, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.field, self.reason = name, reason


@dataclass(frozen=True)
class Row:
    """One row: its line in the file or sheet (the first is 1), its cells by column, its fault.

    `sheet` is set only where rows come from several sheets, so that a line names one row.
    """

    line: int
    cells: dict[str, Cell]
    fault: str | None = None
    sheet: str = ""

    @property
    def place(self) -> str:
        """Say where the row stands: "12", or "February 12" in a file of several sheets."""
        return f"{self.sheet} {self.line}" if self.sheet else str(self.line)


@dataclass(frozen=True)
class Table:
    """An open file.

    `columns` are the header's names, those that were asked for in the asker's spelling. `lines`
    is for a progress bar (0: unknown). `described` says what was found, for the user.
    """

    columns: list[str]
    rows: Iterator[Row]
    lines: int
    described: str


def clean(cell: Cell) -> str:
    """Drop what exports add around a value: full-width forms, quotes against Excel, ="…".

    A text longer than any field takes keeps its signs, as in `runtime/typed.py`: Unicode's forms
    would take seconds for it.
    """
    text = str(cell)
    # Most cells of a large file are plain digits.
    if len(text) <= LONGEST and not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text)
        text = "".join(c for c in text if c.isspace() or not is_invisible(c))
        text = unicodedata.normalize("NFKC", text)  # What stood apart may make one sign now.
    text = text.strip().lstrip("`'").strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.lstrip("`'").strip()


def header_key(name: Cell) -> str:
    """Return what is compared of a column's name: line breaks and blanks in it don't count."""
    return "".join(clean(name).split())


def header_of(cells: Sequence[Cell], wanted: Sequence[str]) -> list[str]:
    """Return a row's cells as column names; the wanted ones get the spelling they are asked by.

    Empty cells at the end are the separators that some exports write behind every row.
    """
    spelling = {header_key(name): name for name in wanted}
    names = [spelling.get(header_key(cell), str(cell).strip()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def is_header(columns: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether these columns have all the wanted ones; raises NotATable if one is there twice.

    Two columns of one name can't be told apart, so neither may be taken.
    """
    if not all(name in columns for name in wanted):
        return False
    twice = sorted({name for name in wanted if columns.count(name) > 1})
    if twice:
        raise NotATable(f"the header names {', '.join(twice)} twice")
    return True


def no_header(wanted: Sequence[str], seen: Sequence[Sequence[str]]) -> NotATable:
    """Say which columns are missing, and which there are in the row that looks most like it."""
    likely = max(seen, key=lambda columns: (sum(name in columns for name in wanted), len(columns)))
    missing = ", ".join(name for name in wanted if name not in likely)
    return NotATable(
        f"no column {missing} in the header; its columns are: {', '.join(likely)} "
        f"(the header is looked for in the first {HEADER_WITHIN} rows)"
    )
