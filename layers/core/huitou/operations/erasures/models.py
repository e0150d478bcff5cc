"""Erasures: forgetting a member who asks for it, except what other laws make us keep.

Orders, payments, invoices and the points ledger stay for the books, under an id that identifies
nobody any more. Source: PIPL 47; accounting law.
"""

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.typed import Name


class EraseMemberRequest(Request):
    """Forget a member for good, because they ask for it; stores who requested it and why."""

    member_id: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: Name = Field(min_length=1, max_length=80)


class Erasure(Stored):
    """One completed erasure; `id` is the member's, so each member has one at most.

    `points` and `coupons` count what the member gave up. `ids` are all ids of the person.
    """

    ids: list[str] | None = None

    actor: str
    reason: str
    points: int
    coupons: int
    at: datetime


class EraseAnswer(Answer):
    """What the member gave up: unused points and coupons. A repetition tells the same."""

    member_id: str
    points: int
    coupons: int
    at: datetime
