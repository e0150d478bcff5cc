"""Every query on `payments` and `refunds`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.payments.models import Payment, PaymentStatus, Refund
from huitou.runtime.database import Database

MOST_ATTEMPTS = 20


class PaymentRepository:
    def __init__(self, database: Database) -> None:
        self._payments = database.collection("payments")
        self._refunds = database.collection("refunds")

    def find(self, out_trade_no: str) -> Payment | None:
        found = self._payments.find_one({"_id": out_trade_no})
        return Payment.model_validate(found) if found else None

    def attempts(self, order_id: str) -> list[Payment]:
        """Every attempt to pay an order, first to last."""
        found = self._payments.find({"order_id": order_id}).sort("attempt", 1).limit(MOST_ATTEMPTS)
        return [Payment.model_validate(document) for document in found]

    def paid_by(self, order_id: str, session: ClientSession) -> str | None:
        """The attempt that paid an order."""
        found = self._payments.find_one(
            {"order_id": order_id, "status": "success"}, {"_id": 1}, session=session
        )
        return str(found["_id"]) if found else None

    def insert(self, payment: Payment) -> bool:
        """Open an attempt; False if another is open: of two at once one meets the unique index."""
        try:
            self._payments.insert_one(payment.document())
        except DuplicateKeyError:
            return False
        return True

    def keep_prepay_id(self, out_trade_no: str, prepay_id: str) -> None:
        self._payments.update_one({"_id": out_trade_no}, {"$set": {"prepay_id": prepay_id}})

    def close(self, out_trade_no: str) -> bool:
        """Mark an attempt closed, which WeChat Pay has confirmed; False if it was paid."""
        closed = self._payments.update_one(
            {"_id": out_trade_no, "status": "open"}, {"$set": {"status": "closed"}}
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
        """Record that money came, once: repeated callbacks find the attempt already decided."""
        taken = self._payments.update_one(
            {"_id": out_trade_no, "status": {"$in": ["open", "closed"]}},
            {"$set": {
                "status": status, "transaction_id": transaction_id, "success_at": success_at,
            }},
            session=session,
        )  # fmt: skip
        return taken.matched_count == 1

    def insert_refund(self, refund: Refund, session: ClientSession) -> None:
        self._refunds.insert_one(refund.document(), session=session)

    def refund(self, refund_id: str) -> Refund | None:
        found = self._refunds.find_one({"_id": refund_id})
        return Refund.model_validate(found) if found else None

    def step_refund(
        self,
        refund_id: str,
        before: list[str],
        after: str,
        session: ClientSession | None = None,
        **changes: Any,
    ) -> bool:
        """Move a refund on; False unless it stands in one of the states before."""
        moved = self._refunds.update_one(
            {"_id": refund_id, "status": {"$in": before}},
            {"$set": {"status": after, **changes}},
            session=session,
        )
        return moved.matched_count == 1

    def refunds_open(self) -> Iterator[str]:
        """Refunds whose end is not known yet; an abnormal one may still be mended by hand."""
        found = self._refunds.find(
            {"status": {"$in": ["requested", "processing", "abnormal"]}}, {"_id": 1}
        ).sort("_id", 1)
        yield from (refund["_id"] for refund in found)
