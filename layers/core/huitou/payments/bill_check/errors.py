"""Why a day's bill can't be checked."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class BillErrors(ErrorCode):
    """Why a day's bill can't be checked."""

    BILL_NOT_READY = (
        "账单尚未生成，请在 {detail} 后再试",
        "The bill isn't there yet; try again from {detail}",
    )
    BILL_DAMAGED = "账单有误，未核对：{detail}", "The bill is damaged and was not used: {detail}"
