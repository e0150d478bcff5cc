"""Statements: every movement of a member's points, what it was for, and what is left."""

from datetime import datetime

from pydantic import Field

from huitou.loyalty.points.models import DueLot, EntryKind
from huitou.runtime.documents import Answer, Request
from huitou.runtime.limits import Count


class StatementRequest(Request):
    """Ask for a page of a member's statement, oldest entry first; `after` is an entry's number."""

    member_id: str = Field(min_length=1, max_length=64)
    after: Count = Field(default=0)


class ShownRule(Answer):
    """A rule that moved points, in the revision that was in force."""

    rule_id: str
    revision: int


class MovedLot(DueLot):
    """Points entering (+) or leaving (−) what expires at the end of a day ("9999-12-31": never).

    `usable` is set if they are pending: until that day, or until their order is "completed".
    """

    usable: str | None = None


class ShownEntry(Answer):
    """One movement of points (signed), the balance after it, and the text `what` it was for.

    `debt` is set if it changes what the member owes (待抵扣积分): points = Σ lots − debt.
    """

    entry_id: str
    number: int
    kind: EntryKind
    what: str
    points: int
    balance: int
    debt: int | None = None
    order_id: str | None
    at: datetime
    lots: list[MovedLot]
    rules_revision: int
    rules: list[ShownRule]


class StaffEntry(ShownEntry):
    """An entry as staff see it: also who did it, why, and who approved it."""

    actor: str
    reason: str | None = None
    approved_by: str | None = None


class StatementAnswer(Answer):
    """One page of the member's movements, newest first; `next` is null on the last one."""

    entries: list[ShownEntry]
    next: str | None


class PendingLot(DueLot):
    """Points that can't be spent before the day `usable`, or before their order is "completed"."""

    usable: str


class WholeStatementAnswer(Answer):
    """One page of a member's statement, oldest first, and what the account holds now.

    `available` = Σ lots − debt (negative: owed); available + reserved + Σ pending = the balance
    after the last entry.
    """

    member_id: str
    entries: list[StaffEntry]
    available: int
    reserved: int
    debt: int
    lots: list[DueLot]
    pending: list[PendingLot]
    next: int | None
