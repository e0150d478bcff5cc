"""An order's id, its deadlines and the steps it may take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from huitou.catalog.stores.models import BRAND_ZONE, Store
from huitou.catalog.stores.rules import store_day
from huitou.loyalty.earning.rules import Purchase
from huitou.loyalty.points.models import NEVER, LotMove, PointsRules
from huitou.ordering.orders.errors import DELIVERY, PICKUP_AT, TABLE, OrderErrors
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.ordering.orders.models import CreateRequest, Moment, Order, RefundStatus, Status
    from huitou.ordering.orders.quote_models import QuoteRequest

if TYPE_CHECKING:
    from huitou.ordering.orders.ledger_models import LedgerOrder
    from huitou.ordering.quotes.models import Price

PAY_WITHIN = timedelta(minutes=15)
BOOK_AHEAD = timedelta(days=7)
_DIGITS = 32  # Of a request's digest: 128 bits.
COMPLETES_AFTER = timedelta(hours=2)  # So long after it was ready, a timer completes it.

# created ─ paying ─┬─ paid ─ accepted ─ preparing ─ ready ─┬─────────────┬─ picked_up ─ completed
#    └─── closing ──┴─ cancelled                            └─ delivering ┘
# closing: its payment is being closed at WeChat Pay; the guest may still have paid. Once it is
# paid, a timer completes the order in time; from any paid status a full refund leads to
# refunding ─ refunded.
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
# WeChat's trade management must be told when an order is handed over or on its way.
HANDED_OVER: tuple[Status, ...] = ("delivering", "picked_up", "completed")
BEFORE_PREPARING: tuple[Status, ...] = ("paid", "accepted")  # Until then the guest may cancel.


def before(status: Status) -> list[Status]:
    """Return the statuses from which an order may step to this one."""
    return [state for state, following in STEPS.items() if status in following]


def order_id(member_id: str, quote_id: str) -> str:
    """Return the id of this member's order of this quote; the same two give the same id."""
    return "o" + hashlib.sha256(f"{member_id}|{quote_id}".encode()).hexdigest()[:24]


def request_digest(request: CreateRequest) -> str:
    """Return a digest that tells a repeated call from a different order of the same quote.

    Older orders have a longer digest, which begins with this one.
    """
    fields = request.model_dump(mode="json")
    for name in ("table", "pickup_at", "delivery", "coupons", "coupon_ids"):
        # Digests of older orders lack these fields: a default must give the same digest.
        if fields[name] in (None, [], "named"):
            del fields[name]
    plain = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()[:_DIGITS]


def same_order(order: Order, digest: str) -> Order:
    """Return the order if the call repeats it; raises Refusal QUOTE_ID_REUSED if not."""
    if order.request_digest[:_DIGITS] != digest:
        raise Refusal(OrderErrors.QUOTE_ID_REUSED, field="quote_id")
    return order


def check_wanted(request: CreateRequest, now: datetime) -> datetime:
    """Return when the guest wants the order.

    Raises Refusal naming a field that the order's mode needs and lacks, or can't have.
    """
    if (request.mode == "delivery") != (request.delivery is not None):
        raise Refusal(Code.INVALID_REQUEST, field="delivery", detail=DELIVERY)
    if request.table is not None and request.mode != "dine_in":
        raise Refusal(Code.INVALID_REQUEST, field="table", detail=TABLE)
    if (request.mode == "booking") != (request.pickup_at is not None):
        raise Refusal(Code.INVALID_REQUEST, field="pickup_at", detail=PICKUP_AT)
    return pickup_moment(request, now)


def pickup_moment(request: QuoteRequest, now: datetime) -> datetime:
    """Return when the guest wants the cart; without `pickup_at` that is now.

    Raises Refusal for a moment in the past or more than BOOK_AHEAD from now.
    """
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
    """Return how many points may pay for a part of an order of this amount, 0 if none may."""
    if order_fen < rules.min_order_fen:
        return 0
    share_fen = order_fen * rules.max_order_share_bp // 10_000
    most = max(0, min(available, share_fen // rules.point_value_fen))
    return most if most >= rules.min_points else 0


def check_points(rules: PointsRules, points: int, most: int) -> None:
    """Check that the points are 0, or between the rules' minimum and `most`; else Refusal."""
    if points > most:
        raise Refusal(OrderErrors.POINTS_OVER_LIMIT, field="points", detail=str(most))
    if 0 < points < rules.min_points:
        raise Refusal(OrderErrors.POINTS_TOO_FEW, field="points", detail=str(rules.min_points))


def order_from(
    request: CreateRequest,
    priced: Price,
    store: Store,
    identity: str,
    digest: str,
    brand_id: str,
    member_id: str,
    now: datetime,
) -> Order:
    """Build an unpaid order from a quoted cart and its price."""
    return Order(
        id=identity,
        brand_id=brand_id,
        store_id=store.id,
        member_id=member_id,
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
    """Return the facts that earning needs of an order or cart that is paid at this moment."""
    store_id, zone = (store.id, store.zone) if store else (None, BRAND_ZONE)
    return Purchase(priced.lines, priced.discounts, store_id, zone, day, at)


def is_over(order: Order, now: datetime) -> bool:
    """Tell whether a paid order's `complete_by` has passed, whatever its status is.

    An order without `complete_by` is older than that field: `paid` was then the last status.
    """
    return order.complete_by is None or now >= order.complete_by


def refund_status(order: Order) -> RefundStatus | None:
    """Return the order's `refund_status`, from its finished refunds and those under way."""
    if order.refunding:
        return "refunding"
    if not order.refunds:
        return None
    return "refunded" if order.left_fen == 0 else "partially_refunded"


def with_refunds(
    order: Order, change: Mapping[str, Any]
) -> tuple[Order, list[Status | RefundStatus]]:
    """Return the order with changed refunds, and the new statuses for its time line.

    The status is `refunding` only while everything that is left is being refunded, so that nobody
    starts to cook it. After a refund of a part the kitchen goes on with the rest.
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
    """Return the lots that pay for a part of an order.

    Orders from before lots existed name none: their points count as one lot that never expires.
    """
    if order.points_drawn or not order.points_used:
        return order.points_drawn
    return [LotMove(expires_on=NEVER, points=order.points_used)]
