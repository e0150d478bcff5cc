"""How much a refund gives back, and who may decide it alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from huitou.catalog.stores.models import Merchant
from huitou.ordering.orders.models import LineBack, Order
from huitou.payments.refunds.errors import RefundErrors
from huitou.payments.refunds.models import (
    DifferingField,
    Refund,
    RefundLine,
    RefundNotice,
    RefundRequest,
    RefundRules,
    Role,
)
from huitou.runtime.errors import Code, ErrorCode, Refusal

MOST_ASKED = 3  # How often a guest may ask for a refund of one order; then they talk to the store.
MOST_REFUNDS = 50  # WeChat Pay's limit per payment.
REFUNDABLE_FOR = timedelta(days=365)  # WeChat Pay's limit.


def line_paid_fen(order: Order, line: int) -> int:
    """Return what was paid for a line: its list price minus its frozen share of each discount."""
    taken_off = sum(discount.by_line_fen[line] for discount in order.discounts)
    return order.lines[line].list_fen - taken_off


def lines_back(order: Order, wanted: Sequence[RefundLine]) -> list[LineBack]:
    """Return what is refunded for each wanted line.

    Refunds for two pieces of a line differ by a fen at most, and those for all its pieces add up to
    exactly what was paid for the line, in whatever order and groups they are refunded. Raises
    Refusal REFUND_TOO_MUCH naming the line that has too few pieces left.
    """
    found: list[LineBack] = []
    for number, piece in enumerate(wanted):
        if piece.line >= len(order.lines) or piece.line in (back.line for back in found):
            raise Refusal(Code.INVALID_REQUEST, field=f"lines.{number}.line", detail="line")
        before = [
            back
            for refund in (*order.refunds, *order.refunding)
            for back in refund.lines
            if back.line == piece.line
        ]
        left = order.lines[piece.line].quantity - sum(back.quantity for back in before)
        left_fen = line_paid_fen(order, piece.line) - sum(back.amount_fen for back in before)
        if piece.quantity > left:
            raise Refusal(
                RefundErrors.REFUND_TOO_MUCH, field=f"lines.{number}.quantity", detail=f"≤ {left}"
            )
        amount_fen = left_fen * piece.quantity // left
        found.append(LineBack(line=piece.line, quantity=piece.quantity, amount_fen=amount_fen))
    return found


def amount_back(order: Order, lines: Sequence[LineBack], amount_fen: int | None) -> int:
    """Return the fen to give back: for lines, or an amount, or (neither named) all that is left.

    Raises Refusal REFUND_TOO_MUCH naming the field and what is left, or REFUND_WORTH_NOTHING.
    """
    left_fen, field = order.left_fen, "lines" if lines else "amount_fen"
    if lines:
        wanted_fen = sum(back.amount_fen for back in lines)
    else:
        wanted_fen = left_fen if amount_fen is None else amount_fen
    if wanted_fen > left_fen:
        raise Refusal(RefundErrors.REFUND_TOO_MUCH, field=field, detail=f"≤ ¥{left_fen / 100:.2f}")
    # In an order paid with points alone each piece is worth 0 fen, so only a refund of all its
    # pieces makes sense.
    if wanted_fen == 0 and not (order.payable_fen == 0 and _every_piece(order, lines)):
        raise Refusal(RefundErrors.REFUND_WORTH_NOTHING, field=field)
    return wanted_fen


def _every_piece(order: Order, lines: Sequence[LineBack]) -> bool:
    pieces = sum(line.quantity for line in order.lines)
    return not lines or sum(back.quantity for back in lines) == pieces


def why_not(order: Order, now: datetime) -> ErrorCode | None:
    """Return why a paid order can't be refunded any more, or None if it can."""
    if len(order.refunds) + len(order.refunding) >= MOST_REFUNDS:
        return RefundErrors.REFUND_ASKED_OFTEN
    if order.paid_at is not None and now > order.paid_at + REFUNDABLE_FOR:
        return RefundErrors.REFUND_TOO_LATE
    return None


