"""Error codes of gifts: why a coupon doesn't change its holder."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class TransferErrors(ErrorCode):
    """Why a coupon doesn't change its holder."""

    GIFT_GONE = "礼券已被领取或已失效", "This gift was taken or has ended"
