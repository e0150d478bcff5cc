"""Actions of pay for members: price, order and pay a cart; ask for its state, refund, invoice."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import PayCall

with late_imports():
    from huitou.ordering.orders.models import (
        CreateRequest,
        InvoiceRequest,
        OrderAnswer,
        OrderRequest,
    )
    from huitou.ordering.orders.quote_models import QuoteAnswer, QuoteRequest
    from huitou.payments.charges.models import PrepayAnswer
    from huitou.payments.refunds.models import AskRefundRequest, RefundAnswer


def quote(call: PayCall, request: QuoteRequest) -> object:
    return call.orders.quote_cart(call.member_id, request, call.lang)


def create(call: PayCall, request: CreateRequest) -> object:
    return call.orders.create_order(call.member_id, request).shown()


def prepay(call: PayCall, request: OrderRequest) -> object:
    return call.payments.prepay_order(call.member_id, call.member, request.order_id)


def status(call: PayCall, request: OrderRequest) -> object:
    return call.payments.show_order(call.member_id, request.order_id)


def cancel(call: PayCall, request: OrderRequest) -> object:
    return call.payments.cancel_order(call.member_id, request.order_id)


def ask_refund(call: PayCall, request: AskRefundRequest) -> object:
    order = call.orders.own_order(call.member_id, request.order_id)
    return call.refunds.ask_refund(order, request).shown()


def ask_invoice(call: PayCall, request: InvoiceRequest) -> object:
    return call.fulfilment.ask_invoice(call.member_id, request)


MEMBER = {
    "quote": Action(QuoteRequest, quote, QuoteAnswer, most_a_minute=60),
    "create": Action(CreateRequest, create, OrderAnswer, most_a_minute=30),
    "prepay": Action(OrderRequest, prepay, PrepayAnswer, most_a_minute=30),
    # These two ask WeChat Pay, which limits how often a merchant may ask. A page may ask for the
    # status each second.
    "status": Action(OrderRequest, status, OrderAnswer, most_a_minute=120),
    "cancel": Action(OrderRequest, cancel, OrderAnswer, most_a_minute=30),
    "ask_refund": Action(AskRefundRequest, ask_refund, RefundAnswer, most_a_minute=30),
    "ask_invoice": Action(InvoiceRequest, ask_invoice, OrderAnswer, most_a_minute=30),
}
