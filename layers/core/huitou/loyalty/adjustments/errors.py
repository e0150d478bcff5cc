"""Why an adjustment of points is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

ADJUSTMENT: Words = "人工赠送", "gift by hand"
ADJUSTMENT_STATUS: dict[str, Words] = {
    "awaiting_approval": ("待审批", "awaiting_approval"),
    "applied": ("已生效", "applied"),
    "rejected": ("已拒绝", "rejected"),
}


class AdjustmentErrors(ErrorCode):
    """Why an adjustment of points is refused."""

    ADJUSTMENT_NOT_YOURS = (
        "申请人不能复核自己的申请，请换一位店长或财务",
        "Who asked for it can't decide it: another manager or finance must",
    )
    ADJUSTMENT_NOT_YOUR_ROLE = (
        "积分调整和发券须由店长或财务复核",
        "A manager or finance decides points and coupons given by hand",
    )
    RULE_NOT_YOUR_ROLE = (
        "面向众多会员的优惠须由老板或督导复核",
        "The owner or an area manager decides what is given to many members",
    )
    ADJUSTMENT_DECIDED = "该申请已处理：{detail}", "This was decided: {detail}"
    GIFT_AWAITS_APPROVAL = (
        "超过您今天可直接赠送的额度，已提交；请另一位店长或财务在“待审批”中复核",
        "Above what you may give alone today: it waits until another manager or finance approves"
        " it (Approvals)",
    )
    RULE_AWAITS_APPROVAL = (
        "超过您一人可决定的额度，已提交；老板或督导在“待审批”中同意后，请再操作一次",
        "Above what you may decide alone: it waits until the owner or an area manager approves it"
        " (To decide); then do the same again",
    )
    GIFT_WORTH_MORE = (
        "优惠已高于申请时，请换一个编号重新申请",
        "It is worth more than when it was asked for: ask again under another id",
    )
    ADJUSTMENT_ID_REUSED = (
        "该调整单号已用于另一笔调整，请换一个",
        "This id names another adjustment: take a new one",
    )
