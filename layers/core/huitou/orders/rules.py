"""Ids, times and allowed steps of an order's life."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from huitou.orders.models import CreateRequest, LedgerOrder, Status
from huitou.points.rules import PaidOrder, Return

PAY_WITHIN = timedelta(minutes=15)

# created ─ paying ─┬─ paid ─ refunding ─ refunded   (a refund that WeChat Pay closes: paid again)
#    └─── closing ──┴─ cancelled          (closing: being closed at WeChat Pay; may still be paid)
STEPS: dict[Status, tuple[Status, ...]] = {
    "created": ("paying", "closing", "paid"),
    "paying": ("closing", "paid"),
    "closing": ("cancelled", "paid"),
    "paid": ("refunding",),
    "refunding": ("refunded",),
    "cancelled": (),
    "refunded": (),
}
UNPAID: tuple[Status, ...] = ("created", "paying", "closing")
SETTLED_STATES: tuple[Status, ...] = ("paid", "refunding", "refunded")


def before(status: Status) -> list[Status]:
    """Return the states from which an order may step to this one."""
    return [state for state, following in STEPS.items() if status in following]


def order_id(member_id: str, quote_id: str) -> str:
    """Make the id from the business fact: this member's order of this quote."""
    return "o" + hashlib.sha256(f"{member_id}|{quote_id}".encode()).hexdigest()[:24]


def request_digest(request: CreateRequest) -> str:
    """Return what tells a repeated call from another order under the same quote."""
    plain = json.dumps(request.model_dump(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def deserving(order: LedgerOrder) -> PaidOrder | None:
    """Return what the ledgers should know of the order, or None while it isn't paid."""
    if order.status not in SETTLED_STATES or order.terms is None:
        return None
    return PaidOrder(
        order_id=order.id,
        member_id=order.member_id,
        business_day=order.business_day,
        paid_fen=order.payable_fen,
        points_used=order.points_used,
        paid_at=order.paid_at,
        terms=order.terms,
        refunds=_refunds(order),
        wholly_refunded=order.status == "refunded",
        is_test=order.is_test,
    )


def _refunds(order: LedgerOrder) -> list[Return]:
    if order.status == "refunded" and not order.refunds and order.refund_id:
        # Written before orders kept a list of their refunds.
        return [Return(order.refund_id, order.payable_fen)]
    return [Return(back.refund_id, back.amount_fen, back.at) for back in order.refunds]
