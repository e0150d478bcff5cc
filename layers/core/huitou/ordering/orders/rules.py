"""Ids, times and allowed steps of an order's life."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from huitou.catalog.stores.models import BRAND_ZONE, Store
from huitou.catalog.stores.rules import store_day
from huitou.loyalty.earning.rules import Purchase
from huitou.loyalty.points.models import NEVER, LotMove, PointsRules
from huitou.ordering.orders.errors import DELIVERY, PICKUP_AT, TABLE, OrderErrors
from huitou.ordering.orders.models import (
    CreateRequest,
    LedgerOrder,
    Moment,
    Order,
    QuoteRequest,
    RefundStatus,
    Status,
)
from huitou.ordering.quotes.models import Price
from huitou.runtime.errors import Code, Refusal

PAY_WITHIN = timedelta(minutes=15)
BOOK_AHEAD = timedelta(days=7)
COMPLETES_AFTER = timedelta(hours=2)  # After it was ready, by itself.

# created ─ paying ─┬─ paid ─ accepted ─ preparing ─ ready ─┬─────────────┬─ picked_up ─ completed
#    └─── closing ──┴─ cancelled                            └─ delivering ┘
# closing: being closed at WeChat Pay; may still be paid. From paid on, an order completes by
# itself in time, and all that is left of it may go back: refunding ─ refunded.
STEPS: dict[Status, tuple[Status, ...]] = {
    "created": ("paying", "closing", "paid"),
    "paying": ("closing", "paid"),
    "closing": ("cancelled", "paid"),
    "cancelled": (),
    "paid": ("accepted", "completed", "refunding"),
    "accepted": ("preparing", "completed", "refunding"),
    "preparing": ("ready", "completed", "refunding"),
    "ready": ("delivering", "picked_up", "completed", "refunding"),
    "delivering": ("picked_up", "completed", "refunding"),
    "picked_up": ("completed", "refunding"),
    "completed": ("refunding",),
    "refunding": ("refunded",),
    "refunded": (),
}
UNPAID: tuple[Status, ...] = ("created", "paying", "closing")
ENDED: tuple[Status, ...] = ("cancelled", "completed", "refunded")
SERVED: tuple[Status, ...] = (
    "paid", "accepted", "preparing", "ready", "delivering", "picked_up", "completed",
)  # fmt: skip
SETTLED_STATES: tuple[Status, ...] = (*SERVED, "refunding", "refunded")
# WeChat's trade management wants to hear when it is there to be had, or on its way.
HANDED_OVER: tuple[Status, ...] = ("delivering", "picked_up", "completed")
BEFORE_PREPARING: tuple[Status, ...] = ("paid", "accepted")  # Until then the guest may cancel.


def before(status: Status) -> list[Status]:
    """Return the states from which an order may step to this one."""
    return [state for state, following in STEPS.items() if status in following]


def order_id(member_id: str, quote_id: str) -> str:
    """Make the id from the business fact: this member's order of this quote."""
    return "o" + hashlib.sha256(f"{member_id}|{quote_id}".encode()).hexdigest()[:24]


def request_digest(request: CreateRequest) -> str:
    """Return what tells a repeated call from another order under the same quote."""
    fields = request.model_dump(mode="json")
    for name in ("table", "pickup_at", "delivery", "coupons", "coupon_ids"):
        if fields[name] in (None, [], "named"):  # Orders of before had none of these.
            del fields[name]
    plain = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def check_wanted(request: CreateRequest, now: datetime) -> datetime:
    """Return when the guest wants the order; Refusal naming what its mode lacks or can't have."""
    if (request.mode == "delivery") != (request.delivery is not None):
        raise Refusal(Code.INVALID_REQUEST, field="delivery", detail=DELIVERY)
    if request.table is not None and request.mode != "dine_in":
        raise Refusal(Code.INVALID_REQUEST, field="table", detail=TABLE)
    if (request.mode == "booking") != (request.pickup_at is not None):
        raise Refusal(Code.INVALID_REQUEST, field="pickup_at", detail=PICKUP_AT)
    return pickup_moment(request, now)


