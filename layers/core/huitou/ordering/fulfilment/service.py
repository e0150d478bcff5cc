"""A paid order's way to the guest: accepted, made, handed over, completed."""

from __future__ import annotations

from collections.abc import Iterator

from huitou.ordering.fulfilment.errors import FulfilmentErrors
from huitou.ordering.fulfilment.rules import fits_mode
from huitou.ordering.orders.errors import ORDER_STATUS
from huitou.ordering.orders.models import Invoice, InvoiceRequest, OrderAnswer, Status
from huitou.ordering.orders.rules import SERVED
from huitou.ordering.orders.service import Orders
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


class Fulfilment:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._clock = clock
        self._orders = Orders(database, clock, brand_id)

    def take_step(self, order_id: str, to: Status, actor: str) -> OrderAnswer:
        """Move the order to the status `to`; repeating the same step changes nothing.

        Raises Refusal ORDER_NOT_AT_THIS_STEP, which names the order's present status.
        """
        order = self._orders.get_order(order_id)
        if order.status != to:
            live = order.origin == "live"
            if (
                not live
                or not fits_mode(order, to)
                or not self._orders.move_paid_order(order, to, actor)
            ):
                status = self._orders.get_order(order_id).status
                raise Refusal(
                    FulfilmentErrors.ORDER_NOT_AT_THIS_STEP,
                    field="order_id",
                    detail=ORDER_STATUS[status],
                )
            order = self._orders.get_order(order_id)
        return order.shown()

    def orders_to_complete(self) -> Iterator[str]:
        return self._orders.orders_to_complete()

    def complete_order(self, order_id: str) -> Status:
        """Complete an order that nobody completed by hand in time; return its status then."""
        order = self._orders.get_order(order_id)
        return (
            "completed" if self._orders.move_paid_order(order, "completed", None) else order.status
        )

    def ask_invoice(self, member_id: str, request: InvoiceRequest) -> OrderAnswer:
        """Keep the guest's request for an invoice of a paid order; the first request stands.

        Raises Refusal ORDER_NOT_AT_THIS_STEP if the order isn't paid or all of it was refunded.
        """
        order = self._orders.own_order(member_id, request.order_id)
        if order.status not in SERVED or order.left_fen == 0:
            raise Refusal(
                FulfilmentErrors.ORDER_NOT_AT_THIS_STEP,
                field="order_id",
                detail=ORDER_STATUS[order.status],
            )
        fields = request.model_dump(exclude={"order_id"})
        self._orders.keep_invoice_request(order, Invoice(**fields, asked_at=self._clock.now()))
        return self._orders.own_order(member_id, order.id).shown()
