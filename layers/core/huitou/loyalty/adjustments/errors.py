"""Why an adjustment of points is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

ADJUSTMENT: Words = "积分调整", "adjustment"
ADJUSTMENT_STATUS: dict[str, Words] = {
    "awaiting_approval": ("待审批", "awaiting_approval"),
    "applied": ("已生效", "applied"),
    "rejected": ("已拒绝", "rejected"),
}


class AdjustmentErrors(ErrorCode):
    """Why an adjustment of points is refused."""

    ADJUSTMENT_NOT_YOURS = (
        "申请人不能复核自己的积分调整",
        "Who asked for an adjustment can't decide it",
    )
    ADJUSTMENT_NOT_YOUR_ROLE = (
        "积分调整须由店长或财务复核",
        "A manager or finance decides adjustments",
    )
    ADJUSTMENT_DECIDED = "该积分调整已处理：{detail}", "This adjustment was decided: {detail}"
    ADJUSTMENT_ID_REUSED = (
        "该调整单号已用于另一笔调整，请换一个",
        "This id names another adjustment: take a new one",
    )
