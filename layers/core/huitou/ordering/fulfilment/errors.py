"""Reasons for refusing a step of an order."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class FulfilmentErrors(ErrorCode):
    """Reasons for refusing a step of an order."""

    ORDER_NOT_AT_THIS_STEP = (
        "订单当前为 {detail}，不能进行此操作",
        "The order is {detail}: this step can't be taken",
    )
