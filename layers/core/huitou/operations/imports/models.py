"""What a chain brings from its till: orders and refunds of the past."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from huitou.runtime.documents import Record, Request

WhyNoRefund = Literal[
    "no order with this number at this store",
    "the order is another member's",
    "more than what is left of the order",
]

MOST_ROWS = 2_000  # Of one call: a transaction well under its deadline, an event under 1 MB.
MOST_FEN = 10_000_000_000


class ImportedRow(Request):
    """One row of a file, normalised.

    `member` is their number at the till. `paid_at` is a moment; `paid_on` a business day, for files
    that know no time. `store` is a store's id or its name. `order` is the order's number at that
    store's till; without one, `seq` counts the rows that are the same in all fields. A refund has
    a negative amount and says in `refund_of` what number it gives back.
    """

    line: int = Field(ge=1)
    member: str = Field(min_length=1, max_length=64)
    paid_at: AwareDatetime | None = None
    paid_on: date | None = None
    amount_fen: int = Field(ge=-MOST_FEN, le=MOST_FEN)
    store: str | None = Field(default=None, min_length=1, max_length=64)
    order: str | None = Field(default=None, min_length=1, max_length=64)
    seq: int = Field(default=0, ge=0)
    refund_of: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.paid_at is None) == (self.paid_on is None):
            raise ValueError("exactly one of paid_at and paid_on")
        year = (self.paid_on or self.paid_at or date.min).year
        if not 1970 <= year <= 2100:
            raise ValueError("between 1970 and 2100")
        if (self.amount_fen < 0) != (self.refund_of is not None):
            raise ValueError("a negative amount and refund_of go together")
        return self


class ImportOrdersRequest(Request):
    """A batch of rows; those that are there already change nothing. `dry_run` writes nothing.

    `earn_points`: False for a chain whose balances are migrated apart; orders are spend only then.
    """

    rows: list[ImportedRow] = Field(min_length=1, max_length=MOST_ROWS)
    dry_run: bool = False
    earn_points: bool = True


class Reject(Record):
    """A row that did not go in: its line in the file, the field at fault, and why."""

    line: int
    field: str
    reason: str


class ImportReport(Record):
    """What became of a batch; the five counts add up to its rows, `members` are the new ones."""

    imported: int = 0
    refunded: int = 0
    unchanged: int = 0
    rejected: int = 0
    members: int = 0
    rejects: list[Reject] = Field(default=[])
