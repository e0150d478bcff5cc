"""What an offer takes off whole lines, or off the delivery fee."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # The terms name their kind, and the kind its arithmetic.
    from huitou.promotions.offers.models import Terms


class FeeOff:
    """So much of the delivery fee, or all of it; nothing off any line."""

    of: Literal["fee"] = "fee"
    compares_lines = False

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def off_fen(self, fee_fen: int) -> int:
        """Return what it takes off the fee."""
        off_fen = self.terms.off_fen
        return fee_fen if off_fen is None else min(off_fen, fee_fen)

    def most_of_line_fen(self, _line_fen: int, _share_fen: int | None) -> int:
        """Return the most it can take off a line."""
        return 0


class LinesOff(ABC):
    """An amount off the sum of its lines, shared out over them by their prices."""

    of: Literal["lines"] = "lines"
    compares_lines = False

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @abstractmethod
    def off_fen(self, value_fen: int, times: int) -> int:
        """Return what it takes off lines worth `value_fen`, before what they can bear.

        `times` is how often its threshold is reached.
        """

    @abstractmethod
    def most_of_line_fen(self, line_fen: int, share_fen: int | None) -> int:
        """Return the most it can take off a line of this price.

        `share_fen` is its share there, where that can't change; None where the offer may get
        fewer lines. The sum is rounded, not each line: one may bring a fen more than alone.
        """


class PercentOff(LinesOff):
    """`off_bp` of the sum, rounded down once; `cap_fen` at most."""

    def off_fen(self, value_fen: int, _times: int) -> int:
        """Return a part of the value, however often the threshold is reached."""
        off_fen, cap_fen = value_fen * (self.terms.off_bp or 0) // 10_000, self.terms.cap_fen
        return off_fen if cap_fen is None else min(off_fen, cap_fen)

    def most_of_line_fen(self, line_fen: int, _share_fen: int | None) -> int:
        """Return the same part of the line."""
        return line_fen * (self.terms.off_bp or 0) // 10_000 + 1


class AmountOff(LinesOff):
    """`off_fen` for each time that the threshold is reached."""

    def off_fen(self, _value_fen: int, times: int) -> int:
        """Return the amount, whatever the lines are worth."""
        return (self.terms.off_fen or 0) * times

    def most_of_line_fen(self, line_fen: int, share_fen: int | None) -> int:
        """Return all of the line, where others may leave it alone with the amount."""
        return line_fen if share_fen is None else share_fen + 1
