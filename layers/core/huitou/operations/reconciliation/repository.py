"""Reading the books of a range of members in one snapshot."""

from __future__ import annotations

from typing import Any

from pymongo.client_session import ClientSession

from huitou.operations.reconciliation.models import Books
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.runtime.database import Database, Document

_SHARE_FIELDS = {"paid_fen": 1, "refunded_fen": 1, "fee_fen": 1, "parts": 1, "kept_fen": 1}

_COUPON_FIELDS = dict.fromkeys(("member_id", "status", "order_id", "returns", "till"), 1)


class BooksRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of_range(self, after: str | None, limit: int) -> Books:
        """Read the books of the next `limit` members in one snapshot session.

        Without a snapshot we might read an order before its settlement and its entry after it, and
        report a difference that doesn't exist.
        """
        with self._database.client.start_session(snapshot=True) as session:
            accounts = list(
                self._database.collection("accounts")
                .find({"_id": {"$gt": after or ""}}, session=session)
                .sort("_id", 1)
                .limit(limit)
            )
            # The range ends at the last account; the last page has no end. So documents of members
            # without an account belong to a range too.
            upper = {"$lte": accounts[-1]["_id"]} if len(accounts) == limit else {}
            members = {"member_id": {"$gt": after or "", **upper}}

            def read(collection: str, fields: dict[str, Any]) -> list[Document]:
                return self._read(collection, members, fields, session)

            entries, orders = read("points_entries", {}), read("orders", LedgerOrder.projection())
            # The entries of an order from before a merge stay with the member who placed it.
            moved = [order["_id"] for order in orders if "placed_by" in order]
            own = {order["_id"] for order in orders}
            away = {e["order_id"] for e in entries if e.get("order_id") is not None} - own
            of_moved = {"order_id": {"$in": moved}}
            there = {entry["_id"] for entry in entries}
            return Books(
                accounts=accounts,
                entries=entries,
                entries_elsewhere=[
                    entry
                    for entry in self._read("points_entries", of_moved, {}, session)
                    if entry["_id"] not in there
                ],
                orders=orders,
                orders_elsewhere={
                    order["_id"]
                    for order in self._read(
                        "orders", {"_id": {"$in": sorted(away)}}, {"_id": 1}, session
                    )
                },
                coupons=read("coupons", _COUPON_FIELDS),
                payments=read(
                    "payments", {"order_id": 1, "status": 1, "amount_fen": 1, "merchant": 1}
                ),
                refunds=read(
                    "refunds", {"order_id": 1, "out_trade_no": 1, "status": 1, "amount_fen": 1}
                ),
                shares=read("shares", _SHARE_FIELDS),
                holds=read("points_holds", {}),
            )

    def _read(
        self, collection: str, where: Document, fields: dict[str, Any], session: ClientSession
    ) -> list[Document]:
        return list(self._database.collection(collection).find(where, fields, session=session))
