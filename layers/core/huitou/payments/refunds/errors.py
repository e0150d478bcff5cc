"""Why money isn't given back."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

REFUND: Words = "退款", "refund"
REFUND_STATUS: dict[str, Words] = {
    "awaiting_approval": ("待审批", "awaiting_approval"),
    "rejected": ("已拒绝", "rejected"),
    "requested": ("已提交", "requested"),
    "processing": ("处理中", "processing"),
    "abandoning": ("放弃中", "abandoning"),
    "success": ("已退款", "success"),
    "abnormal": ("退款异常", "abnormal"),
    "closed": ("已关闭", "closed"),
}


class RefundErrors(ErrorCode):
    """Why money isn't given back."""

    ORDER_NOT_REFUNDABLE = "订单不能退款：{detail}", "The order can't be refunded: {detail}"
    REFUND_TOO_MUCH = "超过可退部分：{detail}", "More than is left to give back: {detail}"
    REFUND_WORTH_NOTHING = (
        "所选菜品没有可退金额",
        "Nothing was paid for what is to be given back",
    )
    REFUND_ASKED_OFTEN = "已多次申请，请联系门店", "Asked too often; please talk to the store"
    REFUND_TOO_LATE = "已超过可退款时间，请联系门店", "Too late for a refund; talk to the store"
    REFUND_NOT_YOURS = (
        "申请人不能审批自己的退款",
        "Who asked for a refund can't approve it",
    )
    REFUND_OVER_LIMIT = (
        "超出该角色的权限，请由店长或财务审批",
        "Above this role's limit: a manager or finance decides",
    )
    REFUND_DECIDED = "该退款已处理：{detail}", "This refund was decided: {detail}"
    REFUND_ID_REUSED = (
        "该退款单号已用于另一笔退款，请换一个",
        "This id names another refund: take a new one",
    )
