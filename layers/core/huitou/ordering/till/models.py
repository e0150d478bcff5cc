"""A coupon at the till: the short-lived token that the member shows, and the till's answers."""

from datetime import datetime

from pydantic import Field

from huitou.coupons.issuing.models import CouponStatus
from huitou.promotions.offers.models import Terms
from huitou.runtime.documents import Answer, Request
from huitou.runtime.limits import Fen
from huitou.runtime.typed import Word


class CouponTokenRequest(Request):
    """Ask for a token to show one of the caller's coupons at the till."""

    coupon_id: str = Field(min_length=1, max_length=64)


class CouponTokenAnswer(Answer):
    """What the QR code holds; the mini-program asks for the next one before `expires_in_s`."""

    coupon_token: str
    expires_in_s: int


class VerifyTokenRequest(Request):
    """Ask which coupon a scanned QR code is, and whether this store can take it."""

    coupon_token: Word = Field(min_length=1, max_length=200)
    store_id: str = Field(min_length=1, max_length=64)


class RedeemTokenRequest(VerifyTokenRequest):
    """Redeem the coupon for the till's order `till_reference`; safe to repeat.

    If the order's amount `amount_fen` is given and is below the coupon's threshold, the coupon is
    refused.
    """

    till_reference: str = Field(pattern=r"^[A-Za-z0-9_:.-]{1,64}$")
    actor: str = Field(min_length=1, max_length=64)
    amount_fen: Fen | None = None


class TillCouponAnswer(Answer):
    """A coupon as the cashier sees it; `why_not` says why this store can't take it now."""

    coupon_id: str
    name: str
    status: CouponStatus
    terms: Terms
    valid_until: datetime
    why_not: str | None
