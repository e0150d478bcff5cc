"""Requests and answers for giving a coupon to a friend."""

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request


class GiveRequest(Request):
    """Offer one of the caller's coupons as a gift; whoever takes it first gets it."""

    coupon_id: str = Field(min_length=1, max_length=64)


class GiveAnswer(Answer):
    """A gift that the friend's mini-program sends to take the coupon, possible until `until`.

    Until somebody takes it, the coupon stays the giver's.
    """

    gift: str
    until: datetime


class TakeGiftRequest(Request):
    """Take a coupon that was given; the same call again returns the same coupon."""

    gift: str = Field(min_length=1, max_length=200)
