"""Actions of pay for finance: refunds, a payment's state, the daily bill and its differences."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import PayCall

with late_imports():
    from huitou.payments.bill_check.models import BillReport, ReconcileBillRequest
    from huitou.payments.charges.models import AskedAnswer, AskPaymentRequest
    from huitou.payments.discrepancies.models import (
        DiscrepanciesPage,
        DiscrepanciesRequest,
        ResolveRequest,
        ShownDiscrepancy,
    )
    from huitou.payments.refunds.models import (
        DecideRefundRequest,
        RefundAnswer,
        RefundByIdRequest,
        RefundRequest,
        RefundsAnswer,
        RefundsRequest,
    )


def refund(call: PayCall, request: RefundRequest) -> object:
    return call.refunds.begin_refund(request).shown()


def decide_refund(call: PayCall, request: DecideRefundRequest) -> object:
    return call.refunds.decide_refund(request).shown()


def refund_again(call: PayCall, request: RefundByIdRequest) -> object:
    return call.refunds.retry_surplus_refund(request.refund_id, request.actor).shown()


def abandon_refund(call: PayCall, request: RefundByIdRequest) -> object:
    return call.refunds.abandon_refund(request.refund_id, request.actor).shown()


def refunds(call: PayCall, request: RefundsRequest) -> object:
    return call.refunds.list_waiting_refunds(request)


def ask_payment(call: PayCall, request: AskPaymentRequest) -> object:
    return call.payments.ask_about_attempt_now(request.out_trade_no)


def reconcile_bill(call: PayCall, request: ReconcileBillRequest) -> object:
    return call.bills.check_day(request.day or call.bills.last_day())


def differences(call: PayCall, request: DiscrepanciesRequest) -> object:
    return call.discrepancies.list_discrepancies(request)


def resolve_difference(call: PayCall, request: ResolveRequest) -> object:
    return call.discrepancies.resolve_discrepancy(**request.model_dump())


INTERNAL = {
    "refund": Action(RefundRequest, refund, RefundAnswer),
    "decide_refund": Action(DecideRefundRequest, decide_refund, RefundAnswer),
    "refund_again": Action(RefundByIdRequest, refund_again, RefundAnswer),
    "abandon_refund": Action(RefundByIdRequest, abandon_refund, RefundAnswer),
    "refunds": Action(RefundsRequest, refunds, RefundsAnswer),
    "ask_payment": Action(AskPaymentRequest, ask_payment, AskedAnswer),
    "reconcile_bill": Action(ReconcileBillRequest, reconcile_bill, BillReport),
    "differences": Action(DiscrepanciesRequest, differences, DiscrepanciesPage),
    "resolve_difference": Action(ResolveRequest, resolve_difference, ShownDiscrepancy),
}
