"""Payments: each attempt to pay an order, and WeChat Pay's notices of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from huitou.runtime.documents import Record, Stored
from huitou.sharing.models import ShareTerms

PaymentStatus = Literal["open", "success", "closed", "surplus"]


class Merchant(Record):
    """Who takes the money; frozen on each payment, since a store may change its merchant.

    Direct mode: the chain's own `mchid`. Partner mode (服务商): `mchid` is the provider's
    (sp_mchid) and `sub_mchid` the store's.
    """

    mchid: str
    sub_mchid: str | None = None


class BillMark(Record):
    """Where WeChat Pay's own bill shows a payment or refund, and the fee it took (or gave back)."""

    day: str
    fee_fen: int


class Payment(Stored):
    """One attempt to pay an order; `id` is its out_trade_no, never used again once closed.

    `surplus`: money that came for an order already paid or cancelled; it is refunded.
    """

    order_id: str
    member_id: str
    attempt: int
    amount_fen: int
    store_id: str | None = None
    merchant: Merchant | None = None
    sharing: ShareTerms | None = None
    status: PaymentStatus = "open"
    expires_at: datetime
    created_at: datetime
    prepay_id: str | None = None
    transaction_id: str | None = None
    success_at: datetime | None = None
    bill: BillMark | None = None


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
