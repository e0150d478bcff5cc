"""Paying, closing and refunding orders with WeChat Pay: nothing paid twice, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.integrations.wechat_pay import WeChatPay, WeChatPayRefusal
from huitou.members.service import Members
from huitou.orders.models import Order, Tender
from huitou.orders.rules import SETTLED_STATES, UNPAID
from huitou.orders.service import Orders
from huitou.payments.models import Payment, PaymentStatus, Refund, RefundNotice, TransactionNotice
from huitou.payments.repository import PaymentRepository
from huitou.payments.rules import NotificationKeys, mismatch, out_trade_no, verify_and_decrypt
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError, Refusal, Unavailable
from huitou.runtime.identity import Caller
from huitou.runtime.logs import log

_GONE = {"ORDER_CLOSED", "ORDERCLOSED"}
_PAID = {"ORDERPAID", "ORDER_PAID"}
_REFUND_OPEN = ["requested", "processing", "abnormal"]


class Payments:
    def __init__(self, database: Database, clock: Clock, brand_id: str, gateway: WeChatPay) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway
        self._payments = PaymentRepository(database)
        self._orders = Orders(database, clock, brand_id)
        self._members = Members(database, clock, brand_id)

    def prepay(self, member_id: str, caller: Caller, order_id: str) -> dict[str, Any]:
        """Start paying an order; returns what `wx.requestPayment` takes, or that it is paid.

        Safe to repeat: the open attempt is used again. An order of 0 fen is paid at once.
        """
        order = self._orders.own(member_id, order_id)
        if order.status in SETTLED_STATES:
            return {"status": order.status}
        until = order.expires_at
        if order.status not in ("created", "paying") or not until or self._clock.now() >= until:
            raise Refusal(Code.ORDER_NOT_PAYABLE, field="order_id", detail=order.status)
        if order.payable_fen == 0:
            free = Tender(kind="none", amount_fen=0)
            terms = self._orders.terms_now(member_id)
            self._orders.mark_paid(order, free, terms, self._clock.now())
            return {"status": self._orders.own(member_id, order_id).status}
        attempt = self._open_attempt(order, until)
        prepay_id = attempt.prepay_id or self._prepay_at_wechat(attempt, order, caller)
        # Closing may have begun meanwhile: then nobody must be handed the means to pay.
        if not self._orders.begin_paying(order):
            raise Refusal(Code.ORDER_NOT_PAYABLE, field="order_id", detail="closing")
        return {"status": "paying", "payment": self._gateway.client_parameters(prepay_id)}

    def _open_attempt(self, order: Order, until: datetime) -> Payment:
        attempts = self._payments.attempts(order.id)
        open_ones = [attempt for attempt in attempts if attempt.status == "open"]
        if open_ones:
            return open_ones[0]
        number = len(attempts) + 1
        attempt = Payment(
            id=out_trade_no(order.id, number),
            order_id=order.id,
            member_id=order.member_id,
            attempt=number,
            amount_fen=order.payable_fen,
            expires_at=until,
            created_at=self._clock.now(),
        )
        if self._payments.insert(attempt):
            return attempt
        raise Unavailable  # Another call opened this attempt just now: it is found next time.

    def _prepay_at_wechat(self, attempt: Payment, order: Order, caller: Caller) -> str:
        try:
            prepay_id = self._gateway.prepay(
                out_trade_no=attempt.id,
                description=order.lines[0].name[:40],
                amount_fen=attempt.amount_fen,
                openid=caller.openid,
                expires_at=attempt.expires_at,
            )
        except WeChatPayRefusal as refused:
            if refused.reason in _GONE:
                self._payments.close(attempt.id)  # The next call opens another attempt.
                raise Unavailable from refused
            raise
        self._payments.keep_prepay_id(attempt.id, prepay_id)
        return prepay_id

    def notification(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Take one callback: verified, compared with our own papers, and settled once.

        `now` is real epoch seconds. Raises Refusal for what isn't WeChat Pay's or doesn't fit.
        """
        settings = self._gateway.settings
        keys = NotificationKeys(settings.platform_keys, settings.api_v3_key)
        event = verify_and_decrypt(headers, body, keys, now)
        try:
            if event["event_type"].startswith("REFUND."):
                resource = event["resource"]
                notice = RefundNotice.model_validate(
                    resource | {"status": resource.get("refund_status")}
                )
                return self._accept_refund(notice)
            return self._accept(TransactionNotice.model_validate(event["resource"]))
        except ValidationError as error:
            raise Refusal(
                Code.NOTIFICATION_MISMATCH, field="resource", detail="resource"
            ) from error

    def _accept(self, notice: TransactionNotice) -> str:
        """Settle a genuine payment notice; the same transaction again changes nothing."""
        payment = self._payments.find(notice.out_trade_no)
        if payment is None:
            raise self._alarm(notice.out_trade_no, "out_trade_no")
        if notice.trade_state != "SUCCESS":
            return "not paid"
        settings = self._gateway.settings
        wrong = mismatch(notice, payment, settings.appid, settings.mchid)
        if wrong is None and not self._is_payer(notice, payment.member_id):
            wrong = "payer.openid"
        if wrong is None and payment.transaction_id not in (None, notice.transaction_id):
            wrong = "transaction_id"
        if wrong is not None:
            raise self._alarm(payment.id, wrong)
        if payment.transaction_id is not None:
            return "repeated"
        return self._take_money(payment, notice)

    def _take_money(self, payment: Payment, notice: TransactionNotice) -> str:
        order = self._orders.own(payment.member_id, payment.order_id)
        terms = self._orders.terms_now(payment.member_id)
        transaction_id, paid_at = notice.transaction_id or "", notice.success_time
        if paid_at is None:
            raise self._alarm(payment.id, "success_time")
        tender = Tender(
            kind="wechat_pay", amount_fen=payment.amount_fen, transaction_id=transaction_id
        )

        def write(session: ClientSession) -> str:
            first = self._orders.mark_paid(order, tender, terms, paid_at, session)
            # Money for an order that is paid by another attempt, or cancelled, goes back.
            status: PaymentStatus = "success" if first else "surplus"
            if not self._payments.take_money(payment.id, status, transaction_id, paid_at, session):
                session.abort_transaction()
                return "repeated"
            if not first:
                self._payments.insert_refund(self._surplus_refund(payment), session)
            return "paid" if first else "surplus"

        return self._database.transact(write)

    def _surplus_refund(self, payment: Payment) -> Refund:
        return Refund(
            id=f"surplus|{payment.id}",  # No refund_id of a caller can hold a bar.
            kind="surplus",
            order_id=payment.order_id,
            member_id=payment.member_id,
            out_trade_no=payment.id,
            amount_fen=payment.amount_fen,
            reason="重复支付退款",
            actor="pay",
            created_at=self._clock.now(),
        )

    def _is_payer(self, notice: TransactionNotice, member_id: str) -> bool:
        if notice.payer is None:
            return False
        try:
            return self._members.id_of(Caller(notice.payer.openid, notice.appid)) == member_id
        except Refusal:
            return False

    def _alarm(self, reference: str, field: str) -> Refusal:
        log("payment_mismatch", reference=reference, field=field)
        return Refusal(Code.NOTIFICATION_MISMATCH, field=field, detail=field)

    def status(self, member_id: str, order_id: str) -> dict[str, Any]:
        """Return the order's state; while it is being paid, ask WeChat Pay as well."""
        order = self._orders.own(member_id, order_id)
        if order.status == "paying":
            for attempt in self._payments.attempts(order_id):
                if attempt.status == "open" and self._seems_paid(attempt):
                    order = self._orders.own(member_id, order_id)
        return order.shown()

    def _seems_paid(self, attempt: Payment) -> bool:
        try:
            return self._paid_at_wechat(attempt)
        except Unavailable:
            return False  # The member still sees what we know; the timer asks again.

    def cancel(self, member_id: str, order_id: str) -> dict[str, Any]:
        """Cancel an unpaid order; if the money came first, the order is paid and says so."""
        order = self._orders.own(member_id, order_id)
        if order.status not in (*UNPAID, "cancelled"):
            raise Refusal(Code.ORDER_NOT_CANCELLABLE, field="order_id", detail=order.status)
        self._close(order)
        return self._orders.own(member_id, order_id).shown()

    def unpaid_due(self) -> Iterator[str]:
        return self._orders.unpaid_past(self._clock.now())

    def close_unpaid(self, order_id: str) -> str:
        """Close an order whose time is over: ask, close, and only then release what it held."""
        order = self._orders.get(order_id)
        return self._close(order) if order.status in UNPAID else order.status

    def _close(self, order: Order) -> str:
        if order.status == "cancelled":
            return "cancelled"
        if order.status != "closing":
            self._orders.begin_closing(order)
        for attempt in self._payments.attempts(order.id):
            if attempt.status == "open" and self._paid_or_closed(attempt) == "paid":
                return "paid"
        return "cancelled" if self._orders.cancel(order) else self._orders.get(order.id).status

    def _paid_or_closed(self, attempt: Payment) -> str:
        if self._paid_at_wechat(attempt):
            return "paid"
        try:
            self._gateway.close(attempt.id)
        except WeChatPayRefusal as refused:
            if refused.reason in _PAID and self._paid_at_wechat(attempt):
                return "paid"
            if not refused.not_there and refused.reason not in _GONE:
                raise Unavailable from refused  # Not confirmed: nothing may be released.
        self._payments.close(attempt.id)
        return "closed"

    def _paid_at_wechat(self, attempt: Payment) -> bool:
        """Ask WeChat Pay about an attempt and settle it if it was paid."""
        found = self._gateway.query(attempt.id)
        if found is None:
            return False
        state = found.get("trade_state")
        if state == "CLOSED":
            self._payments.close(attempt.id)
        if state == "REFUND":  # Paid and given back behind our back: a person must look.
            raise self._alarm(attempt.id, "trade_state")
        if state != "SUCCESS":
            return False
        return self._accept(TransactionNotice.model_validate(found)) in ("paid", "repeated")

    def refund(self, order_id: str, refund_id: str, reason: str, actor: str) -> dict[str, Any]:
        """Refund a whole paid order; the same refund_id again returns the same refund.

        Another refund_id takes over once WeChat Pay has closed the first one for good.
        """
        order = self._orders.get(order_id)
        if order.origin == "import":  # Its money is not at WeChat Pay: the till gives it back.
            raise Refusal(Code.ORDER_NOT_REFUNDABLE, field="order_id", detail="import")
        if order.refund_id != refund_id:
            self._begin_refund(order, refund_id, reason, actor)
        self.carry_on_refund(refund_id)
        return self._orders.get(order_id).shown()

    def _begin_refund(self, order: Order, refund_id: str, reason: str, actor: str) -> None:
        def write(session: ClientSession) -> bool:
            if not self._orders.begin_refund(order, refund_id, session):
                return False
            # Read here: a callback may have paid the order since it was read above.
            paid_by = self._payments.paid_by(order.id, session)
            if order.payable_fen and paid_by is None:
                raise HuitouError(Code.INTERNAL)
            refund = Refund(
                id=refund_id,
                kind="order",
                order_id=order.id,
                member_id=order.member_id,
                out_trade_no=paid_by,
                amount_fen=order.payable_fen,
                reason=reason,
                actor=actor,
                created_at=self._clock.now(),
            )
            self._payments.insert_refund(refund, session)
            return True

        try:
            begun = self._database.transact(write)
        except DuplicateKeyError:
            raise Refusal(Code.REFUND_ID_REUSED, field="refund_id") from None
        now = self._orders.get(order.id)
        if not begun and now.refund_id != refund_id:
            raise Refusal(Code.ORDER_NOT_REFUNDABLE, field="order_id", detail=now.status)

    def refunds_due(self) -> Iterator[str]:
        return self._payments.refunds_open()

    def carry_on_refund(self, refund_id: str) -> str:
        """Bring a refund one step on: ask for it, or ask what has become of it."""
        refund = self._payments.refund(refund_id)
        if refund is None:
            raise Refusal(Code.NOT_FOUND, field="refund_id", detail="refund")
        if refund.out_trade_no is None:  # Nothing was paid in money.
            return self._complete_refund(refund)
        if refund.status == "requested":
            self._gateway.refund(
                out_refund_no=refund.id,
                out_trade_no=refund.out_trade_no,
                amount_fen=refund.amount_fen,
                total_fen=refund.amount_fen,
                reason=refund.reason,
            )
            self._payments.step_refund(refund.id, ["requested"], "processing")
            return "processing"
        if refund.status in ("processing", "abnormal"):
            found = self._gateway.query_refund(refund.id)
            if found is not None:
                return self._accept_refund(RefundNotice.model_validate(found))
        return refund.status

    def _accept_refund(self, notice: RefundNotice) -> str:
        refund = self._payments.refund(notice.out_refund_no)
        if refund is None or refund.out_trade_no != notice.out_trade_no:
            raise self._alarm(notice.out_refund_no, "out_refund_no")
        if notice.amount.refund != refund.amount_fen:
            raise self._alarm(refund.id, "amount.refund")
        if notice.refund_status == "SUCCESS":
            return self._complete_refund(refund)
        ended = {"ABNORMAL": "abnormal", "CLOSED": "closed"}.get(notice.refund_status)
        if ended and ended != refund.status:
            self._end_refund(refund, ended)
        return notice.refund_status.lower()

    def _end_refund(self, refund: Refund, ended: str) -> None:
        """Note a refund that came to nothing; a closed one leaves its order paid again."""
        log("refund_" + ended, refund_id=refund.id)

        def write(session: ClientSession) -> None:
            stepped = self._payments.step_refund(refund.id, _REFUND_OPEN, ended, session)
            if stepped and ended == "closed" and refund.kind == "order":
                self._orders.reopen_refund(refund.order_id, refund.id, session)

        self._database.transact(write)

    def _complete_refund(self, refund: Refund) -> str:
        now = self._clock.now()

        def write(session: ClientSession) -> str:
            done = self._payments.step_refund(
                refund.id, _REFUND_OPEN, "success", session, success_at=now
            )
            if done and refund.kind == "order":
                self._orders.mark_refunded(refund.order_id, refund.id, refund.amount_fen, session)
            return "success" if done else "repeated"

        return self._database.transact(write)
