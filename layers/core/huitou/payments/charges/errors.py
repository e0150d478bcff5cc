"""Why an order isn't paid or cancelled, or a notice of WeChat Pay isn't taken."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

PAYMENT: Words = "支付单", "payment"


class ChargeErrors(ErrorCode):
    """Why an order isn't paid or cancelled, or a notice of WeChat Pay isn't taken."""

    ORDER_NOT_PAYABLE = "订单不能支付：{detail}", "The order can't be paid: {detail}"
    ORDER_NOT_CANCELLABLE = (
        "订单不能取消（{detail}），可申请退款",
        "The order can't be cancelled ({detail}); ask for a refund",
    )
    SIGNATURE_INVALID = "签名无效：{detail}", "Invalid signature: {detail}"
    NOTIFICATION_MISMATCH = (
        "通知与订单不符：{detail}",
        "The notice differs from the order: {detail}",
    )
