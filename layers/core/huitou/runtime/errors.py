"""Every way a call can fail, and what the caller is told.

HuitouError
├── Refusal               final: the caller can mend it, repeating it changes nothing
│   └── (one code of `Code` each; the field at fault is named where there is one)
├── Unavailable           passing: the same call may succeed a moment later
└── ConfigurationError    the operator's: a setting is missing or wrong; names the setting
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

Lang = Literal["zh", "en"]


class Code(Enum):
    """Stable error codes with their message in Chinese and English."""

    INVALID_REQUEST = "请求有误：{detail}", "Invalid request: {detail}"
    UNKNOWN_ACTION = "没有这个操作：{detail}", "No such action: {detail}"
    FORBIDDEN = "没有权限", "Not allowed"
    IDENTITY_REQUIRED = "请在小程序内使用", "Call this from the mini-program"
    TOO_LARGE = "请求过大", "The request is too large"
    NOT_REGISTERED = "请先登录", "Log in first"
    NOT_FOUND = "未找到：{detail}", "Not found: {detail}"
    STORE_NOT_FOUND = "没有这家门店", "No such store"
    STORE_CLOSED = "门店未营业", "The store is closed"
    DISH_NOT_FOUND = "没有这个菜品或选项：{detail}", "No such dish or option: {detail}"
    DISH_SOLD_OUT = "{detail} 已售罄", "{detail} is sold out"
    ORDER_TOO_LARGE = "订单金额过大", "The order's amount is too large"
    QUOTE_CHANGED = "价格有变化，请确认新的价格", "The price has changed; please confirm"
    QUOTE_ID_REUSED = "该试算单已用于另一订单", "This quote was used for another order"
    COUPON_NOT_USABLE = "优惠券不可用：{detail}", "The coupon can't be used: {detail}"
    CODE_NOT_VALID = "兑换码无效", "This code isn't valid"
    TOO_MANY_TRIES = "尝试次数过多，请一小时后再试", "Too many tries: come back in an hour"
    COUPON_NOT_ISSUED = "已达领取上限或已领完", "No more of these coupons can be had"
    BATCH_REUSED = (
        "该批次名称已用于其他兑换码，请换一个",
        "This name is another batch's: take a new one",
    )
    GIFT_GONE = "礼券已被领取或已失效", "This gift was taken or has ended"
    TOKEN_NOT_VALID = "不是本店可用的券码", "This isn't a coupon of this chain"
    TOKEN_EXPIRED = (
        "券码已过期，请顾客刷新后再扫",
        "The code has expired: have the guest refresh it",
    )
    OFFER_USED_UP = "活动名额已用完，请重新试算", "An offer is used up: quote again"
    OFFER_LIMIT_REACHED = (
        "活动已达参与次数上限，请重新试算",
        "An offer was used as often as it may be: quote again",
    )
    POINTS_OVER_LIMIT = "本单最多可用 {detail} 积分", "At most {detail} points on this order"
    POINTS_TOO_FEW = "本单至少使用 {detail} 积分", "Use at least {detail} points on this order"
    POINTS_NOT_ENOUGH = "积分不足", "Not enough points"
    HOLD_ID_REUSED = (
        "该编号已用于另一笔积分，请换一个",
        "This id was used for other points: take a new one",
    )
    HOLD_RELEASED = (
        "积分已退回，请重新操作",
        "These points were given back: begin again with a new id",
    )
    HOLD_USED = "这笔积分已使用，不能退回", "These points are spent and can't be given back"
    CAUSE_REUSED = "该事由已用于另一会员", "This cause was another member's"
    MALL_ITEM_NOT_OFFERED = "该商品已下架或不在兑换时间内", "This item isn't offered now"
    MALL_SOLD_OUT = "已兑完", "All of them are gone"
    MALL_LIMIT_REACHED = "每人限兑 {detail} 件", "At most {detail} per member"
    EXCHANGE_ID_REUSED = (
        "该兑换单号已用于另一商品，请换一个",
        "This id was used for another item: take a new one",
    )
    ORDER_NOT_PAYABLE = "订单不能支付：{detail}", "The order can't be paid: {detail}"
    ORDER_NOT_CANCELLABLE = (
        "订单不能取消（{detail}），可申请退款",
        "The order can't be cancelled ({detail}); ask for a refund",
    )
    ORDER_NOT_REFUNDABLE = "订单不能退款：{detail}", "The order can't be refunded: {detail}"
    ORDER_NOT_AT_THIS_STEP = (
        "订单当前为 {detail}，不能进行此操作",
        "The order is {detail}: this step can't be taken",
    )
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
    MERGE_ID_REUSED = (
        "该合并单号已用于另一次合并，请换一个",
        "This id names another merge: take a new one",
    )
    MERGE_SAME_MEMBER = "不能与自己合并", "A member can't be merged into themselves"
    MEMBER_HAS_OPEN_ORDERS = (
        "该会员还有未完成的订单，请在订单完成或退款后再删除",
        "This member has orders under way: erase them once these are done or given back",
    )
    MERGED_ELSEWHERE = "该会员已并入其他会员", "This member was merged into another one"
    MERGE_TWO_PHONES = (
        "两个会员绑定了不同手机号，不能合并",
        "The two members have different phones and can't be merged",
    )
    PHONE_REQUIRED = "请先授权手机号", "Authorise your phone number first"
    PHONE_CODE_INVALID = "手机号授权已失效，请重试", "The phone code is invalid or used; try again"
    PHONE_BOUND_ELSEWHERE = "该手机号已绑定其他会员", "This phone is bound to another member"
    BIRTHDAY_FIXED = (
        "生日已设置，不能修改",
        "The birthday is set and can't be changed: each year's gifts hang on it",
    )
    SCENE_UNKNOWN = "二维码无效", "Unknown code"
    WELCOME_TAKEN = "欢迎券已领取", "The welcome coupon was already taken"
    LOCATION_CONSENT_REQUIRED = (
        "请先同意使用您的位置",
        "Agree to the use of your position first",
    )
    POSITION_TOO_OLD = "定位已过期，请重新定位", "This position is too old: take a new one"
    POSITION_REPLAYED = "请重新定位", "This position was used before: take a new one"
    POSITION_IMPOSSIBLE = "定位异常，请稍后再试", "This position can't be right; try again later"
    GROUP_NOT_PROVEN = "请从社群内进入后领取", "Open this from the group it is for"
    OFFER_NOT_NOW = "不在领取时间内（{detail} 开始）", "Not at this time (from {detail} on)"
    REFERRAL_NOT_HELD = "该邀请不在待审核状态", "This referral doesn't wait for a decision"
    CAMPAIGN_NOT_AT_THIS_STEP = (
        "活动当前为 {detail}，不能进行此操作",
        "The campaign is {detail}: this step can't be taken",
    )
    CAMPAIGN_NOT_CHECKED = (
        "活动当前版本还没有通过合规检查，请先检查",
        "This revision hasn't passed the check: run it first",
    )
    SIGNATURE_INVALID = "签名无效：{detail}", "Invalid signature: {detail}"
    NOTIFICATION_MISMATCH = (
        "通知与订单不符：{detail}",
        "The notice differs from the order: {detail}",
    )
    PAYMENT_FAILED = (
        "微信支付未受理（{detail}），请稍后再试或联系门店",
        "WeChat Pay refused: {detail}",
    )
    BILL_NOT_READY = (
        "账单尚未生成，请在 {detail} 后再试",
        "The bill isn't there yet; try again from {detail}",
    )
    BILL_DAMAGED = "账单有误，未核对：{detail}", "The bill is damaged and was not used: {detail}"
    ALREADY_RESOLVED = "该差异已由 {detail} 处理", "{detail} has resolved this already"
    DISCREPANCY_CHANGED = "该差异刚有变化，请重新查看", "It has just changed; look at it again"
    SIGN_IN_REQUIRED = "请先登录", "Sign in first"
    SIGN_IN_FAILED = "登录名、密码或动态码不正确", "Name, password or one-time code isn't right"
    PASSWORD_TO_CHOOSE = "请先设置自己的密码", "Choose your own password first"
    STAFF_NAME_TAKEN = "该登录名已被使用", "This name is taken"
    LAST_OWNER = "至少保留一位老板账号", "Somebody must stay owner"
    RULES_CONFLICT = (
        "规则已有更新的版本，revision 须大于现有版本",
        "There is a later revision of these rules: raise `revision` above it",
    )
    TOO_MANY_OFFERS = (
        "进行中和待开始的活动最多 {detail} 个（含暂停的）：先给不用的活动设结束日期",
        "At most {detail} offers may be in force or to come, paused ones included: "
        "first end those that are over",
    )
    IMPORTED_OTHERWISE = (
        "这些订单已按另一种列对应（门店或单号）导入过",
        "These orders were imported before under another mapping (of store or order number); "
        "keep to that one",
    )
    UNAVAILABLE = "系统繁忙，请稍后再试", "Busy; please try again"
    INTERNAL = "系统错误，请稍后再试", "Something went wrong; please try again"

    @property
    def chinese(self) -> str:
        """The message for members and operators."""
        return self.value[0]

    @property
    def english(self) -> str:
        """The same message for `lang: en`."""
        return self.value[1]


# What details are, in the words of guests and operators.
_CHINESE = {
    "created": "待支付", "paying": "支付中", "closing": "关闭中", "cancelled": "已取消",
    "paid": "已支付", "accepted": "已接单", "preparing": "制作中", "ready": "待取餐",
    "delivering": "配送中", "picked_up": "已取餐", "completed": "已完成",
    "refunding": "退款中", "refunded": "已退款", "import": "导入的历史订单",
    "awaiting_approval": "待审批", "rejected": "已拒绝", "requested": "已提交",
    "processing": "处理中", "abandoning": "放弃中", "success": "已退款",
    "abnormal": "退款异常", "closed": "已关闭",
    "order": "订单", "refund": "退款", "payment": "支付单", "coupon": "优惠券",
    "applied": "已生效", "member": "会员", "adjustment": "积分调整",
    "account": "会员账户", "dead letter": "死信", "discrepancy": "差异",
    "hold": "冻结的积分", "item": "商品", "coupon template": "优惠券模板",
    "tier run": "等级规则应用", "level": "等级",
    "campaign": "活动", "message": "消息", "draft": "草稿", "checked": "已检查",
    "running": "进行中", "paused": "已暂停", "ended": "已结束",
    "delivery": "配送信息", "table": "桌号", "pickup_at": "预约时间",
}  # fmt: skip


class HuitouError(Exception):
    """A failure with a stable code, the field at fault and what a client may show."""

    def __init__(
        self, code: Code, *, field: str | None = None, detail: str = "", data: object = None
    ) -> None:
        super().__init__(code.name + (f" ({field})" if field else ""))
        self.code = code
        self.field = field
        self.detail = detail
        self.data = data

    def message(self, lang: Lang = "zh") -> str:
        """Say it in the caller's language; never anything about internals."""
        if lang == "en":
            return self.code.english.format(detail=self.detail)
        return self.code.chinese.format(detail=_CHINESE.get(self.detail, self.detail))


class Refusal(HuitouError):
    """The call was understood and refused; repeating it unchanged changes nothing."""


class Unavailable(HuitouError):
    """Something the call needs did not answer in time; the same call may succeed later."""

    def __init__(self, code: Code = Code.UNAVAILABLE, *, detail: str = "") -> None:
        super().__init__(code, detail=detail)


class ConfigurationError(HuitouError):
    """A setting is missing or wrong; `field` names it."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(Code.INTERNAL, field=setting, detail=problem)
        self.args = (f"{setting}: {problem}",)
