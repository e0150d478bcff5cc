"""Liability: what a chain owes its members in points, by month and as of any day."""

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.runtime.limits import DayText


class LiabilityRequest(Request):
    """Ask what was owed at the end of the day `as_of`; without it, what is owed now."""

    as_of: DayText | None = None


class Sums(Record):
    """What became of points: issued = used + expired + clawed back + taken + outstanding.

    `outstanding` is the sum of all entries: what they add to the members' balances.
    """

    issued: int = 0
    used: int = 0
    expired: int = 0
    clawed_back: int = 0
    taken: int = 0
    outstanding: int = 0


class PointsMonth(Stored):
    """What happened to points in a month; `id` is YYYY-MM, by the day on which entries were booked.

    `open` and `pending` are what the month adds to the members' lots, by year of expiry (or
    "never"); points that orders have set aside count as open. `owed` is what the month adds to
    the members' debts. `test` sums the entries of test orders, which all other fields leave out.
    After a month is over its entries never change, so it is stored once and never again.
    """

    sums: Sums = Sums.model_construct()
    open: dict[str, int] = Field(default={})
    pending: dict[str, int] = Field(default={})
    owed: int = 0
    test: Sums = Sums.model_construct()


class ShownSums(Answer):
    """What became of points; the rest is outstanding (negative if more points left than came)."""

    issued: int
    used: int
    expired: int
    clawed_back: int
    taken: int
    outstanding: int


class ShownMonth(ShownSums):
    """A month's sums, and what was outstanding at its end; a `closed` month never changes."""

    month: str
    closed: bool
    outstanding_at_end: int


class LiabilityAnswer(Answer):
    """The report, by month and in total, in points; times `point_value_fen` it is money.

    Outstanding points are `open_points` (spendable, or set aside for orders) + `pending_points`
    (not usable yet) − `owed_points` (debt). `by_year` divides the first two by year of expiry.
    `agrees` tells whether all sums add up. `rest` tells that months are still to be counted: ask
    again.
    """

    as_of: str
    point_value_fen: int
    months: list[ShownMonth]
    total: ShownSums
    test: ShownSums
    open_points: int
    pending_points: int
    owed_points: int
    by_year: dict[str, int]
    agrees: bool
    rest: bool
