"""Why an order doesn't go on."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class FulfilmentErrors(ErrorCode):
    """Why an order doesn't go on."""

    ORDER_NOT_AT_THIS_STEP = (
        "订单当前为 {detail}，不能进行此操作",
        "The order is {detail}: this step can't be taken",
    )
