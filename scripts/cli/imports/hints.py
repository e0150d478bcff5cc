"""What a file's first rows say about columns that the user didn't name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from cli.imports.cells import Cell, clean
from cli.imports.people import is_nothing
from cli.imports.statuses import LONGEST, looks_like_status, takes_back

LOOKED_AT = 2_000  # Rows.
MOST_WORDS = 20  # Different ones; a column with more of them is a note, and no status.
MOST_SHOWN = 5
FEWEST_REPEATED = 10
REPEATED_PART = 0.1


class Hints:
    """Looks at rows one by one, then tells what the user has most likely overlooked."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._rows = self._repeated = 0
        self._last: tuple[str, ...] = ()
        self._words: dict[str, Counter[str]] = defaultdict(Counter)

    def look_at(self, cells: Mapping[str, Cell]) -> None:
        """Take one row in."""
        if self._rows == LOOKED_AT:
            return
        self._rows += 1
        named = set(self._columns.values())
        for column, cell in cells.items():
            if column and column not in named and len(self._words[column]) <= MOST_WORDS:
                text = clean(cell)
                if text and len(text) <= LONGEST:
                    self._words[column][text] += 1
        if "order" in self._columns:
            same = tuple(clean(cells[self._columns[n]]) for n in ("order", "member", "paid_at"))
            self._repeated += same == self._last and not is_nothing(same[0])
            self._last = same

    def warnings(self) -> list[str]:
        """Name the columns that look like a status and aren't mapped."""
        if "status" in self._columns:
            return []
        told = []
        for column, words in self._words.items():
            few = len(words) <= MOST_WORDS
            back = [word for word in words if takes_back(word)]
            if looks_like_status(column) or (few and back):
                shown = ", ".join(back[:MOST_SHOWN] or list(words)[:MOST_SHOWN])
                told.append(
                    f"column {column} looks like a status ({shown}) and isn't mapped, so every "
                    f"row counts as sold; if it says what was sold: --map status={column}"
                )
        return told

    @property
    def has_several_rows_an_order(self) -> bool:
        """Whether many rows have the number, member and moment of the row before them."""
        enough = max(FEWEST_REPEATED, REPEATED_PART * self._rows)
        return not {"dish", "payment"} & self._columns.keys() and self._repeated >= enough
