"""What we tell WeChat about an order: that it was handed over, and what its card shows.

Sources: the mini-program's server APIs `wxa/sec/order/upload_shipping_info` and
`wxa/set_user_notify`, and the definition of its template 2007 (购物&餐饮&本地生活 等候领取).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from huitou.members.messaging.models import PickupCard
from huitou.ordering.orders.models import Order

CITY_DELIVERY, SELF_PICKUP = 2, 4
MOST_DESCRIBED = 120  # Characters of item_desc.
SHIPPED_BEFORE = {10060002, 10060003}  # An earlier run or a person has told WeChat already.
NOT_YET = {10060001}  # WeChat doesn't know the payment yet.
BUSY = {-1, 45009, 45011}  # WeChat is busy, or we call too often.
TOLD_WITHIN = timedelta(days=2)

CARD_UNKNOWN_YET = {85437}  # WeChat accepts a payment's number as a card's code only later.
CARD_WITHIN = timedelta(minutes=10)
MOST_ON_CARD = 10  # Dishes listed by name; the count includes the others.


def shipping_info(order: Order, openid: str, at: datetime) -> dict[str, Any]:
    """Build the upload for an order paid with WeChat Pay; `at` is the time of the upload."""
    payment = order.wechat_payment
    dishes = "、".join(f"{line.name}×{line.quantity}" for line in order.lines)
    return {
        "order_key": {"order_number_type": 2, "transaction_id": payment and payment.transaction_id},
        "logistics_type": CITY_DELIVERY if order.mode == "delivery" else SELF_PICKUP,
        "delivery_mode": 1,
        "shipping_list": [{"item_desc": dishes[:MOST_DESCRIBED]}],
        "upload_time": at.isoformat(timespec="milliseconds"),
        "payer": {"openid": openid},
    }


def card_content(order: Order, card: PickupCard) -> dict[str, Any] | None:
    """Build the card for an order's present status; None if the card has no state for it."""
    state = dict[str, int](card.states.items()).get(order.status)
    if state is None:
        return None
    page = card.page.replace("{order_id}", order.id)
    shown = [
        {
            "product_img": card.dish_image,
            "product_name": line.name,
            "product_path_query": page,
            "count": line.quantity,
        }
        for line in order.lines[:MOST_ON_CARD]
    ]
    content: dict[str, Any] = {
        "cur_status": state,
        "wxa_path_query": page,
        "product_count": sum(line.quantity for line in order.lines),
        "product_list": {"info_list": shown},
    }
    if order.status == "paid":  # The card's state for "paid" has no more fields.
        return content
    if order.pickup_number is not None:
        content["queue_number"] = f"{order.pickup_number:03d}"
    if order.status in ("accepted", "preparing"):
        content["min_wait_time"] = card.wait_from_minutes * 60
        content["max_wait_time"] = card.wait_to_minutes * 60
    return content


def card_check(order: Order) -> dict[str, int]:
    """Build the values by which WeChat recognises the payment: the fen paid, and when."""
    paid_at = order.paid_at or order.created_at
    return {"pay_amount": order.payable_fen, "pay_time": int(paid_at.timestamp())}
