"""Let a chain that takes money come to rest, and prove that every book agrees with every other.

The predictions here are pencil and paper: their arithmetic is their own, from what the guests
paid and what came back at WeChat Pay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from chain_data import NOON
from crashing import CrashingShop
from huitou.operations.reconciliation.service import Reconciliation
from huitou.runtime.errors import Refusal, Unavailable
from paying import PayingShop
from sharing_stores import clear

Document = dict[str, Any]

MOST_ROUNDS = 40
PAID = {
    "paid", "accepted", "preparing", "ready", "delivering", "picked_up", "completed", "refunding",
    "refunded",
}  # fmt: skip
UNDER_WAY = ("requested", "processing", "abnormal")


class Books:
    """All documents about money, by id, as they are now."""

    def __init__(self, shop: PayingShop) -> None:
        def read(name: str) -> dict[str, Document]:
            return {found["_id"]: found for found in shop.database.collection(name).find({})}

        self.wechat = shop.wechat
        self.orders, self.payments, self.refunds = read("orders"), read("payments"), read("refunds")
        self.shares, self.accounts, self.coupons = read("shares"), read("accounts"), read("coupons")
        self.discrepancies = read("discrepancies")

    def noted(self, kind: str, reference: str, *statuses: str) -> bool:
        return any(
            (found["kind"], found["reference"]) == (kind, reference)
            and found["status"] in (statuses or ("open", "resolved"))
            for found in self.discrepancies.values()
        )

    def surplus_kept(self) -> list[Document]:
        """Surplus payments whose refund WeChat Pay closed: a person has to give them back."""
        return [
            self.payments[refund["out_trade_no"]]
            for refund in self.refunds.values()
            if refund["kind"] == "surplus" and refund["status"] == "closed"
        ]


def come_to_rest(shop: PayingShop) -> Books:
    """Let every timer do its work, on good days, until nothing is left to do."""
    shop.wechat.mode.reset()
    for number in range(MOST_ROUNDS):
        shop.clock.advance(minutes=20 if number % 4 == 1 else 1.5)
        mend(shop)
        tell(shop)
        refused = [what for name in shop.work() for what in sweep(shop, name)]
        shop.let_happen()
        books = Books(shop)
        if not refused and not list(unfinished(books)):
            break
    assert refused == []
    assert list(unfinished(books)) == []
    return books


def right_wherever_it_dies(shop: CrashingShop, prepare: Callable[[], Callable[[], object]]) -> int:
    """Prepare some work anew for each of its steps, die there, and see that all comes right.

    Nobody does the work again; what has begun is left to timers. Returns how many steps it has.
    """
    number = 0
    while True:
        clear(shop, NOON)
        work = prepare()
        died = shop.crashes(number + 1, work)
        everything_is_right(shop, come_to_rest(shop))
        if not died:
            return number
        number += 1


def mend(shop: PayingShop) -> None:
    """Do what an operator does at WeChat Pay's console about refunds that ended abnormally."""
    for refund in shop.database.collection("refunds").find({}):
        known = shop.wechat.ledger.refund(refund["_id"])
        if known and known["status"] == "ABNORMAL":
            shop.wechat.mend_refund(refund["_id"])


def tell(shop: PayingShop) -> None:
    """Repeat the notices of money for closed attempts, as WeChat Pay does for a day.

    Nobody asks about an attempt that WeChat Pay itself has closed; were all of its notices lost,
    the day's bill would tell.
    """
    for payment in shop.database.collection("payments").find({}):
        if payment["status"] != "closed":
            continue
        known = shop.wechat.find(out_trade_no=payment["_id"])
        if known and known["transaction_id"]:
            shop.wechat.notify_paid(payment["_id"])


def sweep(shop: PayingShop, name: str) -> list[str]:
    """Do what one timer does, as the platform has it do it; returns what it was refused."""
    refused = []
    due, carry_on = shop.work()[name]
    for document_id in list(due()):
        try:
            carry_on(document_id)
        except Unavailable:
            pass  # The timer comes again.
        except Refusal as error:
            refused.append(f"{name} {document_id}: {error.code.name} {error.field} {error.detail}")
    return refused


