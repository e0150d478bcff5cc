"""Why a coupon doesn't change hands."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class TransferErrors(ErrorCode):
    """Why a coupon doesn't change hands."""

    GIFT_GONE = "礼券已被领取或已失效", "This gift was taken or has ended"
