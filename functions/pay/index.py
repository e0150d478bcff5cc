"""pay: 试算 a cart, order it, pay it with WeChat Pay, follow it to the guest, give it back.

Callable by members (quote, create, prepay, status, cancel, ask_refund, ask_invoice). HTTP access
brings WeChat Pay's callbacks; timers close and complete orders, follow payments, refunds and
shares, and check each day's bill. Staff's steps, refunds, and how a price
came about are for internal callers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from huitou.integrations.mini_program import MiniProgram
from huitou.members.profiles.service import Members
from huitou.ordering.fulfilment.models import RefuseRequest, StepRequest
from huitou.ordering.fulfilment.service import Fulfilment
from huitou.ordering.orders.models import (
    CreateRequest,
    ExplainAnswer,
    InvoiceRequest,
    OrderAnswer,
    OrderRequest,
    PriceQuoteRequest,
    QuoteAnswer,
    QuoteRequest,
    Status,
)
from huitou.ordering.orders.service import Orders
from huitou.payments.bill_check.models import BillReport, ReconcileBillRequest
from huitou.payments.bill_check.service import BillCheck
from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.charges.models import AskedAnswer, AskPaymentRequest, PrepayAnswer
from huitou.payments.charges.service import Payments
from huitou.payments.discrepancies.models import (
    DiscrepanciesPage,
    DiscrepanciesRequest,
    ResolveRequest,
    ShownDiscrepancy,
)
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.refunds.models import (
    AskRefundRequest,
    DecideRefundRequest,
    RefundAnswer,
    RefundByIdRequest,
    RefundRequest,
    RefundsAnswer,
    RefundsRequest,
)
from huitou.payments.refunds.service import Refunds
from huitou.payments.shipping.service import Shipping
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.payments.wechat_pay.service import PlatformKeys
from huitou.runtime.errors import HuitouError, Refusal, Unavailable
from huitou.runtime.events import HttpAnswer, HttpRequest
from huitou.runtime.handler import Action, Call, Web, serve
from huitou.runtime.logs import log

_LONGEST_S = 26.0  # Query, close, query again and settle, each as slow as its timeout allows.
_NOTICE_STATUS = {ChargeErrors.SIGNATURE_INVALID: 401, ChargeErrors.NOTIFICATION_MISMATCH: 400}


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "pay",
        event,
        context,
        member=MEMBER,
        internal=INTERNAL,
        timer=_timer,
        http=Web(_notification, _not_taken),
    )


def _member(call: Call) -> str:
    return Members(call.database, call.clock, call.settings.brand_id).id_of(call.member)


def _orders(call: Call) -> Orders:
    return Orders(call.database, call.clock, call.settings.brand_id)


def _gateway(call: Call) -> WeChatPay:
    settings = call.settings.wechat_pay
    return WeChatPay(settings, PlatformKeys(call.database, settings).trusted)


def _payments(call: Call) -> Payments:
    return Payments(call.database, call.clock, call.settings.brand_id, _gateway(call))


def _refunds(call: Call) -> Refunds:
    return Refunds(call.database, call.clock, call.settings.brand_id, _gateway(call))


def _fulfilment(call: Call) -> Fulfilment:
    return Fulfilment(call.database, call.clock, call.settings.brand_id)


def _shipping(call: Call) -> Shipping:
    return Shipping(call.database, call.clock, call.settings.brand_id)


def _create(call: Call, request: CreateRequest) -> object:
    return _orders(call).create(_member(call), request).shown()


def _price(call: Call, request: PriceQuoteRequest) -> object:
    cart = QuoteRequest.model_validate(request.model_dump(exclude={"member_id"}))
    return _orders(call).quote(request.member_id, cart, call.lang)


def _prepay(call: Call, request: OrderRequest) -> object:
    return _payments(call).prepay(_member(call), call.member, request.order_id)


def _ask_refund(call: Call, request: AskRefundRequest) -> object:
    order = _orders(call).own(_member(call), request.order_id)
    return _refunds(call).ask(order, request).shown()


def _refuse(call: Call, request: RefuseRequest) -> object:
    order = _orders(call).get(request.order_id)
    return _refunds(call).refuse(order, request.reason, request.actor).shown()


def _bills(call: Call) -> BillCheck:
    return BillCheck(call.database, call.clock, _gateway(call))


def _reconcile_bill(call: Call, request: ReconcileBillRequest) -> object:
    bills = _bills(call)
    return bills.run(request.day or bills.last_day())


def _resolve(call: Call, request: ResolveRequest) -> object:
    return Discrepancies(call.database, call.clock).resolve(**request.model_dump())


def _step(to: Status) -> Action:
    def take(call: Call, request: StepRequest) -> object:
        answer = _fulfilment(call).take(request.order_id, to, request.actor)
        # The guest sees it at once; where WeChat doesn't answer the timer tells it.
        with suppress(Unavailable):
            wechat = MiniProgram(call.database, call.settings)
            _shipping(call).show_card(request.order_id, wechat, call.settings.wechat_appid)
        return answer

    return Action(StepRequest, take, OrderAnswer)


def _timer(call: Call) -> dict[str, Any]:
    """Each timer of this function has its own work; an unknown name is the first one's."""
    work = {"share": _share, "hourly": _hourly}.get(str(call.event.get("TriggerName")), _follow_up)
    return work(call)


