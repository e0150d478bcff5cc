"""Paying and closing orders with WeChat Pay: no order is paid twice and no money is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from huitou.catalog.stores.service import Stores
from huitou.members.profiles.service import Members
from huitou.ordering.orders.errors import ORDER_STATUS
from huitou.ordering.orders.models import Order, OrderAnswer, Status, Tender
from huitou.ordering.orders.owners_service import OrderOwners
from huitou.ordering.orders.rules import BEFORE_PREPARING, SETTLED_STATES, UNPAID, is_over
from huitou.ordering.orders.service import Orders
from huitou.payments.charges.errors import PAYMENT, ChargeErrors
from huitou.payments.charges.models import (
    NUMBER,
    AskedAnswer,
    AskingOutcome,
    ClientPayment,
    ClosingOutcome,
    NoticeOutcome,
    Payment,
    PaymentStatus,
    PrepayAnswer,
    TransactionNotice,
)
from huitou.payments.charges.repository import MOST_ATTEMPTS, PaymentRepository
from huitou.payments.charges.rules import (
    NotificationKeys,
    is_of_other_payer,
    mismatch,
    next_asking,
    out_trade_no,
    payer_mark,
    payer_openid,
    verify_and_decrypt,
)
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.refunds.models import RefundNotice, RefundOutcome
from huitou.payments.refunds.progress_service import RefundProgress
from huitou.payments.refunds.service import Refunds
from huitou.payments.wechat_pay.client import WeChatPay, WeChatPayRefusal
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.identity import Caller
from huitou.runtime.logs import log

if TYPE_CHECKING:
    from huitou.catalog.stores.models import Merchant

_GONE = {"ORDER_CLOSED", "ORDERCLOSED"}
_PAID = {"ORDERPAID", "ORDER_PAID"}


class Payments:
    def __init__(self, database: Database, clock: Clock, brand_id: str, gateway: WeChatPay) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway
        self._payments = PaymentRepository(database)
        self._orders = Orders(database, clock, brand_id)
        self._persons = Persons(database)
        self._owners = OrderOwners(database)
        self._members = Members(database, clock, brand_id)
        self._stores = Stores(database, clock)
        self._refunds = Refunds(database, clock, brand_id, gateway)
        self._refund_progress = RefundProgress(database, clock, brand_id, gateway)
        self._sharing = Sharing(database, clock, gateway)
        self._discrepancies = Discrepancies(database, clock)

    def prepay_order(self, member_id: str, caller: Caller, order_id: str) -> PrepayAnswer:
        """Start paying an order; returns what `wx.requestPayment` takes, or that it is paid.

        Safe to repeat: a second call uses the open attempt. An order of 0 fen is paid at once.
        After a merge the person may pay by another WeChat: the first one's attempt is closed then.
        """
        order = self._orders.own_order(member_id, order_id)
        if order.status in SETTLED_STATES:
            return PrepayAnswer(status=order.status)
        until = order.expires_at
        if order.status not in ("created", "paying") or not until or self._clock.now() >= until:
            raise Refusal(
                ChargeErrors.ORDER_NOT_PAYABLE, field="order_id", detail=ORDER_STATUS[order.status]
            )
        if order.payable_fen == 0:
            free = Tender(kind="none", amount_fen=0)
            now = self._clock.now()
            terms = self._orders.earning_terms_now(order, now)
            number = self._orders.take_pickup_number(order)
            self._orders.mark_order_paid(order, free, terms, now, pickup_number=number)
            return PrepayAnswer(status=self._orders.own_order(member_id, order_id).status)
        attempt = self._open_attempt(order, caller, until)
        if attempt is None:
            return PrepayAnswer(status=self._orders.own_order(member_id, order_id).status)
        prepay_id = attempt.prepay_id or self._prepay_at_wechat(attempt, order, caller)
        # Another call may have begun to close the order: then the guest must not be able to pay.
        if not self._orders.begin_payment(order):
            raise Refusal(
                ChargeErrors.ORDER_NOT_PAYABLE, field="order_id", detail=ORDER_STATUS["closing"]
            )
        signed = ClientPayment(**self._gateway.client_parameters(prepay_id))
        return PrepayAnswer(status="paying", payment=signed)

    def _open_attempt(self, order: Order, caller: Caller, until: datetime) -> Payment | None:
        """Return the caller's open attempt, or open one; None if another one has paid the order."""
        attempts = self._payments.attempts(order.id)
        for attempt in attempts:
            if attempt.status == "open":
                if not is_of_other_payer(attempt, order, caller):
                    return attempt
                # Only one attempt is open at a time, so that nobody pays twice: this one is closed
                # at WeChat Pay before the next one is opened.
                if self._paid_or_closed(attempt) == "paid":
                    return None
        if len(attempts) >= MOST_ATTEMPTS:  # We would lose sight of further ones.
            raise Refusal(
                ChargeErrors.ORDER_NOT_PAYABLE, field="order_id", detail=ORDER_STATUS[order.status]
            )
        number, now = len(attempts) + 1, self._clock.now()
        store = self._stores.get_store(str(order.store_id))
        attempt = Payment(
            id=out_trade_no(order.id, number),
            order_id=order.id,
            member_id=order.member_id,
            payer=payer_mark(caller),
            attempt=number,
            amount_fen=order.payable_fen,
            store_id=store.id,
            merchant=self._gateway.merchant_for(store.sub_mchid),
            sharing=self._sharing.terms_for(store.id),
            expires_at=until,
            created_at=now,
            ask_at=next_asking(now, now),
        )
        if self._persons.insert_for(
            attempt.member_id, lambda session: self._payments.insert(attempt, session)
        ):
            return attempt
        raise Unavailable  # Another call opened this attempt just now; a retry finds it.

    def _prepay_at_wechat(self, attempt: Payment, order: Order, caller: Caller) -> str:
        try:
            prepay_id = self._gateway.prepay(
                merchant=self._merchant(attempt),
                profit_sharing=attempt.sharing is not None and bool(attempt.sharing.terms),
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
        if not self._payments.keep_prepay_id(attempt.id, prepay_id):
            # Another WeChat of the person closed the attempt while WeChat Pay was opening it.
            self._paid_or_closed(attempt)
            raise Unavailable
        return prepay_id

    def process_notice(
        self, headers: Mapping[str, str], body: bytes, now: float
    ) -> NoticeOutcome | RefundOutcome:
        """Process one callback: verify it, compare it with our records, and settle it once.

        `now` is real epoch seconds. Raises Refusal if the callback isn't WeChat Pay's, or differs
        from our records.
        """
        keys = NotificationKeys(self._gateway.platform_keys, self._gateway.settings.api_v3_key)
        event = verify_and_decrypt(headers, body, keys, now)
        try:
            if str(event.get("event_type")).startswith("REFUND."):
                return self._refund_progress.accept_notice(
                    RefundNotice.model_validate(event["resource"])
                )
            return self._accept(TransactionNotice.model_validate(event["resource"]))
        except ValidationError as error:
            reference = str(event.get("id"))
            reference = reference if re.fullmatch(NUMBER, reference) else "unnamed"
            raise self._discrepancies.unreadable(reference, error) from error

    def _accept(self, notice: TransactionNotice) -> NoticeOutcome:
        """Settle a genuine payment notice; the same transaction again changes nothing."""
        payment = self._payments.find(notice.out_trade_no)
        if payment is None:
            raise self._alarm(notice, None, "out_trade_no")
        if notice.trade_state != "SUCCESS":
            return "not paid"
        settings = self._gateway.settings
        merchant = self._merchant(payment)
        wrong = mismatch(notice, payment, merchant, settings.appid, settings.sp_appid)
        if wrong is None and not self._is_payer(notice, payment.member_id):
            wrong = "payer"
        if wrong is None and payment.transaction_id not in (None, notice.transaction_id):
            wrong = "transaction_id"
        if wrong is not None:
            raise self._alarm(notice, payment, wrong)
        if payment.transaction_id is not None:
            return "repeated"
        return self._take_money(payment, notice)

    def _take_money(self, payment: Payment, notice: TransactionNotice) -> NoticeOutcome:
        order = self._orders.get_order(payment.order_id)
        transaction_id, paid_at = notice.transaction_id or "", notice.success_time
        if paid_at is None:
            raise self._alarm(notice, payment, "success_time")
        terms = self._orders.earning_terms_now(order, paid_at)
        tender = Tender(
            kind="wechat_pay",
            amount_fen=payment.amount_fen,
            transaction_id=transaction_id,
            out_trade_no=payment.id,
            merchant=self._merchant(payment),
        )
        number = self._orders.take_pickup_number(order)
        # After a merge another WeChat of the person may pay than the one that ordered.
        other_wechat = order.placed_by is not None and not self._is_payer(notice, order.placed_by)

        def write(session: ClientSession) -> NoticeOutcome:
            owner = self._orders.mark_order_paid(order, tender, terms, paid_at, session, number)
            first = owner is not None
            # If another attempt has paid the order, or it was cancelled, this money is refunded.
            status: PaymentStatus = "success" if first else "surplus"
            if not self._payments.take_money(payment.id, status, transaction_id, paid_at, session):
                session.abort_transaction()
                return "repeated"
            # The member may have been merged since the payment was read.
            owner = owner or self._orders.get_order(payment.order_id, session).member_id
            of_owner = payment.model_copy(update={"member_id": owner})
            if first and other_wechat:
                self._owners.note_payer_is_owner(order.id, session)
            if first:
                self._sharing.open_share(of_owner, transaction_id, paid_at, session)
            else:
                self._persons.touch(owner, session, even_erased=True)
                self._refunds.refund_surplus(of_owner, session)
            return "paid" if first else "surplus"

        return self._database.transact(write)

    def _is_payer(self, notice: TransactionNotice, member_id: str) -> bool:
        settings = self._gateway.settings
        openid = payer_openid(notice, settings.appid, settings.sp_appid)
        if openid is None:
            return False
        return self._members.is_or_was_member(Caller(openid, settings.appid), member_id)

    def _alarm(self, notice: TransactionNotice, payment: Payment | None, field: str) -> Refusal:
        """Record how a genuine notice differs from our records; nothing is settled."""
        log("payment_mismatch", reference=notice.out_trade_no, field=field)
        self._discrepancies.note_difference(
            source="notice",
            kind=f"payment notice: {field}",
            reference=notice.out_trade_no,
            expected=payment.amount_fen if payment else None,
            found=notice.amount.total if notice.amount else None,
            store_id=payment.store_id if payment else None,
        )
        return Refusal(ChargeErrors.NOTIFICATION_MISMATCH, field=field, detail=field)

    def _merchant(self, payment: Payment) -> Merchant:
        return payment.merchant or self._gateway.merchant_for(None)

    def unanswered_attempts(self) -> Iterator[str]:
        return self._payments.unanswered(self._clock.now())

    def ask_about_attempt(self, out_trade_no: str) -> AskingOutcome:
        """Ask WeChat Pay about an attempt no notice came for, each time after twice the wait.

        One whose order needs it no more, paid by another attempt or cancelled while this one was
        being opened, is closed as well.
        """
        attempt = self._payments.find(out_trade_no)
        if attempt is None or attempt.status != "open":
            return "decided"
        self._payments.ask_again(attempt.id, next_asking(attempt.created_at, self._clock.now()))
        if self._orders.get_order(attempt.order_id).status not in UNPAID:
            return self._paid_or_closed(attempt)
        return "paid" if self._paid_at_wechat(attempt) else "not paid"

    def ask_about_attempt_now(self, out_trade_no: str) -> AskedAnswer:
        """Ask WeChat Pay about any attempt, closed ones as well, and settle what it says.

        For staff, when a bill shows money that no notice has reported.
        """
        attempt = self._payments.find(out_trade_no)
        if attempt is None:
            raise Refusal(Code.NOT_FOUND, field="out_trade_no", detail=PAYMENT)
        if attempt.transaction_id is None:  # Else its money is in our books already.
            self._paid_at_wechat(attempt)
        found = self._payments.find(out_trade_no) or attempt
        return AskedAnswer(out_trade_no=found.id, order_id=found.order_id, status=found.status)

    def show_order(self, member_id: str, order_id: str) -> OrderAnswer:
        """Return the order's state; while it is being paid, ask WeChat Pay as well."""
        order = self._orders.own_order(member_id, order_id)
        if order.status == "paying":
            for attempt in self._payments.attempts(order_id):
                if attempt.status == "open" and self._seems_paid(attempt):
                    order = self._orders.own_order(member_id, order_id)
        return order.shown()

    def _seems_paid(self, attempt: Payment) -> bool:
        try:
            return self._paid_at_wechat(attempt)
        except Unavailable:
            return False  # The member still sees what we know; the timer asks again.

    def cancel_order(self, member_id: str, order_id: str) -> OrderAnswer:
        """Cancel an order: unpaid ones at once, paid ones with a refund until the kitchen begins.

        If the money came while the order was being closed, the answer says that it is paid. Raises
        Refusal ORDER_NOT_CANCELLABLE once the kitchen has begun: then the guest can `ask_refund`,
        and the store decides.
        """
        order = self._orders.own_order(member_id, order_id)
        if order.status in BEFORE_PREPARING and not is_over(order, self._clock.now()):
            self._refunds.cancel_order(order)
        elif order.status in (*UNPAID, "cancelled"):
            self._close(order)
        elif order.status not in ("refunding", "refunded"):  # These give the money back already.
            raise Refusal(
                ChargeErrors.ORDER_NOT_CANCELLABLE,
                field="order_id",
                detail=ORDER_STATUS[order.status],
            )
        return self._orders.own_order(member_id, order_id).shown()

    def due_unpaid_orders(self) -> Iterator[str]:
        return self._orders.unpaid_orders_past(self._clock.now())

    def close_unpaid_order(self, order_id: str) -> Status:
        """Close an order that wasn't paid in time.

        Asks WeChat Pay, closes the attempts there, and only then releases what the order held.
        """
        order = self._orders.get_order(order_id)
        return self._close(order) if order.status in UNPAID else order.status

    def _close(self, order: Order) -> Status:
        if order.status == "cancelled":
            return "cancelled"
        if order.status != "closing":
            self._orders.begin_closing_order(order)
        for attempt in self._payments.attempts(order.id):
            if attempt.status == "open" and self._paid_or_closed(attempt) == "paid":
                return "paid"
        return (
            "cancelled"
            if self._orders.cancel_order(order)
            else self._orders.get_order(order.id).status
        )

    def _paid_or_closed(self, attempt: Payment) -> ClosingOutcome:
        if self._paid_at_wechat(attempt):
            return "paid"
        try:
            self._gateway.close(self._merchant(attempt), attempt.id)
        except WeChatPayRefusal as refused:
            if refused.reason in _PAID and self._paid_at_wechat(attempt):
                return "paid"
            if not refused.not_there and refused.reason not in _GONE:
                raise Unavailable from refused  # Not confirmed: nothing may be released.
        self._payments.close(attempt.id)
        return "closed"

    def _paid_at_wechat(self, attempt: Payment) -> bool:
        """Ask WeChat Pay about an attempt and settle it if it was paid."""
        found = self._gateway.query(self._merchant(attempt), attempt.id)
        if found is None:
            return False
        state = found.get("trade_state")
        if state == "CLOSED":
            self._payments.close(attempt.id)
        # Only where there is money must the rest of the answer be as we know it.
        if state not in ("SUCCESS", "REFUND"):
            return False
        try:
            notice = TransactionNotice.model_validate(found)
        except ValidationError as error:
            raise self._discrepancies.unreadable(attempt.id, error) from error
        if state == "REFUND":  # Paid and given back behind our back: a person must look.
            raise self._alarm(notice, attempt, "trade_state")
        return self._accept(notice) in ("paid", "repeated")
