"""What members of a community group (社群) may take, a limited number a day."""

from __future__ import annotations

from pydantic import Field

from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Request


class TakeGroupOfferRequest(Request):
    """Take what a campaign has for a group, with WeChat's proof of having come from it.

    `code` is that of `wx.login`, `encrypted_data` and `iv` those of `wx.getGroupEnterInfo`.
    """

    campaign_id: str = Field(min_length=1, max_length=40)
    code: str = Field(min_length=1, max_length=128)
    encrypted_data: str = Field(min_length=1, max_length=4_096)
    iv: str = Field(min_length=1, max_length=64)


class GroupOfferAnswer(Answer):
    """What was taken: again on the same day it is the same coupon."""

    coupon: ShownCoupon
