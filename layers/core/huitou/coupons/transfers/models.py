"""Giving a coupon to a friend."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request


class GiveRequest(Request):
    """Give one of my coupons away: to whoever takes it first."""

    coupon_id: str = Field(min_length=1, max_length=64)


class GiveAnswer(Answer):
    """What the friend's mini-program sends to take it; it stays the giver's until then."""

    gift: str
    until: datetime


class TakeGiftRequest(Request):
    """Take a coupon that was given; the same call again is the same coupon."""

    gift: str = Field(min_length=1, max_length=200)