def worth_back(order: Order, amount_fen: int) -> tuple[int, int]:
    """Return what this refund is worth to the guest in fen, and what all of the order's are.

    With the money come points in proportion, and with all of the money all points and the coupons.
    They buy the next order, so they count as what they took off this one. A coupon whose kind
    doesn't come back counts, too.
    """
    before_fen = order.payable_fen - order.left_fen
    worth_before = _worth_of(order, before_fen) if before_fen else 0
    worth = _worth_of(order, before_fen + amount_fen)
    return worth - worth_before, worth


def _worth_of(order: Order, refunded_fen: int) -> int:
    points_fen = sum(one.amount_fen for one in order.discounts if one.kind == "points")
    if refunded_fen < order.payable_fen:
        return refunded_fen + points_fen * refunded_fen // order.payable_fen
    coupons_fen = sum(one.amount_fen for one in order.discounts if one.kind == "coupon")
    return refunded_fen + points_fen + coupons_fen


def may_decide(
    rules: RefundRules, role: Role, order: Order, amount_fen: int, now: datetime
) -> bool:
    """Whether this role may refund that much without anybody's approval.

    The limit is for the worth of all of an order's refunds, so several small ones count like one
    large one. After the window only finance may.
    """
    if role in ("finance", "system"):
        return True
    if role == "member":
        return False
    if not in_window(rules, order, now):
        return False
    limit_fen = rules.manager_limit_fen if role == "manager" else rules.cashier_limit_fen
    return worth_back(order, amount_fen)[1] <= limit_fen


def day_limit_fen(rules: RefundRules, role: Role) -> int | None:
    """Return what a person of this role may refund alone on a business day; None: any amount."""
    match role:
        case "cashier":
            return rules.cashier_day_limit_fen
        case "manager":
            return rules.manager_day_limit_fen
        case "finance" | "system" | "member":
            return None
        case _:
            assert_never(role)


def in_window(rules: RefundRules, order: Order, now: datetime) -> bool:
    """Whether the order isn't complete yet, or only for so long that its store may refund it."""
    window = timedelta(hours=rules.window_h)
    return order.completed_at is None or now <= order.completed_at + window


def member_refund_id(order_id: str, kind: str, number: int) -> str:
    """Name what a guest asked for: the same call again finds the same refund."""
    digest = hashlib.sha256(f"{kind}|{order_id}|{number}".encode()).hexdigest()
    # No refund_id of a caller can hold an @, and an address takes it as it is.
    return f"{kind}@{digest[:24]}"


def mismatch(
    notice: RefundNotice, refund: Refund | None, merchant: Merchant | None
) -> DifferingField | None:
    """Return the field in which a genuine notice differs from our refund, or None."""
    if refund is None or merchant is None:
        return "out_refund_no"
    if refund.out_trade_no != notice.out_trade_no:
        return "out_trade_no"
    if notice.amount.refund != refund.amount_fen:
        return "amount.refund"
    if notice.amount.total not in (None, refund.total_fen or refund.amount_fen):
        return "amount.total"
    if (notice.sp_mchid or notice.mchid) not in (None, merchant.mchid):
        return "mchid"
    if notice.sub_mchid not in (None, merchant.sub_mchid):
        return "sub_mchid"
    return None


def same(refund: Refund, request: RefundRequest) -> Refund:
    """Return the refund if the request repeats it; raise Refusal REFUND_ID_REUSED if not."""
    lines = [(back.line, back.quantity) for back in refund.lines]
    asked = [(wanted.line, wanted.quantity) for wanted in request.lines]
    other_amount = refund.asked_fen != request.amount_fen
    if refund.order_id != request.order_id or lines != asked or other_amount:
        raise Refusal(RefundErrors.REFUND_ID_REUSED, field="refund_id")
    return refund


def turn(refund_id: str, minute: int) -> bytes:
    """Return the key that one minute's run sorts by.

    The order differs from minute to minute, so each refund is first about equally often.
    """
    return hashlib.sha256(f"{minute}|{refund_id}".encode()).digest()