def pickup_moment(request: QuoteRequest, now: datetime) -> datetime:
    """Return when a cart is wanted, now if it doesn't say; Refusal for the past or far future."""
    if request.pickup_at is None:
        return now
    if not now < request.pickup_at <= now + BOOK_AHEAD:
        raise Refusal(
            Code.INVALID_REQUEST,
            field="pickup_at",
            detail=(f"最多提前 {BOOK_AHEAD.days} 天", f"at most {BOOK_AHEAD.days} days ahead"),
        )
    return request.pickup_at


def most_points(rules: PointsRules, available: int, order_fen: int) -> int:
    """Return how many points may pay for part of an order of this many fen; 0 where none may."""
    if order_fen < rules.min_order_fen:
        return 0
    share_fen = order_fen * rules.max_order_share_bp // 10_000
    most = max(0, min(available, share_fen // rules.point_value_fen))
    return most if most >= rules.min_points else 0


def check_points(rules: PointsRules, points: int, most: int) -> None:
    """Let a member use none, or any number from the least to the most; Refusal otherwise."""
    if points > most:
        raise Refusal(OrderErrors.POINTS_OVER_LIMIT, field="points", detail=str(most))
    if 0 < points < rules.min_points:
        raise Refusal(OrderErrors.POINTS_TOO_FEW, field="points", detail=str(rules.min_points))


def order_from(
    request: CreateRequest, priced: Price, store: Store, identity: str, digest: str,
    brand_id: str, member_id: str, now: datetime,
) -> Order:  # fmt: skip
    """Build the order that a quoted cart becomes, unpaid, its price frozen."""
    return Order(
        id=identity,
        brand_id=brand_id,
        store_id=store.id,
        member_id=member_id,
        quote_id=request.quote_id,
        request_digest=digest,
        mode=request.mode,
        table=request.table,
        pickup_at=request.pickup_at,
        delivery=request.delivery,
        status="created",
        business_day=store_day(store, now),
        created_at=now,
        expires_at=now + PAY_WITHIN,
        lines=priced.lines,
        list_fen=priced.list_fen,
        delivery_fen=priced.delivery_fen,
        discounts=priced.discounts,
        payable_fen=priced.payable_fen,
        points_used=priced.points_used,
        timeline=[Moment(status="created", at=now)],
    )


def purchase_of(priced: Order | Price, store: Store | None, day: str, at: datetime) -> Purchase:
    """Return what earning looks at in an order or a cart, were it paid at this moment."""
    store_id, zone = (store.id, store.zone) if store else (None, BRAND_ZONE)
    return Purchase(priced.lines, priced.discounts, store_id, zone, day, at)


def is_over(order: Order, now: datetime) -> bool:
    """Whether a paid order's time has run out, though nobody may have taken a step with it.

    One without `complete_by` was paid before orders had one, when `paid` was their end.
    """
    return order.complete_by is None or now >= order.complete_by


def refund_status(order: Order) -> RefundStatus | None:
    """Return what the order's refunds, ended and under way, make of its money."""
    if order.refunding:
        return "refunding"
    if not order.refunds:
        return None
    return "refunded" if order.left_fen == 0 else "partially_refunded"


def with_refunds(
    order: Order, change: Mapping[str, Any]
) -> tuple[Order, list[Status | RefundStatus]]:
    """Return the order with other refunds, and what its time line should say of it.

    The status is `refunding` only while all that is left is going back: nobody must start
    cooking then. A part that goes back leaves the order in the kitchen.
    """
    changed = order.model_copy(update=dict(change))
    money, status = refund_status(changed), _status_with_refunds(changed)
    came_from = order.before_refund if order.status == "refunding" else order.status
    returns_to = came_from if status in ("refunding", "refunded") else None
    after = changed.model_copy(
        update={"status": status, "refund_status": money, "before_refund": returns_to}
    )
    words = dict.fromkeys([money or status, status])
    return after, [word for word in words if word not in (order.status, order.refund_status)]


def _status_with_refunds(order: Order) -> Status:
    if order.left_fen > 0 or not (order.refunding or order.refunds):
        return (order.before_refund or "paid") if order.status == "refunding" else order.status
    return "refunding" if order.refunding else "refunded"


def drawn_lots(order: Order | LedgerOrder) -> list[LotMove]:
    """Return the lots that pay for part of an order; those of before there were lots name none."""
    if order.points_drawn or not order.points_used:
        return order.points_drawn
    return [LotMove(expires_on=NEVER, points=order.points_used)]
