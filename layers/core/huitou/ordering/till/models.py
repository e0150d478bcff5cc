"""A coupon at the till: a token that lives for a minute, and what became of it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.coupons.issuing.models import CouponStatus
from huitou.promotions.offers.models import Terms
from huitou.runtime.documents import Answer, Request


class CouponTokenRequest(Request):
    """Show one of my coupons at the till."""

    coupon_id: str = Field(min_length=1, max_length=64)


class CouponTokenAnswer(Answer):
    """What the QR code holds; the mini-program asks for the next one before `expires_in_s`."""

    coupon_token: str
    expires_in_s: int


class VerifyTokenRequest(Request):
    """What is this QR code worth at this store?"""

    coupon_token: str = Field(min_length=1, max_length=200)
    store_id: str = Field(min_length=1, max_length=64)


class RedeemTokenRequest(VerifyTokenRequest):
    """Redeem it for the till's order `till_reference`; the same call again is the same answer.

    With `amount_fen`, the order's amount, a coupon whose threshold it misses is refused.
    """

    till_reference: str = Field(pattern=r"^[A-Za-z0-9_:.-]{1,64}$")
    actor: str = Field(min_length=1, max_length=64)
    amount_fen: int | None = Field(default=None, ge=0)


class TillCouponAnswer(Answer):
    """A coupon as the cashier sees it; `why_not` says why this store can't take it now."""

    coupon_id: str
    name: str
    status: CouponStatus
    terms: Terms
    valid_until: datetime
    why_not: str | None