def _follow_up(call: Call) -> dict[str, Any]:
    payments, refunds, fulfilment = _payments(call), _refunds(call), _fulfilment(call)
    shipping = _shipping(call)
    wechat, appid = MiniProgram(call.database, call.settings), call.settings.wechat_appid
    return call.sweep(
        {
            "unpaid": (payments.unpaid_due(), payments.close_unpaid),
            "unanswered": (payments.unanswered(), payments.ask),
            "refunds": (refunds.due(), refunds.carry_on),
            "completed": (fulfilment.to_complete(), fulfilment.complete),
            "shipping": (
                shipping.to_ship(),
                lambda order_id: shipping.ship(order_id, wechat, appid),
            ),
            "cards": (
                shipping.cards_due(),
                lambda order_id: shipping.show_card(order_id, wechat, appid),
            ),
        },
        spare_s=_LONGEST_S,
    )


def _share(call: Call) -> dict[str, Any]:
    sharing = Sharing(call.database, call.clock, _gateway(call))
    return call.sweep({"shares": (sharing.due(), sharing.carry_on)}, spare_s=_LONGEST_S)


def _hourly(call: Call) -> dict[str, Any]:
    keys, bills = PlatformKeys(call.database, call.settings.wechat_pay), _bills(call)
    done = call.sweep({"bills": (bills.due_days(), bills.run_due)}, spare_s=_LONGEST_S)
    return {**done, "certificates": keys.refresh_certificates(_gateway(call))}


def _notification(call: Call, request: HttpRequest) -> HttpAnswer:
    """Answer WeChat Pay: 200 takes the notice; anything else is sent again for 24 hours."""
    try:
        _payments(call).notification(request.headers, request.body, time.time())
    except HuitouError as error:
        log("notice_refused", code=error.code.name, field=error.field)
        status = _NOTICE_STATUS.get(error.code, 500)
        return HttpAnswer(status, {"code": "FAIL", "message": error.message()})
    return HttpAnswer(200, {"code": "SUCCESS", "message": "成功"})


def _not_taken(failure: HuitouError, error: dict[str, Any]) -> HttpAnswer:
    status = 400 if isinstance(failure, Refusal) else 500
    return HttpAnswer(status, {"code": "FAIL", "message": error["message"]})


MEMBER = {
    "quote": Action(
        QuoteRequest,
        lambda call, r: _orders(call).quote(_member(call), r, call.lang),
        QuoteAnswer,
    ),
    "create": Action(CreateRequest, _create, OrderAnswer),
    "prepay": Action(OrderRequest, _prepay, PrepayAnswer),
    "status": Action(
        OrderRequest, lambda call, r: _payments(call).status(_member(call), r.order_id), OrderAnswer
    ),
    "cancel": Action(
        OrderRequest, lambda call, r: _payments(call).cancel(_member(call), r.order_id), OrderAnswer
    ),
    "ask_refund": Action(AskRefundRequest, _ask_refund, RefundAnswer),
    "ask_invoice": Action(
        InvoiceRequest, lambda call, r: _fulfilment(call).ask_invoice(_member(call), r), OrderAnswer
    ),
}
INTERNAL = {
    "price": Action(PriceQuoteRequest, _price, QuoteAnswer),
    "explain": Action(
        OrderRequest, lambda call, r: _orders(call).explain(r.order_id), ExplainAnswer
    ),
    "accept": _step("accepted"),
    "prepare": _step("preparing"),
    "ready": _step("ready"),
    "deliver": _step("delivering"),
    "pick_up": _step("picked_up"),
    "complete": _step("completed"),
    "refuse": Action(RefuseRequest, _refuse, RefundAnswer),
    "refund": Action(RefundRequest, lambda call, r: _refunds(call).refund(r).shown(), RefundAnswer),
    "decide_refund": Action(
        DecideRefundRequest, lambda call, r: _refunds(call).decide(r).shown(), RefundAnswer
    ),
    "refund_again": Action(
        RefundByIdRequest,
        lambda call, r: _refunds(call).again(r.refund_id, r.actor).shown(),
        RefundAnswer,
    ),
    "abandon_refund": Action(
        RefundByIdRequest,
        lambda call, r: _refunds(call).abandon(r.refund_id, r.actor).shown(),
        RefundAnswer,
    ),
    "refunds": Action(RefundsRequest, lambda call, r: _refunds(call).waiting(r), RefundsAnswer),
    "ask_payment": Action(
        AskPaymentRequest, lambda call, r: _payments(call).ask_now(r.out_trade_no), AskedAnswer
    ),
    "reconcile_bill": Action(ReconcileBillRequest, _reconcile_bill, BillReport),
    "differences": Action(
        DiscrepanciesRequest,
        lambda call, r: Discrepancies(call.database, call.clock).open(r),
        DiscrepanciesPage,
    ),
    "resolve_difference": Action(ResolveRequest, _resolve, ShownDiscrepancy),
}
