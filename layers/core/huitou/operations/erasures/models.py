"""Erasures: a member who wants to be forgotten, and what is kept because other law wants it.

Orders, payments, invoices and the points ledger stay for the books, under an id that leads to
nobody any more. Source: PIPL 47; accounting law.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored


class EraseMemberRequest(Request):
    """Forget a member for good, at their own wish; who asks for it and why is kept."""

    member_id: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=80)


class Erasure(Stored):
    """One erasure that has happened; `id` is the member's, so there is one of each.

    `points` and `coupons` are what was given up with it.
    """

    actor: str
    reason: str
    points: int
    coupons: int
    at: datetime


class EraseAnswer(Answer):
    """What was given up: points and coupons that weren't used."""

    member_id: str
    points: int
    coupons: int
    at: datetime
