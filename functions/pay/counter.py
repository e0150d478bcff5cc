"""Actions of pay for a store's staff: price a cart, explain a price, take an order's steps."""

from __future__ import annotations

from contextlib import suppress

from huitou.runtime.errors import Unavailable
from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import PayCall

with late_imports():
    from huitou.ordering.fulfilment.models import RefuseRequest, StepRequest
    from huitou.ordering.orders.models import ExplainAnswer, OrderAnswer, OrderRequest, Status
    from huitou.ordering.orders.quote_models import PriceQuoteRequest, QuoteAnswer, QuoteRequest
    from huitou.payments.refunds.models import RefundAnswer


def price(call: PayCall, request: PriceQuoteRequest) -> object:
    cart = QuoteRequest.model_validate(request.model_dump(exclude={"member_id"}))
    return call.orders.quote_cart(request.member_id, cart, call.lang)


def explain(call: PayCall, request: OrderRequest) -> object:
    return call.orders.explain_price(request.order_id)


def accept(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "accepted")


def prepare(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "preparing")


def ready(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "ready")


def deliver(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "delivering")


def pick_up(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "picked_up")


def complete(call: PayCall, request: StepRequest) -> object:
    return _step(call, request, "completed")


def _step(call: PayCall, request: StepRequest, to: Status) -> object:
    answer = call.fulfilment.take_step(request.order_id, to, request.actor)
    # Update the guest's card in WeChat at once. If WeChat doesn't answer, a timer does it later.
    with suppress(Unavailable):
        call.shipping.show_card(request.order_id, call.wechat, call.settings.wechat_appid)
    return answer


def refuse(call: PayCall, request: RefuseRequest) -> object:
    order = call.orders.get_order(request.order_id)
    return call.refunds.refuse_order(order, request.reason, request.actor).shown()


INTERNAL = {
    "price": Action(PriceQuoteRequest, price, QuoteAnswer),
    "explain": Action(OrderRequest, explain, ExplainAnswer),
    "accept": Action(StepRequest, accept, OrderAnswer),
    "prepare": Action(StepRequest, prepare, OrderAnswer),
    "ready": Action(StepRequest, ready, OrderAnswer),
    "deliver": Action(StepRequest, deliver, OrderAnswer),
    "pick_up": Action(StepRequest, pick_up, OrderAnswer),
    "complete": Action(StepRequest, complete, OrderAnswer),
    "refuse": Action(RefuseRequest, refuse, RefundAnswer),
}
