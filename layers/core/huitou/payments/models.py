"""Payments: each attempt to pay an order, each refund, and WeChat Pay's notices."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Record, Stored

PaymentStatus = Literal["open", "success", "closed", "surplus"]
RefundStatus = Literal["requested", "processing", "success", "abnormal", "closed"]


class Payment(Stored):
    """One attempt to pay an order; `id` is its out_trade_no, never used again once closed.

    `surplus`: money that came for an order already paid or cancelled; it is refunded.
    """

    order_id: str
    member_id: str
    attempt: int
    amount_fen: int
    status: PaymentStatus = "open"
    expires_at: datetime
    created_at: datetime
    prepay_id: str | None = None
    transaction_id: str | None = None
    success_at: datetime | None = None


class Refund(Stored):
    """Money going back for one payment; `id` is our out_refund_no.

    `order` refunds step the order to refunded when they succeed; `surplus` ones touch no order.
    """

    kind: Literal["order", "surplus"]
    order_id: str
    member_id: str
    out_trade_no: str | None = None
    amount_fen: int
    reason: str
    actor: str
    status: RefundStatus = "requested"
    created_at: datetime
    success_at: datetime | None = None


class Amount(Record):
    total: int
    currency: str = "CNY"


class Payer(Record):
    openid: str


class TransactionNotice(Record):
    """A payment as WeChat Pay tells it, in a callback or in answer to a query."""

    appid: str
    mchid: str
    out_trade_no: str
    trade_state: str
    transaction_id: str | None = None
    success_time: datetime | None = None
    amount: Amount | None = None
    payer: Payer | None = None


class RefundAmount(Record):
    refund: int


class RefundNotice(Record):
    """A refund as WeChat Pay tells it: `refund_status` in a callback, `status` in a query."""

    out_refund_no: str
    out_trade_no: str
    amount: RefundAmount
    refund_status: str = Field(default="", alias="status")
    success_time: datetime | None = None
