"""Why a cart has no price."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class QuoteErrors(ErrorCode):
    """Why a cart has no price."""

    ORDER_TOO_LARGE = "订单金额过大", "The order's amount is too large"
