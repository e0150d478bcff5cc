"""Offers to a community group (社群): its members take a coupon, a limited number a day."""

from pydantic import Field

from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Request


class TakeGroupOfferRequest(Request):
    """Take a group's offer, with WeChat's proof that the member came from that group.

    `code` is from `wx.login`; `encrypted_data` and `iv` are from `wx.getGroupEnterInfo`.
    """

    campaign_id: str = Field(min_length=1, max_length=40)
    code: str = Field(min_length=1, max_length=128)
    encrypted_data: str = Field(min_length=1, max_length=4_096)
    iv: str = Field(min_length=1, max_length=64)


class GroupOfferAnswer(Answer):
    """The coupon that the member took; a second request on the same day returns the same one."""

    coupon: ShownCoupon
