"""Why points aren't set aside, used or given back."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

HOLD: Words = "冻结的积分", "hold"


class HoldErrors(ErrorCode):
    """Why points aren't set aside, used or given back."""

    HOLD_ID_REUSED = (
        "该编号已用于另一笔积分，请换一个",
        "This id was used for other points: take a new one",
    )
    HOLD_RELEASED = (
        "积分已退回，请重新操作",
        "These points were given back: begin again with a new id",
    )
    HOLD_USED = "这笔积分已使用，不能退回", "These points are spent and can't be given back"