def unfinished(books: Books) -> Iterator[str]:
    """Say what is still on its way, though nobody has anything left to do about it."""
    for key, order in books.orders.items():
        if order["status"] in ("created", "paying", "closing"):
            yield f"order {key} is {order['status']}"
        if order.get("settlement") == "due":
            yield f"order {key} is to be settled"
        pending = [back["refund_id"] for back in order.get("refunding", ())]
        if (order["status"] == "refunding" or order.get("refund_status") == "refunding") and (
            not pending
        ):
            yield f"order {key} is refunding nothing"
        for refund_id in pending:
            if books.refunds[refund_id]["status"] not in UNDER_WAY:
                yield f"order {key} waits for {refund_id}"
    for key, payment in books.payments.items():
        if payment["status"] == "open":
            yield f"payment {key} is open"
    for key, refund in books.refunds.items():
        if refund["status"] in UNDER_WAY and not _has_no_money(books, refund):
            yield f"refund {key} is {refund['status']}"
    for key, share in books.shares.items():
        if share["status"] in ("planned", "asked") or share.get("look_at"):
            yield f"share {key} is {share['status']}"
        for back in share.get("returns", ()):
            if back["status"] == "processing":
                yield f"return {back['out_return_no']} of {key} is under way"


def _has_no_money(books: Books, refund: Document) -> bool:
    """Whether a refund waits for money that a receiver didn't give back; people know of it."""
    returns = books.shares.get(refund["order_id"], {}).get("returns", ())
    return (
        refund["status"] == "requested"
        and any(back["status"] == "failed" for back in returns)
        and books.noted("refund refused", refund["_id"], "open")
    )


def everything_is_right(shop: PayingShop, books: Books) -> None:
    """Check every promise about money at rest."""
    _the_books_agree(shop, books)
    for order in books.orders.values():
        _order_is_right(books, order)
    for share in books.shares.values():
        _share_is_right(books, share)
    for account in books.accounts.values():
        expected = points_of(books, account["_id"])
        assert (account["available"], account["reserved"]) == (expected, 0), account["_id"]
    _coupons_are_right(books)
    _numbers_are_unique(books)
    _people_know(books)


def _the_books_agree(shop: PayingShop, books: Books) -> None:
    kept = books.surplus_kept()
    if not kept:
        shop.everything_agrees()
        return
    # Nobody but a person can give these back: the books say so, and differ by them alone.
    page = Reconciliation(shop.database, shop.clock).reconcile_page(None, 1_000)
    found = sorted((row.kind, row.id) for row in page["differences"])
    assert found == sorted(("surplus payment", payment["_id"]) for payment in kept)
    totals, vendor = page["totals"], shop.wechat.books()
    surplus = [shop.wechat.book_of(payment["_id"]) for payment in kept]
    taken_fen = sum(book["taken_fen"] for book in surplus)
    fees_fen = sum(book["fees_fen"] for book in surplus)
    assert totals.revenue_fen + taken_fen == vendor["taken_fen"] - vendor["refunded_fen"]
    assert totals.fees_fen + fees_fen == vendor["fees_fen"]
    assert totals.shared_fen == vendor["shared_fen"]


def paid_and_back(books: Books, order: Document) -> tuple[int, int]:
    """Return what WeChat Pay took for an order and what it gave back, surplus money left out."""
    taken_fen = back_fen = 0
    for key, payment in books.payments.items():
        if payment["order_id"] != order["_id"] or not books.wechat.find(out_trade_no=key):
            continue
        book = books.wechat.book_of(key)
        assert book["refunded_fen"] <= book["taken_fen"], key
        if payment["status"] == "surplus":
            continue
        taken_fen += book["taken_fen"]
        back_fen += book["refunded_fen"]
    return taken_fen, back_fen


