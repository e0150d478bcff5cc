"""Reasons for refusing to price a cart."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class QuoteErrors(ErrorCode):
    """Reasons for refusing to price a cart."""

    ORDER_TOO_LARGE = "订单金额过大", "The order's amount is too large"
