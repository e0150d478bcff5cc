"""Refunds: who asks for one, and who decides about it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.rules import brand_day
from huitou.loyalty.adjustments.repository import AllowanceRepository
from huitou.ordering.orders.errors import IMPORTED, ORDER_STATUS
from huitou.ordering.orders.models import Order, PendingRefund
from huitou.ordering.orders.rules import BEFORE_PREPARING, SERVED
from huitou.ordering.orders.service import Orders
from huitou.payments.charges.models import Payment
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.refunds.errors import REFUND_STATUS, RefundErrors
from huitou.payments.refunds.models import (
    AskRefundRequest,
    DecideRefundRequest,
    Refund,
    RefundLine,
    RefundRequest,
    RefundsAnswer,
    RefundsRequest,
    Role,
)
from huitou.payments.refunds.progress_service import RefundProgress
from huitou.payments.refunds.repository import OPEN, RefundRepository
from huitou.payments.refunds.rules import (
    MOST_ASKED,
    amount_back,
    day_limit_fen,
    in_window,
    lines_back,
    may_decide,
    member_refund_id,
    same,
    why_not,
    worth_back,
)
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError, Refusal, Unavailable


class Refunds:
    def __init__(self, database: Database, clock: Clock, brand_id: str, gateway: WeChatPay) -> None:
        self._database = database
        self._clock = clock
        self._refunds = RefundRepository(database)
        self._allowance = AllowanceRepository(database)
        self._persons = Persons(database)
        self._orders = Orders(database, clock, brand_id)
        self._sharing = Sharing(database, clock, gateway)
        self._progress = RefundProgress(database, clock, brand_id, gateway)

    # --- asking and deciding ------------------------------------------------------------------

    def begin_refund(self, request: RefundRequest) -> Refund:
        """Begin a refund for staff, or store it until somebody approves it.

        A second call with the same id returns the same refund. Raises Refusal ORDER_NOT_REFUNDABLE,
        REFUND_TOO_MUCH (naming the line or amount, and what is left) or REFUND_ID_REUSED.
        """
        known = self._refunds.find(request.refund_id)
        if known is None:
            known = self._begin(
                request.order_id,
                request.refund_id,
                request.lines,
                request.amount_fen,
                reason=request.reason,
                actor=request.actor,
                role=request.role,
            )
        return self._pushed_on(same(known, request))

    def cancel_order(self, order: Order) -> Refund:
        """Refund all of a paid order because its guest cancels it, before the kitchen begins."""
        return self._whole(order, "cancel", "您已取消订单", "member")

    def refuse_order(self, order: Order, reason: str, actor: str) -> Refund:
        """Refund all of a paid order because the store can't make it."""
        return self._whole(order, "refuse", reason, actor)

    def _whole(self, order: Order, kind: str, reason: str, actor: str) -> Refund:
        # A refund that WeChat Pay closed for good doesn't keep the next one from beginning.
        ended = [r for r in self._refunds.of_order(order.id) if r.status == "closed"]
        refund_id = member_refund_id(order.id, kind, len(ended))
        known = self._refunds.find(refund_id) or self._begin(
            order.id, refund_id, (), None, reason=reason, actor=actor, only_from=BEFORE_PREPARING
        )
        return self._pushed_on(known)

    def ask_refund(self, order: Order, request: AskRefundRequest) -> Refund:
        """Store a guest's request for a refund; an order has one waiting request at most."""
        asked = [r for r in self._refunds.of_order(order.id) if r.role == "member"]
        waiting = [refund for refund in asked if refund.status == "awaiting_approval"]
        if waiting:
            return waiting[0]
        if len(asked) >= MOST_ASKED:
            raise Refusal(RefundErrors.REFUND_ASKED_OFTEN, field="order_id")
        refund_id = member_refund_id(order.id, "ask", len(asked))
        rules = self._refunds.rules()
        if not in_window(rules, order, self._clock.now()):
            raise Refusal(RefundErrors.REFUND_TOO_LATE, field="order_id")
        return self._begin(
            order.id,
            refund_id,
            request.lines,
            None,
            reason=request.reason,
            actor="member",
            role="member",
        )

    def decide_refund(self, request: DecideRefundRequest) -> Refund:
        """Approve or reject a refund that waits for approval.

        If two people decide at once, the first decision counts. If the second one differs, it
        raises Refusal REFUND_DECIDED. Also raises REFUND_NOT_YOURS and REFUND_OVER_LIMIT.
        """
        refund = self._refunds.get(request.refund_id)
        if refund.actor == request.actor:
            raise Refusal(RefundErrors.REFUND_NOT_YOURS, field="actor")
        if not request.approve:
            self._refunds.step(
                refund.id, ["awaiting_approval"], "rejected", decided_by=request.actor
            )
        elif refund.status == "awaiting_approval":
            day = brand_day(self._clock.now())
            self._allowance.open(request.actor, day)
            self._database.transact(lambda session: self._approve(refund, request, day, session))
        refund = self._refunds.get(request.refund_id)
        if refund.status == "awaiting_approval" or request.approve == (refund.status == "rejected"):
            raise Refusal(
                RefundErrors.REFUND_DECIDED, field="refund_id", detail=REFUND_STATUS[refund.status]
            )
        return self._pushed_on(refund)

    def _approve(
        self, refund: Refund, request: DecideRefundRequest, day: str, session: ClientSession
    ) -> None:
        order = self._refundable(refund.order_id, SERVED, session)
        wanted = [RefundLine(line=back.line, quantity=back.quantity) for back in refund.lines]
        lines = lines_back(order, wanted)
        amount_fen = amount_back(order, lines, refund.asked_fen)
        rules = self._refunds.rules()
        if not may_decide(rules, request.role, order, amount_fen, self._clock.now()):
            raise Refusal(RefundErrors.REFUND_OVER_LIMIT, field="role")
        changes = {
            "decided_by": request.actor,
            "amount_fen": amount_fen,
            "lines": [back.model_dump() for back in lines],
        }
        if self._refunds.step(refund.id, ["awaiting_approval"], "requested", session, **changes):
            # If the guest asked, who approves is the only one of the staff who decides.
            limit_fen = day_limit_fen(rules, request.role) if refund.role == "member" else None
            worth_fen, _ = worth_back(order, amount_fen)
            if limit_fen is not None and not self._allowance.take(
                "refunds", request.actor, day, worth_fen, limit_fen, session
            ):
                raise Refusal(RefundErrors.REFUND_OVER_LIMIT, field="role")
            decided = refund.model_copy(update={"amount_fen": amount_fen, "lines": lines})
            self._set_aside(order, decided, request.actor, session)

    def list_waiting_refunds(self, request: RefundsRequest) -> RefundsAnswer:
        """List refunds that wait for a person."""
        found = self._refunds.listing(request.status, request.after, request.limit)
        after = found[-1].id if len(found) == request.limit else None
        return RefundsAnswer(refunds=[refund.shown() for refund in found], next=after)

    def _begin(
        self,
        order_id: str,
        refund_id: str,
        wanted: Sequence[RefundLine],
        amount_fen: int | None,
        *,
        reason: str,
        actor: str,
        role: Role = "system",
        only_from: Sequence[str] = SERVED,
    ) -> Refund:
        """Store a refund; unless somebody must approve it, set its money aside on the order too."""
        rules, day = self._refunds.rules(), brand_day(self._clock.now())
        limit_fen = day_limit_fen(rules, role)
        if limit_fen is not None:
            self._allowance.open(actor, day)

        def write(session: ClientSession) -> Refund:
            order = self._refundable(order_id, only_from, session)
            lines = lines_back(order, wanted)
            back_fen = amount_back(order, lines, amount_fen)
            now = self._clock.now()
            alone = may_decide(rules, role, order, back_fen, now)
            if alone and limit_fen is not None:
                worth_fen, _ = worth_back(order, back_fen)
                alone = self._allowance.take("refunds", actor, day, worth_fen, limit_fen, session)
            refund = Refund(
                id=refund_id,
                kind="order",
                order_id=order.id,
                member_id=order.member_id,
                store_id=order.store_id,
                amount_fen=back_fen,
                asked_fen=amount_fen,
                lines=lines,
                reason=reason,
                actor=actor,
                role=role,
                created_at=now,
                status="requested" if alone else "awaiting_approval",
                **self._paid_with(order, session),
            )
            self._persons.touch(order.member_id, session, even_erased=True)
            self._refunds.insert(refund, session)
            if alone:
                self._set_aside(order, refund, actor, session)
            return refund

        try:
            return self._database.transact(write)
        except (Refusal, DuplicateKeyError):
            # The same call may have run at the same time and been faster: then its refund counts.
            stored = self._refunds.find(refund_id)
            if stored is None:
                raise
            return stored

    def _refundable(self, order_id: str, states: Sequence[str], session: ClientSession) -> Order:
        order = self._orders.get_order(order_id, session)
        if order.origin != "live" or order.status not in states:
            detail = ORDER_STATUS[order.status] if order.origin == "live" else IMPORTED
            raise Refusal(RefundErrors.ORDER_NOT_REFUNDABLE, field="order_id", detail=detail)
        reason = why_not(order, self._clock.now())
        if reason:
            raise Refusal(reason, field="order_id")
        return order

    def _set_aside(self, order: Order, refund: Refund, actor: str, session: ClientSession) -> None:
        pending = PendingRefund(
            refund_id=refund.id, amount_fen=refund.amount_fen, lines=refund.lines
        )
        self._orders.begin_refund(order, pending, actor, session)
        self._sharing.hold_refund(order.id, refund.id, refund.amount_fen, session)

    def refund_surplus(self, payment: Payment, session: ClientSession) -> None:
        """Give back money that came for an order already paid or cancelled."""
        self._refunds.insert(
            Refund(
                id=f"surplus@{payment.id}",  # No refund_id of a caller can hold an @.
                kind="surplus",
                order_id=payment.order_id,
                member_id=payment.member_id,
                store_id=payment.store_id,
                out_trade_no=payment.id,
                merchant=payment.merchant,
                total_fen=payment.amount_fen,
                amount_fen=payment.amount_fen,
                reason="订单已支付或已取消，款项退回",
                actor="pay",
                created_at=self._clock.now(),
            ),
            session,
        )

    def abandon_refund(self, refund_id: str, actor: str) -> Refund:
        """Give up a refund that WeChat Pay refuses, so that the order can go on without it.

        A timer may be asking WeChat Pay for it at this very moment. So a minute later we ask WeChat
        Pay whether it knows the refund, and its answer counts. Raises Refusal REFUND_DECIDED if
        WeChat Pay has accepted the refund before, or if somebody still has to approve it.
        """
        changes = {"decided_by": actor, "abandoned_at": self._clock.now()}
        self._refunds.step(refund_id, ["requested"], "abandoning", None, **changes)
        refund = self._refunds.get(refund_id)
        if refund.status not in ("abandoning", "closed"):
            raise Refusal(
                RefundErrors.REFUND_DECIDED, field="refund_id", detail=REFUND_STATUS[refund.status]
            )
        return refund

    def retry_surplus_refund(self, refund_id: str, actor: str) -> Refund:
        """Refund a surplus once more, under a new number, after WeChat Pay closed its refund.

        Only surplus refunds need this: an order can simply be refunded again.
        """
        closed = self._refunds.get(refund_id)
        if closed.kind != "surplus" or closed.status != "closed":
            raise Refusal(
                RefundErrors.REFUND_DECIDED, field="refund_id", detail=REFUND_STATUS[closed.status]
            )
        base, _, number = closed.id.partition("@again")
        retry = {
            "id": f"{base}@again{int(number or 1) + 1}",
            "status": "requested",
            "actor": actor,
            "created_at": self._clock.now(),
        }
        refund = closed.model_copy(update=retry)
        with suppress(DuplicateKeyError):  # Somebody else asked for it a moment ago.
            self._refunds.insert(refund)
        return self._pushed_on(self._refunds.get(refund.id))

    def _pushed_on(self, refund: Refund) -> Refund:
        """Take the next step at once if WeChat Pay answers; otherwise the timer takes it."""
        if refund.status in OPEN:
            with suppress(Unavailable):  # The refund is stored, so the timer goes on with it.
                self._progress.carry_on_refund(refund.id)
        return self._refunds.get(refund.id)

    def _paid_with(self, order: Order, session: ClientSession) -> dict[str, Any]:
        """Return a refund's fields about its payment; empty if the order took no money."""
        if order.payable_fen == 0:
            return {}
        tender = next((tender for tender in order.tenders if tender.kind == "wechat_pay"), None)
        number = tender and (tender.out_trade_no or self._refunds.paid_by(order.id, session))
        if tender is None or number is None:
            raise HuitouError(Code.INTERNAL, field="tenders")
        return {
            "out_trade_no": number,
            "merchant": tender.merchant,
            "total_fen": tender.amount_fen,
        }
