"""Reconciliation: compute what each order should have brought, and compare it with all books.

An order whose settlement has been due for less than `UNDER_WAY_S` is under way, not wrong: its
ledgers may be settled or not. `real_now` (epoch seconds) decides that. `today` is the business day;
accounts keep their daily figures only for a limited time before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from huitou.loyalty.holds.models import Hold
from huitou.loyalty.points.models import LedgerEntry
from huitou.loyalty.points.rules import pending_key
from huitou.loyalty.points.sums import points_sums
from huitou.loyalty.tiers.rules import MOST_DAYS
from huitou.operations.reconciliation.models import Books, Difference, Totals
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.rules import SERVED, SETTLED_STATES, UNPAID, drawn_lots
from huitou.ordering.settlement.rules import PaidOrder, deserving, expected_entries

UNDER_WAY_S = 10.0  # Fifty times the usual wait from paid to settled.
_SURPLUS = ("surplus@", "surplus|")  # Older versions wrote "|".
_HELD = ("locked", "redeemed")


@dataclass(frozen=True)
class Ledger:
    """One page's books, grouped by order and by member."""

    orders: dict[str, LedgerOrder]
    entries: dict[str, dict[str, LedgerEntry]]
    by_member: dict[str, list[LedgerEntry]]
    holds: dict[str, Hold]
    real_now: float

    def under_way(self, order: LedgerOrder) -> bool:
        """Whether the order may be in settlement at this moment."""
        return order.settlement == "due" and self.real_now - order.settlement_since < UNDER_WAY_S


def differences(books: Books, today: str, real_now: float) -> Iterator[Difference]:
    """Yield every difference between orders, holds, points, accounts, coupons and money."""
    ledger = _arranged(books, real_now)
    for order in ledger.orders.values():
        yield from _order_against_entries(ledger, order)
    for order_id in set(ledger.entries) - set(ledger.orders) - books.orders_elsewhere:
        yield Difference(kind="entry without order", id=order_id, expected=None, found="entries")
    yield from _holds_against_entries(ledger)
    yield from _accounts_against_ledger(books, ledger, today)
    yield from _coupons_against_orders(books, ledger)
    yield from _money_against_orders(books, ledger)
    yield from _shares_against_orders(books, ledger)


def _arranged(books: Books, real_now: float) -> Ledger:
    of_orders: dict[str, dict[str, LedgerEntry]] = defaultdict(dict)
    by_member: dict[str, list[LedgerEntry]] = defaultdict(list)
    for document in books.entries:
        entry = LedgerEntry.model_validate(document)
        by_member[entry.member_id].append(entry)
        if entry.order_id is not None:
            of_orders[entry.order_id][entry.id] = entry
    for document in books.entries_elsewhere:
        of_orders[document["order_id"]][document["_id"]] = LedgerEntry.model_validate(document)
    orders = {order["_id"]: LedgerOrder.model_validate(order) for order in books.orders}
    holds = {hold["_id"]: Hold.model_validate(hold) for hold in books.holds}
    return Ledger(orders, of_orders, by_member, holds, real_now)


def _order_against_entries(ledger: Ledger, order: LedgerOrder) -> Iterator[Difference]:
    entries = ledger.entries.get(order.id, {})
    paid = deserving(order)
    if paid is None and order.status in SETTLED_STATES:
        yield Difference(kind="paid order without terms", id=order.id, expected="terms", found=None)
    elif paid is None:
        if entries:
            yield Difference(
                kind="entry for unpaid order", id=order.id, expected=[], found=sorted(entries)
            )
    elif order.settlement != "done":
        if not ledger.under_way(order):
            yield Difference(
                kind="order not settled", id=order.id, expected="done", found=order.settlement
            )
    else:
        yield from _entries_against_terms(paid, entries)


def _entries_against_terms(
    paid: PaidOrder, entries: Mapping[str, LedgerEntry]
) -> Iterator[Difference]:
    wanted = expected_entries(paid, entries)
    found = {e.id: [abs(e.points) + e.waived, e.spend_fen] for e in entries.values()}
    if wanted != found:
        yield Difference(kind="order's entries", id=paid.order.id, expected=wanted, found=found)


def _holds_against_entries(ledger: Ledger) -> Iterator[Difference]:
    """Used holds and no others have an entry; every entry that uses points names order or hold."""
    found = {
        entry.cause: [entry.member_id, -entry.points]
        for entries in ledger.by_member.values()
        for entry in entries
        if entry.kind == "use" and entry.order_id is None
    }
    used = {
        hold.id: [hold.member_id, hold.points]
        for hold in ledger.holds.values()
        if hold.status == "used"
    }
    for hold_id in sorted(found.keys() | used.keys()):
        if used.get(hold_id) != found.get(hold_id):
            expected, entry = used.get(hold_id), found.get(hold_id)
            yield Difference(kind="hold", id=hold_id, expected=expected, found=entry)
    for hold in ledger.holds.values():
        if (drawn := sum(part.points for part in hold.drawn)) != hold.points:
            yield Difference(kind="hold's lots", id=hold.id, expected=hold.points, found=drawn)


