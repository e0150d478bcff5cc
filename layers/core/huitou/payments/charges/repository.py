"""Every query on `payments`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pymongo.client_session import ClientSession

from huitou.payments.charges.models import Payment, PaymentStatus
from huitou.payments.charges.rules import order_of
from huitou.runtime.database import Database, Document

MOST_ATTEMPTS = 20
UNANSWERED_AT_ONCE = 5_000


class PaymentRepository:
    def __init__(self, database: Database) -> None:
        self._payments = database.collection("payments")

    def find(self, out_trade_no: str) -> Payment | None:
        found = self._payments.find_one(_attempt(out_trade_no))
        return Payment.model_validate(found) if found else None

    def attempts(self, order_id: str) -> list[Payment]:
        """Every attempt to pay an order, first to last."""
        found = self._payments.find({"order_id": order_id}).sort("attempt", 1).limit(MOST_ATTEMPTS)
        return [Payment.model_validate(document) for document in found]

    def insert(self, payment: Payment, session: ClientSession) -> None:
        """Open an attempt; DuplicateKeyError if another is open.

        If two calls open one at once, the unique index refuses the second.
        """
        self._payments.insert_one(payment.document(), session=session)

    def keep_prepay_id(self, out_trade_no: str, prepay_id: str) -> bool:
        """Store what WeChat Pay calls the attempt; False if it was closed in the meantime."""
        still_open = {**_attempt(out_trade_no), "status": "open"}
        kept = self._payments.update_one(still_open, {"$set": {"prepay_id": prepay_id}})
        return kept.matched_count == 1

    def ask_again(self, out_trade_no: str, at: datetime) -> None:
        """Set when WeChat Pay is asked next; does nothing if the attempt is no longer open."""
        still_open = {**_attempt(out_trade_no), "status": "open"}
        self._payments.update_one(still_open, {"$set": {"ask_at": at}})

    def unanswered(self, at: datetime) -> Iterator[str]:
        """Open attempts whose time to ask WeChat Pay has come, because no notice came."""
        found = (
            self._payments.find({"ask_at": {"$lte": at}}, {"_id": 1})
            .sort("ask_at", 1)
            .limit(UNANSWERED_AT_ONCE)
        )
        yield from (payment["_id"] for payment in found)

    def close(self, out_trade_no: str) -> bool:
        """Mark an attempt closed, after WeChat Pay has confirmed it; False if it isn't open."""
        closed = self._payments.update_one(
            {**_attempt(out_trade_no), "status": "open"},
            {"$set": {"status": "closed"}, "$unset": {"ask_at": ""}},
        )
        return closed.matched_count == 1

    def take_money(
        self,
        out_trade_no: str,
        status: PaymentStatus,
        transaction_id: str,
        success_at: datetime,
        session: ClientSession,
    ) -> bool:
        """Record that money came; True for the first call only.

        Repeated callbacks find the attempt already decided and change nothing.
        """
        taken = self._payments.update_one(
            {**_attempt(out_trade_no), "status": {"$in": ["open", "closed"]}},
            {
                "$set": {
                    "status": status,
                    "transaction_id": transaction_id,
                    "success_at": success_at,
                },
                "$unset": {"ask_at": ""},
            },
            session=session,
        )
        return taken.matched_count == 1


def _attempt(out_trade_no: str) -> Document:
    """Return the filter for one attempt; with its order, by which attempts are spread to shards."""
    return {"_id": out_trade_no, "order_id": order_of(out_trade_no)}
