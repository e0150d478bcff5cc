"""What WeChat's trade management wants to hear of an order that was handed over.

Source: the mini-program's server API `wxa/sec/order/upload_shipping_info`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from huitou.orders.models import Order, Status

CITY_DELIVERY, SELF_PICKUP = 2, 4
MOST_DESCRIBED = 120  # Characters of item_desc.
SHIPPED_BEFORE = {10060002, 10060003}  # Somebody told it already, by hand or in an earlier run.
NOT_YET = {10060001}  # The payment isn't there yet.
BUSY = {-1, 45009, 45011}  # Or asked too often.
TOLD_WITHIN = timedelta(days=2)


def fits_mode(order: Order, to: Status) -> bool:
    """Whether an order of this mode takes this step from here: a 外送 order is on its way first."""
    if order.mode == "delivery":
        return not (order.status == "ready" and to == "picked_up")
    return to != "delivering"


def shipping_info(order: Order, openid: str, at: datetime) -> dict[str, Any]:
    """Build the upload for an order paid with WeChat Pay; `at` is when it is told."""
    tender = next(tender for tender in order.tenders if tender.kind == "wechat_pay")
    dishes = "、".join(f"{line.name}×{line.quantity}" for line in order.lines)
    return {
        "order_key": {"order_number_type": 2, "transaction_id": tender.transaction_id},
        "logistics_type": CITY_DELIVERY if order.mode == "delivery" else SELF_PICKUP,
        "delivery_mode": 1,
        "shipping_list": [{"item_desc": dishes[:MOST_DESCRIBED]}],
        "upload_time": at.isoformat(timespec="milliseconds"),
        "payer": {"openid": openid},
    }
