"""Do the books agree? Recomputes what each order deserves and compares it with every ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from huitou.orders.models import LedgerOrder
from huitou.orders.rules import SETTLED_STATES, UNPAID, deserving
from huitou.points.rules import entries_for
from huitou.settlement.models import Books, Difference, Totals


def differences(books: Books, at: Any) -> Iterator[Difference]:
    """Yield every disagreement between orders, points, accounts, coupons and payments."""
    entries_by_order: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for entry in books.entries:
        entries_by_order[entry["order_id"]][entry["_id"]] = entry
    for order in books.orders:
        yield from _order_against_ledger(order, entries_by_order.pop(order["_id"], {}), at)
    for order_id in entries_by_order:
        yield Difference(kind="entry without order", id=order_id, expected=None, found="entries")
    yield from _accounts_against_ledger(books)
    yield from _coupons_against_orders(books)
    yield from _payments_against_orders(books)


def _order_against_ledger(
    order: dict[str, Any], entries: dict[str, dict[str, Any]], at: Any
) -> Iterator[Difference]:
    if order["status"] not in SETTLED_STATES:
        if entries:
            yield Difference(kind="entry for unpaid order", id=order["_id"], expected=[],
                             found=sorted(entries))  # fmt: skip
        return
    if order.get("settlement") != "done":
        yield Difference(kind="order not settled", id=order["_id"], expected="done",
                         found=order.get("settlement"))  # fmt: skip
        return
    paid = deserving(LedgerOrder.model_validate(order))
    wanted = entries_for(paid, at) if paid else []
    expected = {entry.id: [entry.points, entry.spend_fen] for entry in wanted}
    found = {entry["_id"]: [entry["points"], entry["spend_fen"]] for entry in entries.values()}
    if expected != found:
        yield Difference(kind="order's entries", id=order["_id"], expected=expected, found=found)


def _accounts_against_ledger(books: Books) -> Iterator[Difference]:
    points: Counter[str] = Counter()
    spend: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in books.entries:
        points[entry["member_id"]] += entry["points"]
        spend[entry["member_id"]][entry["business_day"]] += entry["spend_fen"]
    reserved: Counter[str] = Counter()
    for order in books.orders:
        unsettled = order["status"] == "paid" and order.get("settlement") == "due"
        if order["status"] in UNPAID or unsettled:
            reserved[order["member_id"]] += order["points_used"]
    for account in books.accounts:
        member_id = account["_id"]
        balance = account["available"] + account["reserved"]
        if balance != points[member_id]:
            yield Difference(
                kind="balance", id=member_id, expected=points[member_id], found=balance
            )
        if account["reserved"] != reserved[member_id]:
            yield Difference(kind="reserved points", id=member_id, expected=reserved[member_id],
                             found=account["reserved"])  # fmt: skip
        kept = {day: fen for day, fen in account.get("spend_by_day", {}).items() if fen}
        # Days that have left the tier window are dropped from the account, never changed.
        wrong = {day: fen for day, fen in kept.items() if spend[member_id][day] != fen}
        oldest = min(kept, default="9999")
        expected = {day: fen for day, fen in spend[member_id].items() if fen and day >= oldest}
        if wrong or set(expected) - set(kept):
            yield Difference(kind="spend by day", id=member_id, expected=expected, found=kept)


def _coupons_against_orders(books: Books) -> Iterator[Difference]:
    using = {
        order["coupon_id"]: order
        for order in books.orders
        if order.get("coupon_id") and order["status"] not in ("cancelled", "refunded")
    }
    for coupon in books.coupons:
        order = using.pop(coupon["_id"], None)
        expected = "free"
        if order is not None:
            settled = order["status"] in SETTLED_STATES and order.get("settlement") == "done"
            expected = f"{'redeemed' if settled else 'locked'} {order['_id']}"
        held = coupon["status"] in ("locked", "redeemed")
        found = f"{coupon['status']} {coupon.get('order_id')}" if held else "free"
        if expected != found:
            yield Difference(kind="coupon", id=coupon["_id"], expected=expected, found=found)
    for coupon_id, order in using.items():
        yield Difference(kind="coupon", id=coupon_id, expected=order["_id"], found=None)


def _payments_against_orders(books: Books) -> Iterator[Difference]:
    taken: Counter[str] = Counter()
    for payment in books.payments:
        if payment["status"] == "success":
            taken[payment["order_id"]] += payment["amount_fen"]
    for order in books.orders:
        expected = order["payable_fen"] if order["status"] in SETTLED_STATES else 0
        if taken[order["_id"]] != expected:
            yield Difference(kind="payment", id=order["_id"], expected=expected,
                             found=taken[order["_id"]])  # fmt: skip


def totals(books: Books) -> Totals:
    """Sum a page up."""
    by_kind: Counter[str] = Counter()
    for entry in books.entries:
        by_kind[entry["kind"]] += entry["points"]
    status = Counter(order["status"] for order in books.orders)
    levels = Counter(account.get("tier", {}).get("level", "basic") for account in books.accounts)
    return Totals(
        members=len(books.accounts),
        orders=len(books.orders),
        orders_paid=sum(status[name] for name in SETTLED_STATES),
        orders_refunded=status["refunded"],
        revenue_fen=sum(
            order["payable_fen"]
            for order in books.orders
            if order["status"] in ("paid", "refunding")
        ),
        points_issued=by_kind["earn"],
        points_clawed_back=-by_kind["claw-back"],
        points_used=-by_kind["use"] - by_kind["return"],
        points_outstanding=sum(by_kind.values()),
        coupons_issued=len(books.coupons),
        coupons_redeemed=sum(coupon["status"] == "redeemed" for coupon in books.coupons),
        tiers=dict(levels),
    )
