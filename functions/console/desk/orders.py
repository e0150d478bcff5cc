"""orders: find them, show one with the explanation of its price, and refund it by line."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.catalog.stores.rules import store_day
from huitou.catalog.stores.service import Stores
from huitou.operations.console.lookup_models import (
    FindOrdersRequest,
    FoundOrders,
    OneOrderRequest,
    OneStoreRequest,
    TodayAnswer,
    WholeOrder,
)
from huitou.ordering.orders.models import ExplainAnswer
from huitou.ordering.orders.service import Orders
from huitou.payments.refunds.models import RefundAnswer, RefundRequest


def _explain(desk: Desk, request: OneOrderRequest) -> object:
    order = desk.lookups.get_order(request.order_id)
    return Orders(desk.database, desk.clock, desk.brand_id).explain_price(order.id)


def _refund(desk: Desk, request: RefundRequest) -> object:
    desk.lookups.get_order(request.order_id)  # NOT_FOUND if the person may not see it.
    # Only `pay` has the keys of WeChat Pay, because the console is open to the internet.
    return desk.ask("pay", "refund", request)


def _today(desk: Desk, request: OneStoreRequest) -> object:
    store = Stores(desk.database, desk.clock).get_store(desk.own(request.store_id))
    return {"today": store_day(store, desk.clock.now())}


def _search(desk: Desk, request: FindOrdersRequest) -> object:
    return desk.lookups.find_orders(request)


def _get(desk: Desk, request: OneOrderRequest) -> object:
    return desk.lookups.show_order(request.order_id)


ROUTES = {
    "today": Route(OneStoreRequest, _today, TodayAnswer),
    "search": Route(FindOrdersRequest, _search, FoundOrders),
    "get": Route(OneOrderRequest, _get, WholeOrder),
    "explain": Route(OneOrderRequest, _explain, ExplainAnswer),
    "refund": Route(
        RefundRequest,
        _refund,
        RefundAnswer,
        signed=("actor", "role"),
        target=lambda r: f"order {r.order_id}",
        after=lambda made: {"amount_fen": made["amount_fen"], "status": made["status"]},
    ),
}
