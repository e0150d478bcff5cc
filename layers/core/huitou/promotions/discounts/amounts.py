"""The arithmetic of offers that take an amount off whole lines, or off the delivery fee."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # `Terms` import their kind, and the kinds import this module.
    from huitou.promotions.offers.models import Terms


class FeeOff:
    """Takes an amount, or everything, off the delivery fee and nothing off any line."""

    of: Literal["fee"] = "fee"
    compares_lines = False

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def off_fen(self, fee_fen: int) -> int:
        """Return what the offer takes off the fee."""
        off_fen = self.terms.off_fen
        return fee_fen if off_fen is None else min(off_fen, fee_fen)

    def most_of_line_fen(self, _line_fen: int, _share_fen: int | None) -> int:
        """Return the most that the offer can take off a line: nothing."""
        return 0


class LinesOff(ABC):
    """Takes an amount off the sum of the offer's lines and shares it out by their prices."""

    of: Literal["lines"] = "lines"
    compares_lines = False

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @abstractmethod
    def off_fen(self, value_fen: int, times: int) -> int:
        """Return what the offer takes off lines worth `value_fen`, if enough is left to pay.

        `times` is how often its threshold is reached.
        """

    @abstractmethod
    def most_of_line_fen(self, line_fen: int, share_fen: int | None) -> int:
        """Return the most that the offer can take off a line of this price.

        `share_fen` is the offer's share of the line, if that can't change; None if the offer may
        get fewer lines. The sum is rounded and not each line, so that a line's share may be a fen
        more than the line would have alone.
        """


class PercentOff(LinesOff):
    """Takes off `off_bp` of the sum, rounded down once, at most `cap_fen`."""

    def off_fen(self, value_fen: int, _times: int) -> int:
        """Return the part of the value; `times` doesn't matter."""
        off_fen, cap_fen = value_fen * (self.terms.off_bp or 0) // 10_000, self.terms.cap_fen
        return off_fen if cap_fen is None else min(off_fen, cap_fen)

    def most_of_line_fen(self, line_fen: int, _share_fen: int | None) -> int:
        """Return the same part of the line, and one fen for rounding."""
        return line_fen * (self.terms.off_bp or 0) // 10_000 + 1


class AmountOff(LinesOff):
    """Takes off `off_fen` for each time that the threshold is reached."""

    def off_fen(self, _value_fen: int, times: int) -> int:
        """Return the amount, whatever the lines are worth."""
        return (self.terms.off_fen or 0) * times

    def most_of_line_fen(self, line_fen: int, share_fen: int | None) -> int:
        """Return the whole line if the offer may have no other line, else its share and a fen."""
        return line_fen if share_fen is None else share_fen + 1
