"""Carrying out refunds: receivers return their shares first, then WeChat Pay pays the guest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from huitou.ordering.orders.service import Orders
from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.refunds.models import Refund, RefundNotice, RefundOutcome
from huitou.payments.refunds.repository import OPEN, RefundRepository
from huitou.payments.refunds.rules import mismatch, turn
from huitou.payments.wechat_pay.client import AskedTooSoon, WeChatPay, WeChatPayRefusal
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.logs import log

ABANDONED_AFTER = timedelta(minutes=1)  # Far longer than a call to WeChat Pay may take.


class RefundProgress:
    """Takes refunds from step to step, called by the timer and by WeChat Pay's notices."""

    def __init__(self, database: Database, clock: Clock, brand_id: str, gateway: WeChatPay) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway
        self._refunds = RefundRepository(database)
        self._orders = Orders(database, clock, brand_id)
        self._sharing = Sharing(database, clock, gateway)
        self._discrepancies = Discrepancies(database, clock)

    def due_refunds(self) -> Iterator[str]:
        """Refunds that haven't ended.

        Their order differs from minute to minute, because one run may not reach them all.
        """
        minute = int(self._clock.now().timestamp() // 60)
        yield from sorted(self._refunds.open_ones(), key=lambda identity: turn(identity, minute))

    def carry_on_refund(self, refund_id: str) -> RefundOutcome:
        """Bring a refund one step on: return the shares, ask for it, or ask what became of it."""
        refund = self._refunds.get(refund_id)
        if refund.status in OPEN and refund.out_trade_no is None:  # Nothing was paid in money.
            return self._complete(refund)
        if refund.status == "requested":
            return self._ask_wechat(refund)
        if refund.status == "abandoning":
            return self._let_go(refund)
        if refund.status in ("processing", "abnormal"):
            found = self._gateway.query_refund(self._merchant(refund), refund.id)
            if found is not None:
                return self._accept_answer(refund, found)
            self._refunds.step(refund.id, ["processing"], "requested")  # Never heard of: again.
        return refund.status

    def _let_go(self, refund: Refund) -> RefundOutcome:
        since = refund.abandoned_at or self._clock.now()
        if self._clock.now() < since + ABANDONED_AFTER:
            return "abandoning"
        found = self._gateway.query_refund(self._merchant(refund), refund.id)
        if found is None:
            return self._came_to_nothing(refund)
        self._refunds.step(refund.id, ["abandoning"], "processing")
        return self._accept_answer(refund, found)

    def _accept_answer(self, refund: Refund, found: dict[str, Any]) -> RefundOutcome:
        """Take the answer to a query; all of it is read only if the refund has ended."""
        if found.get("status") == "PROCESSING":
            return "processing"
        try:
            notice = RefundNotice.model_validate(found)
        except ValidationError as error:
            raise self._discrepancies.unreadable(refund.id, error) from error
        return self.accept_notice(notice)

    def _ask_wechat(self, refund: Refund) -> RefundOutcome:
        if refund.kind == "order" and not self._sharing.collect_returns(refund.order_id, refund.id):
            return "waits for shares"
        try:
            self._gateway.refund(
                merchant=self._merchant(refund),
                out_refund_no=refund.id,
                out_trade_no=str(refund.out_trade_no),
                amount_fen=refund.amount_fen,
                total_fen=refund.total_fen or refund.amount_fen,
                reason=refund.reason,
            )
        except AskedTooSoon:
            return "waits its minute"  # The timer comes again by then; nothing has failed.
        except WeChatPayRefusal as refused:
            # Tried again: somebody may fill up the merchant's balance or unlock the account.
            self._note(refund, "refund refused", "accepted", refused.reason)
            return "refused"
        self._refunds.step(refund.id, ["requested"], "processing")
        self._discrepancies.clear_discrepancy("refund refused", refund.id)
        return "processing"

    def accept_notice(self, notice: RefundNotice) -> RefundOutcome:
        """Process what WeChat Pay says about a refund, in a notice or in the answer to a query.

        A repeated notice changes nothing. If it differs from our refund, records a discrepancy and
        raises Refusal NOTIFICATION_MISMATCH.
        """
        refund = self._refunds.find(notice.out_refund_no)
        wrong = mismatch(notice, refund, self._merchant(refund) if refund else None)
        if refund is None or wrong:
            field = wrong or "out_refund_no"
            log("refund_mismatch", reference=notice.out_refund_no, field=field)
            self._discrepancies.note_difference(
                source="notice",
                kind=f"refund notice: {field}",
                reference=notice.out_refund_no,
                expected=refund.amount_fen if refund else None,
                found=notice.amount.refund,
            )
            raise Refusal(ChargeErrors.NOTIFICATION_MISMATCH, field=field, detail=field)
        if notice.refund_status == "SUCCESS":
            return self._complete(refund, notice.success_time)
        if notice.refund_status == "CLOSED":
            return self._came_to_nothing(refund)
        if notice.refund_status == "ABNORMAL":
            return self._went_wrong(refund)
        return "processing"

    def _complete(self, refund: Refund, success_time: datetime | None = None) -> RefundOutcome:
        def write(session: ClientSession) -> RefundOutcome:
            at = success_time or self._clock.now()
            if not self._refunds.step(refund.id, OPEN, "success", session, success_at=at):
                return "repeated"
            if refund.kind == "order":
                self._orders.end_refund(refund.order_id, refund.id, given=True, session=session)
                self._sharing.count_refund(refund.order_id, refund.id, refund.amount_fen, session)
            self._discrepancies.clear_discrepancies("refund", [refund.id], (), session)
            return "success"

        return self._database.transact(write)

    def _went_wrong(self, refund: Refund) -> RefundOutcome:
        """Note that WeChat Pay couldn't pay the guest; a person has to see to it."""

        def write(session: ClientSession) -> RefundOutcome:
            # A late notice must raise no alarm about a refund that has ended in the meantime.
            if not self._refunds.step(refund.id, OPEN, "abnormal", session):
                return "repeated"
            self._note(refund, "refund abnormal", "success", "ABNORMAL", session)
            return "abnormal"

        return self._database.transact(write)

    def _came_to_nothing(self, refund: Refund) -> RefundOutcome:
        """Note that WeChat Pay closed a refund for good, so the order can be refunded again."""

        def write(session: ClientSession) -> None:
            if not self._refunds.step(refund.id, OPEN, "closed", session):
                return
            if refund.kind == "order":
                self._orders.end_refund(refund.order_id, refund.id, given=False, session=session)
                self._sharing.release_refund(refund.order_id, refund.id, session)
            self._discrepancies.clear_discrepancies("refund", [refund.id], (), session)
            self._note(refund, "refund closed", "success", "CLOSED", session)

        self._database.transact(write)
        return "closed"

    def _note(
        self,
        refund: Refund,
        kind: str,
        expected: str,
        found: str,
        session: ClientSession | None = None,
    ) -> None:
        log(kind.replace(" ", "_"), refund_id=refund.id, reason=found)
        self._discrepancies.note_difference(
            source="refund",
            kind=kind,
            reference=refund.id,
            expected=expected,
            found=found,
            store_id=refund.store_id,
            session=session,
        )

    def _merchant(self, refund: Refund) -> Any:
        return refund.merchant or self._gateway.merchant_for(None)