def _accounts_against_ledger(books: Books, ledger: Ledger, today: str) -> Iterator[Difference]:
    reserved: dict[str, Counter[str]] = defaultdict(Counter)
    for order in ledger.orders.values():
        used = f"use:{order.id}" in ledger.entries.get(order.id, {})
        if order.status in (*UNPAID, *SETTLED_STATES) and not used:
            for part in drawn_lots(order):
                reserved[order.member_id][part.expires_on] += part.points
    for hold in ledger.holds.values():
        for part in hold.drawn if hold.status == "held" else ():
            reserved[hold.member_id][part.expires_on] += part.points
    known = {account["_id"] for account in books.accounts}
    members = {order.member_id for order in ledger.orders.values()} | set(ledger.by_member)
    members |= {hold.member_id for hold in ledger.holds.values()}
    for member_id in sorted(members - known):
        yield Difference(kind="no account", id=member_id, expected="account", found=None)
    for account in books.accounts:
        member_id = account["_id"]
        entries = sorted(ledger.by_member[member_id], key=lambda entry: entry.number)
        yield from _account_against_entries(account, entries, reserved[member_id])
        yield from _figures_against_entries(account, entries, today)


def _account_against_entries(
    account: Mapping[str, Any], entries: Sequence[LedgerEntry], reserved: Counter[str]
) -> Iterator[Difference]:
    """Check that Σ entries = balance = Σ lots − debt, for each lot and after each entry."""
    lots: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    balance = 0
    for number, entry in enumerate(entries, 1):
        balance += entry.points
        expected_entry = [number, sum(move.points for move in entry.lots) - entry.debt, balance]
        if expected_entry != [entry.number, entry.points, entry.balance]:
            found = [entry.number, entry.points, entry.balance]
            yield Difference(kind="entry", id=entry.id, expected=expected_entry, found=found)
        for move in entry.lots:
            if move.usable is None:
                lots[move.expires_on] += move.points
            else:
                pending[pending_key(move.usable, move.expires_on)] += move.points
    lots.subtract(reserved)
    expected = {
        "balance": balance,
        "reserved points": reserved.total(),
        "lots": {day: points for day, points in sorted(lots.items()) if points},
        "pending": {key: points for key, points in sorted(pending.items()) if points},
        "debt": sum(entry.debt for entry in entries),
        "entries": len(entries),
    }
    waiting = account.get("pending", {})
    found_there = {
        "balance": account["available"] + account["reserved"] + sum(waiting.values()),
        "reserved points": account["reserved"],
        "lots": dict(sorted(account.get("lots", {}).items())),
        "pending": dict(sorted(waiting.items())),
        "debt": account.get("debt", 0),
        "entries": account.get("entries", 0),
    }
    for kind, value in expected.items():
        if found_there[kind] != value:
            found = found_there[kind]
            yield Difference(kind=kind, id=account["_id"], expected=value, found=found)


def _figures_against_entries(
    account: Mapping[str, Any], entries: Sequence[LedgerEntry], today: str
) -> Iterator[Difference]:
    """Check the figures by day that tiers count, as far back as accounts keep them."""
    figures: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        figures["spend_by_day"][entry.business_day] += entry.spend_fen
        figures["orders_by_day"][entry.business_day] += entry.orders
        for name, moved in entry.figures.items():
            figures[name].update(moved)
        if entry.kind == "claw-back":
            figures["waived_by_day"][entry.business_day] += entry.waived
        if entry.kind in ("earn", "bonus", "claw-back"):
            figures["points_by_day"][entry.business_day] += entry.points
    # Two days of slack: stores in other zones are a day ahead or behind.
    oldest = (date.fromisoformat(today) - timedelta(days=MOST_DAYS - 3)).isoformat()
    for name, days in figures.items():
        found, expected = (
            {day: value for day, value in kept.items() if value and day >= oldest}
            for kept in (account.get(name, {}), days)
        )
        if expected != found:
            kind = name.replace("_", " ")
            yield Difference(kind=kind, id=account["_id"], expected=expected, found=found)


def _coupons_against_orders(books: Books, ledger: Ledger) -> Iterator[Difference]:
    using: dict[str, list[LedgerOrder]] = defaultdict(list)
    kept = {coupon["_id"] for coupon in books.coupons if not coupon.get("returns", True)}
    for order in ledger.orders.values():
        for coupon_id in order.used_coupons:
            gone = order.status == "refunded" and coupon_id not in kept
            if order.status != "cancelled" and not gone:
                using[coupon_id].append(order)
    held_by = {c["_id"]: c.get("order_id") for c in books.coupons if c["status"] in _HELD}
    for coupon in books.coupons:
        if coupon.get("till") and coupon["_id"] not in using:
            continue  # It was redeemed for an order that only the till knows.
        orders = using.pop(coupon["_id"], [])
        holder = ledger.orders.get(held_by.get(coupon["_id"]) or "")
        if any(ledger.under_way(order) for order in [*orders, *([holder] if holder else [])]):
            continue
        expected = [f"{_use(order)} {order.id}" for order in orders] or ["free"]
        held = coupon["status"] in _HELD
        found = f"{coupon['status']} {coupon.get('order_id')}" if held else "free"
        if expected != [found]:
            yield Difference(kind="coupon", id=coupon["_id"], expected=expected, found=found)
    for coupon_id, orders in using.items():
        ids = [order.id for order in orders]
        yield Difference(kind="coupon", id=coupon_id, expected=ids, found=None)


