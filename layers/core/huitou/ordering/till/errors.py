"""Reasons for refusing a scanned coupon."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class TillErrors(ErrorCode):
    """Reasons for refusing a scanned coupon."""

    TOKEN_NOT_VALID = "不是本店可用的券码", "This isn't a coupon of this chain"
    TOKEN_EXPIRED = (
        "券码已过期，请顾客刷新后再扫",
        "The code has expired: have the guest refresh it",
    )
