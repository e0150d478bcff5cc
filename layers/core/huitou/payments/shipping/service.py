"""Telling WeChat about a paid order: that it was handed over, and what its card shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from huitou.members.messaging.service import Messages
from huitou.members.profiles.service import Members
from huitou.ordering.orders.models import Order
from huitou.ordering.orders.service import Orders
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.shipping.models import CardOutcome, ShippingOutcome
from huitou.payments.shipping.rules import (
    BUSY,
    CARD_UNKNOWN_YET,
    CARD_WITHIN,
    NOT_YET,
    SHIPPED_BEFORE,
    TOLD_WITHIN,
    card_check,
    card_content,
    shipping_info,
)
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.triggers import DUE


class TradeManagement(Protocol):
    """WeChat's 交易管理: whether it manages our orders, and the report of their delivery."""

    def is_trade_managed(self) -> bool:
        """Tell whether WeChat holds the money back until it hears that the guest was served."""

    def upload_shipping_info(self, info: dict[str, Any]) -> int:
        """Report an order as handed over; returns WeChat's error code, 0 for success."""


class Cards(Protocol):
    """The cards that WeChat shows its users."""

    def show_card(
        self, openid: str, code: str, content: dict[str, Any], check: dict[str, int]
    ) -> int:
        """Show or change the card of a payment; returns WeChat's error code, 0 for success."""


class Shipping:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._clock = clock
        self._orders = Orders(database, clock, brand_id)
        self._members = Members(database, clock, brand_id)
        self._messages = Messages(database)
        self._discrepancies = Discrepancies(database, clock)

    def orders_to_ship(self) -> Iterator[str]:
        return self._orders.orders_due_for_wechat("shipping")

    def report_handover(
        self, order_id: str, wechat: TradeManagement, appid: str
    ) -> ShippingOutcome:
        """Tell WeChat that an order was handed over, if WeChat manages the trade."""
        order = self._orders.get_order(order_id)
        if not wechat.is_trade_managed() or order.status == "refunded":
            self._orders.note_update(order, "shipping", "not_needed")
            return "not needed"
        openid = self._members.openid_of(order.placed_by or order.member_id, appid)
        if openid is None:
            return self._not_shipped(order, "payer")
        error = wechat.upload_shipping_info(shipping_info(order, openid, self._clock.now()))
        late = order.paid_at is None or self._clock.now() > order.paid_at + TOLD_WITHIN
        if error in BUSY or (error in NOT_YET and not late):
            raise Unavailable(detail=str(error))
        if error and error not in SHIPPED_BEFORE:
            return self._not_shipped(order, str(error))
        self._orders.note_update(order, "shipping", "done")
        return "told"

    def _not_shipped(self, order: Order, reason: str) -> ShippingOutcome:
        self._orders.note_update(order, "shipping", "failed")
        self._discrepancies.note_difference(
            source="shipping",
            kind="shipping refused",
            reference=order.id,
            expected="told",
            found=reason,
            store_id=order.store_id,
        )
        return "refused"

    def due_cards(self) -> Iterator[str]:
        return self._orders.orders_due_for_wechat("card")

    def show_card(self, order_id: str, wechat: Cards, appid: str) -> CardOutcome:
        """Show the guest the progress of their order on WeChat's own card.

        The card belongs to the payment: it needs no consent, and only the payer sees it.
        """
        order = self._orders.get_order(order_id)
        if order.card != DUE:
            return "shown before"
        card, payment = self._messages.message_rules().pickup_card, order.wechat_payment
        content = card_content(order, card) if card is not None else None
        openid = self._members.openid_of(order.placed_by or order.member_id, appid)
        if content is None or payment is None or openid is None:
            self._orders.note_update(order, "card", "done" if card else "not_needed")
            return "nothing to show"
        error = wechat.show_card(openid, str(payment.transaction_id), content, card_check(order))
        late = order.paid_at is None or self._clock.now() > order.paid_at + CARD_WITHIN
        if error in BUSY or (error in CARD_UNKNOWN_YET and not late):
            raise Unavailable(detail=str(error))
        # No retry: a card that was never shown can't be changed, and the guest may have removed it.
        self._orders.note_update(order, "card", "failed" if error else "done")
        return "refused" if error else "shown"