def _use(order: LedgerOrder) -> str:
    return "locked" if order.status in UNPAID else "redeemed"


def _money_against_orders(books: Books, ledger: Ledger) -> Iterator[Difference]:
    taken: Counter[str] = Counter()
    for payment in books.payments:
        if payment["status"] == "success":
            taken[payment["order_id"]] += payment["amount_fen"]
    given: Counter[str] = Counter()
    refunded_attempts = set()
    for refund in books.refunds:
        if refund["status"] != "closed":
            refunded_attempts.add(refund.get("out_trade_no"))
        if refund["status"] == "success" and not refund["_id"].startswith(_SURPLUS):
            given[refund["order_id"]] += refund["amount_fen"] if refund.get("out_trade_no") else 0
    for order in ledger.orders.values():
        ours = order.origin == "live"  # Our books don't have what was paid at a till.
        expected = order.payable_fen if ours and order.status in SETTLED_STATES else 0
        if taken[order.id] != expected:
            yield Difference(kind="payment", id=order.id, expected=expected, found=taken[order.id])
        owed = sum(back.amount_fen for back in order.refunds) if ours else 0
        if given[order.id] != owed:
            yield Difference(kind="refund", id=order.id, expected=owed, found=given[order.id])
    for money in (*books.payments, *books.refunds):
        if money["order_id"] not in ledger.orders:
            yield Difference(
                kind="money without order", id=money["_id"], expected=None, found=money["order_id"]
            )
    for payment in books.payments:
        if payment["status"] == "surplus" and payment["_id"] not in refunded_attempts:
            yield Difference(
                kind="surplus payment", id=payment["_id"], expected="refund", found=None
            )


def _shares_against_orders(books: Books, ledger: Ledger) -> Iterator[Difference]:
    """Check paid = fee + shares + kept of each order, and paid and refunded against the order."""
    shared = {share["_id"]: share for share in books.shares}
    # Orders paid before we stored shares: their payments name no merchant.
    old = {payment["order_id"] for payment in books.payments if "merchant" not in payment}
    for share in books.shares:
        rest = share["paid_fen"] - share["refunded_fen"]
        divided = share["fee_fen"] + shared_out(share) + share["kept_fen"]
        if divided != rest:
            yield Difference(kind="share", id=share["_id"], expected=rest, found=divided)
    for order in ledger.orders.values():
        own = [shared.pop(order.id)] if order.id in shared else []
        paid = order.origin == "live" and order.status in SETTLED_STATES and order.payable_fen > 0
        given = sum(back.amount_fen for back in order.refunds)
        expected = [order.payable_fen, given] if paid else None
        found = next(([share["paid_fen"], share["refunded_fen"]] for share in own), None)
        if expected != found and (own or order.id not in old):
            yield Difference(kind="share of order", id=order.id, expected=expected, found=found)
    for order_id in shared:
        yield Difference(kind="share without order", id=order_id, expected=None, found="share")


def shared_out(share: dict[str, Any]) -> int:
    """Return the fen of one order that its receivers have now."""
    return sum(part["amount_fen"] - part["returned_fen"] for part in share.get("parts", ()))


def totals(books: Books) -> Totals:
    """Return the sums of a page."""
    points = points_sums((entry["kind"], entry["points"]) for entry in books.entries)
    status = Counter(order["status"] for order in books.orders)
    levels = Counter(account.get("tier", {}).get("level", "basic") for account in books.accounts)
    kept = [order for order in books.orders if order["status"] in ("refunding", *SERVED)]
    return Totals(
        members=len(books.accounts),
        orders=len(books.orders),
        orders_paid=sum(status[name] for name in SETTLED_STATES),
        orders_refunded=status["refunded"],
        orders_under_way=sum(order.get("settlement") == "due" for order in books.orders),
        revenue_fen=sum(
            order["payable_fen"] - sum(back["amount_fen"] for back in order.get("refunds", ()))
            for order in kept
        ),
        fees_fen=sum(share["fee_fen"] for share in books.shares),
        shared_fen=sum(shared_out(share) for share in books.shares),
        kept_fen=sum(share["kept_fen"] for share in books.shares),
        points_issued=points["issued"],
        points_clawed_back=points["clawed_back"],
        points_used=points["used"],
        points_expired=points["expired"],
        points_taken=points["taken"],
        points_outstanding=points["outstanding"],
        points_owed=sum(account.get("debt", 0) for account in books.accounts),
        coupons_issued=len(books.coupons),
        coupons_redeemed=sum(coupon["status"] == "redeemed" for coupon in books.coupons),
        tiers=dict(levels),
    )
