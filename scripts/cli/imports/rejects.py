"""The file of rejected rows: line, field, reason, and the row itself."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TextIO

import click

from cli.imports.table import Row

HEADER = ["line", "field", "reason"]
MOST_SHOWN = 10


# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def harmless(cell: object) -> str:
    """Return a cell as text that no spreadsheet takes for a formula.

    The quote that is put before it is what spreadsheets themselves use to say "this is text";
    an import drops it again.
    """
    text = str(cell)
    begins = text.startswith(_FORMULA) or text.strip().startswith(_FORMULA)
    return f"'{text}" if begins else text


class Rejects:
    """Made with the first rejected row; an earlier run's is replaced, and nothing else ever is.

    An earlier one goes when all rows went in, unless it `keeps` (a dry run put none in).
    """

    def __init__(self, path: Path, file: Path, columns: list[str], *, keeps: bool) -> None:
        self.path = path
        self._keeps = keeps
        self.count = 0
        self.first: list[tuple[str, str, str]] = []
        self._columns = columns
        self._out: TextIO | None = None
        if path.resolve() == file.resolve():
            _refuse("it is the file to be imported; name another")
        if path.exists() and not path.read_bytes()[:64].lstrip(b"\xef\xbb\xbf").startswith(
            ",".join(HEADER).encode()
        ):
            _refuse("exists and is no rejects file of an import; name another")
        if not os.access(path.parent, os.W_OK):
            _refuse("its folder is not there or can't be written to; name another")

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self._out:
            self._out.close()
        elif failure is None and not self._keeps:
            self.path.unlink(missing_ok=True)

    def add(self, row: Row, name: str, reason: str) -> None:
        """Note a row that can't go in, with the field at fault."""
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append((row.place, name, reason))
        if self._out is None:
            # With a byte order mark, or Excel shows Chinese as noise; for the owner's eyes only.
            self._out = self.path.open("w", encoding="utf-8-sig", newline="")
            self.path.chmod(0o600)
            csv.writer(self._out).writerow([*HEADER, *map(harmless, self._columns)])
        cells = [row.cells.get(column, "") for column in self._columns]
        # All cells in quotes: a semicolon within one must not begin a cell of its own.
        line = map(harmless, [row.place, name, reason, *cells])
        csv.writer(self._out, quoting=csv.QUOTE_ALL).writerow(line)
        self._out.flush()


def _refuse(problem: str) -> None:
    raise click.BadParameter(problem, param_hint="--rejects")