def _order_is_right(books: Books, order: Document) -> None:
    taken_fen, back_fen = paid_and_back(books, order)
    paid_fen = order["payable_fen"] if order["status"] in PAID else 0
    assert taken_fen == paid_fen, order["_id"]
    given_fen = sum(back["amount_fen"] for back in order.get("refunds", ()))
    going_fen = sum(back["amount_fen"] for back in order.get("refunding", ()))
    assert given_fen == back_fen, order["_id"]
    assert given_fen + going_fen <= paid_fen, order["_id"]
    if order["status"] in ("refunding", "refunded"):
        assert given_fen + going_fen == paid_fen, order["_id"]
        assert bool(order.get("refunding")) == (order["status"] == "refunding"), order["_id"]
    elif paid_fen:
        assert given_fen + going_fen < paid_fen, order["_id"]
    sold = [line["quantity"] for line in order["lines"]]
    for back in (*order.get("refunds", ()), *order.get("refunding", ())):
        for line in back["lines"]:
            sold[line["line"]] -= line["quantity"]
    assert min(sold) >= 0, order["_id"]


def _share_is_right(books: Books, share: Document) -> None:
    key, book = share["_id"], books.wechat.book_of(share["out_trade_no"])
    parts = share.get("parts", ())
    held: Counter[str] = Counter()
    for part in parts:
        held[part["account"]] += part["amount_fen"] - part["returned_fen"]
        assert 0 <= part["returned_fen"] <= part["amount_fen"], key
    rest_fen = share["paid_fen"] - share["refunded_fen"]
    assert rest_fen == share["fee_fen"] + sum(held.values()) + share["kept_fen"], key
    assert share["paid_fen"] == book["taken_fen"], key
    assert share["refunded_fen"] == book["refunded_fen"], key
    assert share["fee_fen"] == book["fees_fen"], key
    assert +held == +Counter(book["receivers"]), key
    assert sum(part["returned_fen"] for part in parts) == book["returned_fen"], key
    waiting = {back["refund_id"] for back in books.orders[key].get("refunding", ())}
    assert {h["refund_id"] for h in share.get("held", ())} == waiting, key
    # Nothing stays frozen but nothing: what was all refunded before anybody got a share.
    assert not book["frozen"] or rest_fen == 0, key
    if share["kept_fen"] < 0:
        assert any(back["status"] == "failed" for back in share["returns"]), key


def points_of(books: Books, member_id: str) -> int:
    """Return what a member must have: a point per whole yuan that stayed, less points used.

    Of those used the part that was paid with money and went back has come back, rounded down.
    """
    points = 0
    for order in books.orders.values():
        if order["member_id"] != member_id or order["status"] not in PAID:
            continue
        taken_fen, back_fen = paid_and_back(books, order)
        points += (taken_fen - back_fen) // 100
        used = order["points_used"]
        if taken_fen:
            used -= used * back_fen // taken_fen
        elif order["status"] == "refunded":
            used = 0
        points -= used
    return points


def _coupons_are_right(books: Books) -> None:
    used = {
        order["coupon_id"]: order["_id"]
        for order in books.orders.values()
        if order.get("coupon_id") and order["status"] in PAID - {"refunded"}
    }
    for key, coupon in books.coupons.items():
        status = "redeemed" if key in used else "issued"
        assert (coupon["status"], coupon.get("order_id")) == (status, used.get(key)), key


def _numbers_are_unique(books: Books) -> None:
    called: dict[tuple[str, str], list[int]] = defaultdict(list)
    for order in books.orders.values():
        if order["status"] in PAID:
            called[order["store_id"], order["business_day"]].append(order["pickup_number"])
    for numbers in called.values():
        assert len(set(numbers)) == len(numbers)
        assert min(numbers) > 0


def _people_know(books: Books) -> None:
    """Whatever a person has to look at is noted, and nothing that has gone by itself still is."""
    for key, refund in books.refunds.items():
        if refund["status"] == "closed":
            assert books.noted("refund closed", key), key
        if refund["status"] == "success":
            for kind in ("refund refused", "refund abnormal"):
                assert not books.noted(kind, key, "open"), (kind, key)
    for key, share in books.shares.items():
        if share["status"] == "failed":
            assert books.noted("share failed", key), key
        elif any(part["status"] == "closed" for part in share.get("parts", ())):
            assert books.noted("share part closed", key), key
        if any(back["status"] == "failed" for back in share.get("returns", ())):
            assert books.noted("share return failed", key), key
