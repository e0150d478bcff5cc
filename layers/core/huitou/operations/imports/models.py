"""What a chain brings from its till: orders and refunds of the past."""

from datetime import date
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from huitou.runtime.documents import Record, Request, Unfit

WhyNoRefund = Literal[
    "no order with this number at this store",
    "the order is another member's",
    "more than what is left of the order",
]

MOST_ROWS = 2_000  # Of one call: a transaction well under its deadline, an event under 1 MB.
MOST_FEN = 10_000_000_000
MOST_LINES = 500  # Of one order.
MOST_PIECES = 10_000  # Of one line.
LONGEST_DISH = 100


class ImportedLine(Request):
    """One dish of an order: how many, and what was paid for all of them together.

    What comes off the bill, or was sent back to the kitchen, is a line with a negative amount.
    `portion` says how much where it is no whole number: "×0.5".
    """

    dish: str = Field(min_length=1, max_length=LONGEST_DISH)
    quantity: int = Field(default=1, ge=-MOST_PIECES, le=MOST_PIECES)
    amount_fen: int = Field(ge=-MOST_FEN, le=MOST_FEN)
    portion: str = Field(default="", max_length=20)


class ImportedRow(Request):
    """One row of a file, normalised.

    `member` is their number at the till; left out, the order is revenue of its store without a
    guest: it earns nothing, and is nobody's visit. `paid_at` is a moment; `paid_on` a business day,
    for files that know no time. `store` is a store's id or its name. `order` is the order's number
    at that store's till; without one, `seq` counts the rows that are the same in all fields, and
    `seq_in_minute` (left out: the same count) those of the same minute. A refund has a negative
    amount and says in `refund_of` what number it gives back; that may be its own.

    `formerly` is the member's number as it was read before phones had one spelling: an order or
    member that is there under it is found. `lines` are the dishes, whose amounts add up to the
    order's; an order may have none.

    `returned_fen` says how much of the order went back by now: what isn't booked yet is a refund.
    `lines` may then be those that were not given back. `if_known` is for a row that only tells what
    became of an order: it is left out if the order isn't there.
    """

    line: int = Field(ge=1, le=10_000_000)
    member: str | None = Field(default=None, min_length=1, max_length=64)
    paid_at: AwareDatetime | None = None
    paid_on: date | None = None
    amount_fen: int = Field(ge=-MOST_FEN, le=MOST_FEN)
    store: str | None = Field(default=None, min_length=1, max_length=64)
    order: str | None = Field(default=None, min_length=1, max_length=64)
    seq: int = Field(default=0, ge=0, le=10_000_000)
    seq_in_minute: int | None = Field(default=None, ge=0, le=10_000_000)
    refund_of: str | None = Field(default=None, min_length=1, max_length=64)
    formerly: str | None = Field(default=None, min_length=1, max_length=64)
    lines: list[ImportedLine] = Field(default=[], max_length=MOST_LINES)
    returned_fen: int | None = Field(default=None, ge=1, le=MOST_FEN)
    if_known: bool = False

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.paid_at is None) == (self.paid_on is None):
            raise Unfit("paid_on", "paid_at 和 paid_on 填且只填一项", "either this or paid_at")
        year = (self.paid_on or self.paid_at or date.min).year
        if not 1970 <= year <= 2100:
            raise Unfit("paid_on", "须在 1970 至 2100 年之间", "between 1970 and 2100")
        if (self.amount_fen < 0) != (self.refund_of is not None):
            raise Unfit("refund_of", "负数金额与 refund_of 须一起填", "goes with a negative amount")
        if self.returned_fen is not None and self.returned_fen > self.amount_fen:
            raise Unfit("returned_fen", "不能大于 amount_fen", "more than amount_fen")
        if self.if_known and self.refund_of is None and self.returned_fen != self.amount_fen:
            raise Unfit("if_known", "须全额退回", "only for what went back whole")
        sums = self.amount_fen, self.amount_fen - (self.returned_fen or 0)
        if self.lines and sum(line.amount_fen for line in self.lines) not in sums:
            raise Unfit("lines", "各行之和不等于 amount_fen", "don't add up to amount_fen")
        return self


class ImportOrdersRequest(Request):
    """A batch of rows; those that are there already change nothing. `dry_run` writes nothing.

    `earn_points`: False for a chain whose balances are migrated apart; orders are spend only then.
    `import_id` names the import that the batch belongs to, `file` its file: what it brings in can
    be taken back under that id.
    """

    rows: list[ImportedRow] = Field(min_length=1, max_length=MOST_ROWS)
    dry_run: bool = False
    earn_points: bool = True
    import_id: str | None = Field(default=None, pattern=r"^i[0-9a-z-]{8,40}$")
    file: str = Field(default="", max_length=200)


class Reject(Record):
    """A row that did not go in: its line in the file, the field at fault, and why."""

    line: int
    field: str
    reason: str


class ImportReport(Record):
    """What became of a batch; the counts, and `left_out`, add up to its rows.

    `members` are the new ones. `left_out` are the lines with `if_known` whose order isn't there.
    """

    imported: int = 0
    refunded: int = 0
    unchanged: int = 0
    rejected: int = 0
    members: int = 0
    rejects: list[Reject] = Field(default=[])
    left_out: list[int] = Field(default=[])
