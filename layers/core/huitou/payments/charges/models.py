"""Payments: each attempt to pay an order, and WeChat Pay's notices of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.catalog.stores.models import Merchant
from huitou.ordering.orders.models import Status
from huitou.payments.profit_sharing.models import ShareTerms
from huitou.runtime.documents import Answer, Record, Request, Stored

NUMBER = r"^[0-9A-Za-z_\-|*@]{1,64}$"  # What WeChat Pay allows in a number of ours or its own.
MOST_FEN = 10**12
PaymentStatus = Literal["open", "success", "closed", "surplus"]
NoticeOutcome = Literal["paid", "surplus", "repeated", "not paid"]
ClosingOutcome = Literal["paid", "closed"]
AskingOutcome = ClosingOutcome | Literal["not paid", "decided"]


class BillMark(Record):
    """Where WeChat Pay's own bill shows a payment or refund, and the fee it took (or gave back)."""

    day: str
    fee_fen: int


class Payment(Stored):
    """One attempt to pay an order; `id` is its out_trade_no, never used again once closed.

    `surplus`: money that came for an order already paid or cancelled; it is refunded.
    `ask_at` is when WeChat Pay is asked next, should no notice come.
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
    ask_at: datetime | None = None
    bill: BillMark | None = None


class Amount(Record):
    total: int = Field(ge=0, le=MOST_FEN)
    currency: str = Field(default="CNY", max_length=16)


class Payer(Record):
    """Whose money: by the merchant's appid, or in partner mode by the provider's or the store's."""

    openid: str | None = None
    sp_openid: str | None = None
    sub_openid: str | None = None


class TransactionNotice(Record):
    """A payment as WeChat Pay tells it, in a callback or in answer to a query.

    Direct mode names `appid` and `mchid`, partner mode `sp_…` and `sub_…`.
    """

    appid: str | None = None
    mchid: str | None = None
    sp_appid: str | None = None
    sp_mchid: str | None = None
    sub_appid: str | None = None
    sub_mchid: str | None = None
    out_trade_no: str = Field(pattern=NUMBER)
    trade_state: str = Field(max_length=32)
    transaction_id: str | None = Field(default=None, pattern=NUMBER)
    success_time: datetime | None = None
    amount: Amount | None = None
    payer: Payer | None = None


class ClientPayment(Answer):
    """What `wx.requestPayment` takes, signed by the merchant."""

    timeStamp: str  # noqa: N815  WeChat's own names
    nonceStr: str  # noqa: N815
    package: str
    signType: str  # noqa: N815
    paySign: str  # noqa: N815


class PrepayAnswer(Answer):
    """The way to pay an order; without `payment` it is paid already, and `status` says so."""

    status: Status
    payment: ClientPayment | None = None


class AskPaymentRequest(Request):
    """Ask WeChat Pay about one attempt to pay, whatever we think of it."""

    out_trade_no: str = Field(pattern=NUMBER)


class AskedAnswer(Answer):
    """An attempt after WeChat Pay was asked: `surplus` money goes back by itself."""

    out_trade_no: str
    order_id: str
    status: PaymentStatus
