"""Writing many members' history, and reading the books of a range of members in one snapshot."""

from __future__ import annotations

from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.orders.models import LEDGER_FIELDS
from huitou.points.models import LedgerEntry
from huitou.runtime.database import Database, Document
from huitou.settlement.models import AccountMove, Books, OpenAccount

_ENTRY_FIELDS = {"member_id": 1, "kind": 1, "points": 1, "spend_fen": 1, "business_day": 1,
                 "order_id": 1}  # fmt: skip

_SHARE_FIELDS = {"paid_fen": 1, "refunded_fen": 1, "fee_fen": 1, "parts": 1, "kept_fen": 1}


class HistoryRepository:
    """Entries and accounts of many members in a few writes, inside the importer's transaction."""

    def __init__(self, database: Database) -> None:
        self._entries = database.collection("points_entries")
        self._accounts = database.collection("accounts")
        self._changes = database.collection("tier_changes")

    def accounts(self, member_ids: list[str], session: ClientSession) -> list[OpenAccount]:
        fields = dict.fromkeys(OpenAccount.model_fields, 1)
        found = self._accounts.find({"_id": {"$in": member_ids}}, fields, session=session)
        return [OpenAccount.model_validate(document) for document in found]

    def append(
        self, entries: list[LedgerEntry], moves: list[AccountMove], session: ClientSession
    ) -> None:
        """Append the entries and move the accounts by them.

        The whole of `spend_by_day` is set: an order settled since the accounts were read in this
        snapshot makes the write conflict, and the transaction runs again on what is there then.
        """
        self._entries.insert_many([entry.document() for entry in entries], session=session)
        self._accounts.bulk_write([_update(move) for move in moves], session=session)
        changes = [move.tier_change.document() for move in moves if move.tier_change]
        if changes:
            self._changes.insert_many(changes, session=session)


def _update(move: AccountMove) -> UpdateOne:
    update: Document = {
        "$inc": {"available": move.available, "version": 1},
        "$set": move.changes,
    }
    if move.review_on is None:
        update["$unset"] = {"review_on": ""}
    else:
        update["$set"] = move.changes | {"review_on": move.review_on}
    return UpdateOne({"_id": move.member_id}, update)


class BooksRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of_range(self, after: str | None, limit: int) -> Books:
        """Read the next `limit` members' books in one snapshot session.

        Plain reads under traffic see an order before and its entry after a settlement, and
        report differences that aren't there.
        """
        with self._database.client.start_session(snapshot=True) as session:
            accounts = list(
                self._database.collection("accounts")
                .find({"_id": {"$gt": after or ""}}, session=session)
                .sort("_id", 1)
                .limit(limit)
            )
            # Up to the last account, or to the very end: documents of members who have no
            # account fall into some range too.
            upper = {"$lte": accounts[-1]["_id"]} if len(accounts) == limit else {}
            members = {"member_id": {"$gt": after or "", **upper}}

            def read(collection: str, fields: dict[str, Any]) -> list[Document]:
                return self._read(collection, members, fields, session)

            return Books(
                accounts=accounts,
                entries=read("points_entries", _ENTRY_FIELDS),
                orders=read("orders", LEDGER_FIELDS),
                coupons=read("coupons", {"member_id": 1, "status": 1, "order_id": 1}),
                payments=read(
                    "payments", {"order_id": 1, "status": 1, "amount_fen": 1, "merchant": 1}
                ),
                refunds=read(
                    "refunds", {"order_id": 1, "out_trade_no": 1, "status": 1, "amount_fen": 1}
                ),
                shares=read("shares", _SHARE_FIELDS),
            )

    def _read(
        self, collection: str, where: Document, fields: dict[str, Any], session: ClientSession
    ) -> list[Document]:
        return list(self._database.collection(collection).find(where, fields, session=session))
