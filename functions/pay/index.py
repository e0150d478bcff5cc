"""pay: 试算 a cart, order it, pay it with WeChat Pay, cancel and refund it.

Callable by members (quote, create, prepay, status, cancel). HTTP access brings WeChat Pay's
callbacks; a timer closes unpaid orders and follows refunds; refund is for internal callers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from huitou.integrations.wechat_pay import WeChatPay
from huitou.members.service import Members
from huitou.orders.models import (
    CreateRequest,
    OrderRequest,
    PrepayAnswer,
    QuoteAnswer,
    QuoteRequest,
    RefundRequest,
    ShownOrder,
)
from huitou.orders.service import Orders
from huitou.payments.service import Payments
from huitou.runtime.errors import Code, HuitouError
from huitou.runtime.events import HttpRequest
from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.logs import log

_LONGEST_S = 26.0  # Query, close, query again and settle, each as slow as its timeout allows.
_NOTICE_STATUS = {Code.SIGNATURE_INVALID: 401, Code.NOTIFICATION_MISMATCH: 400}


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "pay",
        event,
        context,
        member=MEMBER,
        internal=INTERNAL,
        timer=_follow_up,
        http=_notification,
    )


def _member(call: Call) -> str:
    return Members(call.database, call.clock, call.settings.brand_id).id_of(call.member)


def _orders(call: Call) -> Orders:
    return Orders(call.database, call.clock, call.settings.brand_id)


def _payments(call: Call) -> Payments:
    gateway = WeChatPay(call.settings.wechat_pay)
    return Payments(call.database, call.clock, call.settings.brand_id, gateway)


def _create(call: Call, request: CreateRequest) -> object:
    return _orders(call).create(_member(call), request).shown()


def _prepay(call: Call, request: OrderRequest) -> object:
    return _payments(call).prepay(_member(call), call.member, request.order_id)


def _refund(call: Call, request: RefundRequest) -> object:
    return _payments(call).refund(**request.model_dump())


def _follow_up(call: Call) -> dict[str, Any]:
    payments = _payments(call)
    return call.sweep(
        {
            "unpaid": (payments.unpaid_due(), payments.close_unpaid),
            "refunds": (payments.refunds_due(), payments.carry_on_refund),
        },
        spare_s=_LONGEST_S,
    )


def _notification(call: Call, request: HttpRequest) -> tuple[int, object]:
    """Answer WeChat Pay: 200 takes the notice; anything else is sent again for 24 hours."""
    try:
        _payments(call).notification(request.headers, request.body, time.time())
    except HuitouError as error:
        log("notice_refused", code=error.code.name, field=error.field)
        status = _NOTICE_STATUS.get(error.code, 500)
        return status, {"code": "FAIL", "message": error.message()}
    return 200, {"code": "SUCCESS", "message": "成功"}


MEMBER = {
    "quote": Action(
        QuoteRequest, lambda call, r: _orders(call).quote(_member(call), r), QuoteAnswer
    ),
    "create": Action(CreateRequest, _create, ShownOrder),
    "prepay": Action(OrderRequest, _prepay, PrepayAnswer),
    "status": Action(
        OrderRequest, lambda call, r: _payments(call).status(_member(call), r.order_id), ShownOrder
    ),
    "cancel": Action(
        OrderRequest, lambda call, r: _payments(call).cancel(_member(call), r.order_id), ShownOrder
    ),
}
INTERNAL = {"refund": Action(RefundRequest, _refund, ShownOrder)}
