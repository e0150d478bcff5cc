"""Reasons why an offer or coupon can't be used once more."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class QuotaErrors(ErrorCode):
    """Reasons why an offer or coupon can't be used once more."""

    OFFER_USED_UP = "活动名额已用完，请重新试算", "An offer is used up: quote again"
    OFFER_LIMIT_REACHED = (
        "活动已达参与次数上限，请重新试算",
        "An offer was used as often as it may be: quote again",
    )
    TOO_MANY_UNPAID = (
        "您有 {detail} 笔使用限量优惠的订单未支付，请先支付或取消",
        "{detail} unpaid orders hold limited offers: pay or cancel one first",
    )
