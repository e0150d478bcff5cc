"""Reasons for refusing to create an order, and the words for orders and their states."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

ORDER: Words = "订单", "order"
DELIVERY: Words = "配送信息", "delivery"
TABLE: Words = "桌号", "table"
PICKUP_AT: Words = "预约时间", "pickup_at"
ORDER_STATUS: dict[str, Words] = {
    "created": ("待支付", "created"),
    "paying": ("支付中", "paying"),
    "closing": ("关闭中", "closing"),
    "cancelled": ("已取消", "cancelled"),
    "paid": ("已支付", "paid"),
    "accepted": ("已接单", "accepted"),
    "preparing": ("制作中", "preparing"),
    "ready": ("待取餐", "ready"),
    "delivering": ("配送中", "delivering"),
    "picked_up": ("已取餐", "picked_up"),
    "completed": ("已完成", "completed"),
    "refunding": ("退款中", "refunding"),
    "refunded": ("已退款", "refunded"),
}
IMPORTED: Words = "导入的历史订单", "import"


class OrderErrors(ErrorCode):
    """Reasons for refusing to create an order."""

    QUOTE_CHANGED = "价格有变化，请确认新的价格", "The price has changed; please confirm"
    QUOTE_ID_REUSED = "该试算单已用于另一订单", "This quote was used for another order"
    POINTS_OVER_LIMIT = "本单最多可用 {detail} 积分", "At most {detail} points on this order"
    POINTS_TOO_FEW = "本单至少使用 {detail} 积分", "Use at least {detail} points on this order"
