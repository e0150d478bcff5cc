"""Payments: each attempt to pay an order, and WeChat Pay's notices of it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.catalog.stores.models import Merchant
from huitou.ordering.orders.models import Status
from huitou.payments.profit_sharing.models import ShareTerms
from huitou.payments.wechat_pay.models import Told
from huitou.runtime.documents import Answer, Record, Request, Stored

NUMBER = r"^[0-9A-Za-z_\-|*@]{1,64}$"  # What WeChat Pay allows in our numbers and uses in its own.
MOST_FEN = 10**12
PaymentStatus = Literal["open", "success", "closed", "surplus"]
NoticeOutcome = Literal["paid", "surplus", "repeated", "not paid"]
ClosingOutcome = Literal["paid", "closed"]
AskingOutcome = ClosingOutcome | Literal["not paid", "decided"]


class BillMark(Record):
    """The day of the WeChat Pay bill that shows a payment or refund, and the fee in that row.

    The fee is negative where WeChat Pay gave it back.
    """

    day: str
    fee_fen: int


class Payment(Stored):
    """One attempt to pay an order; `id` is its out_trade_no, which no other attempt ever uses.

    `surplus` means that money came for an order already paid or cancelled; we refund it.
    `ask_at` is when we ask WeChat Pay next, if no notice comes before. `payer` is a hash of the
    WeChat that opened it, for no other one can pay it; attempts of earlier versions don't have it.
    """

    order_id: str
    member_id: str
    payer: str | None = None
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


class Amount(Told):
    total: int = Field(ge=0, le=MOST_FEN)
    currency: str = Field(default="CNY", max_length=16)


class Payer(Told):
    """Who paid: their openid at the merchant's appid.

    In partner mode it is their openid at the provider's appid or at the store's.
    """

    openid: str | None = None
    sp_openid: str | None = None
    sub_openid: str | None = None


class TransactionNotice(Told):
    """A payment as WeChat Pay describes it, in a callback or in the answer to a query.

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
    signType: Literal["RSA"]  # noqa: N815
    paySign: str  # noqa: N815


class PrepayAnswer(Answer):
    """How to pay an order. Without `payment` the order is paid already, and `status` says so."""

    status: Status
    payment: ClientPayment | None = None


class AskPaymentRequest(Request):
    """Ask WeChat Pay about one attempt to pay, whatever status we have stored for it."""

    out_trade_no: str = Field(pattern=NUMBER)


class AskedAnswer(Answer):
    """An attempt after we have asked WeChat Pay; `surplus` money is refunded automatically."""

    out_trade_no: str
    order_id: str
    status: PaymentStatus
