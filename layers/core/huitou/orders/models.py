"""Orders: what callers ask for, and the order as it is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from huitou.members.models import Channel
from huitou.points.models import EarningTerms
from huitou.pricing.models import MAX_LINES, CartItem, Discount, Line, Price
from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.tiers.models import ShownLevel

Status = Literal["created", "paying", "closing", "cancelled", "paid", "refunding", "refunded"]
Mode = Literal["dine_in", "pickup"]
Origin = Literal["live", "import"]


class QuoteRequest(Request):
    """试算: what would this cart cost me?"""

    store_id: str = Field(min_length=1, max_length=64)
    items: list[CartItem] = Field(min_length=1, max_length=MAX_LINES)
    mode: Mode = "dine_in"
    coupon_id: str | None = Field(default=None, min_length=1, max_length=64)
    points: int = Field(default=0, ge=0, le=100_000_000)


class CreateRequest(QuoteRequest):
    """Order the quoted cart at the price the member saw."""

    quote_id: str = Field(pattern=r"^q[0-9a-f]{32}$")
    payable_fen: int = Field(ge=0)


class OrderRequest(Request):
    """Name one of the caller's own orders."""

    order_id: str = Field(min_length=1, max_length=64)


class RefundRequest(OrderRequest):
    """Refund a whole order; internal callers only."""

    refund_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    reason: str = Field(min_length=1, max_length=80)
    actor: str = Field(min_length=1, max_length=64)


class Moment(Record):
    """One step of an order's life."""

    status: Status
    at: datetime


class Tender(Record):
    """One means by which an order was paid."""

    kind: Literal["wechat_pay", "till", "none"]
    amount_fen: int
    transaction_id: str | None = None


class GivenBack(Record):
    """A refund that has happened; several parts of one order each have theirs."""

    refund_id: str
    amount_fen: int
    at: datetime


class Order(Stored):
    """One order, priced and frozen.

    `settlement` is "due" whenever the ledgers may not hold what this state deserves, since
    `settlement_since` (real epoch seconds: how long something is under way is not business time);
    `version` rises with every such change. `terms` are frozen when it is paid. `refunds` are
    those that have happened; `refund_id` names the one that WeChat Pay is asked for.

    An order of `origin` "import" happened at the chain's till before it moved in: `source_id` is
    its number there; it has no lines, no quote and, where the file names none, no store.
    `rollup` is "due" whenever the KPIs may not hold it as it is; `counted_fen` is what they hold.
    """

    brand_id: str
    store_id: str | None = None
    member_id: str
    quote_id: str | None = None
    request_digest: str
    channel: Channel = "mini_program"
    origin: Origin = "live"
    source_id: str | None = None
    mode: Mode | None = None
    status: Status
    business_day: str
    created_at: datetime
    expires_at: datetime | None = None
    lines: list[Line] = Field(default=[])
    list_fen: int
    discounts: list[Discount] = Field(default=[])
    payable_fen: int
    coupon_id: str | None = None
    points_used: int = 0
    tenders: list[Tender] = Field(default=[])
    terms: EarningTerms | None = None
    paid_at: datetime | None = None
    refund_id: str | None = None
    refunds: list[GivenBack] = Field(default=[])
    settlement: Literal["due", "done"] | None = None
    settlement_since: float | None = None
    rollup: Literal["due", "done"] | None = None
    counted_fen: int = 0
    is_test: bool = False
    version: int = 1
    timeline: list[Moment] = Field(default=[])

    def shown(self) -> dict[str, Any]:
        """What the member sees of their own order."""
        fields = {"store_id", "status", "mode", "business_day", "created_at", "expires_at",
                  "lines", "list_fen", "discounts", "payable_fen", "coupon_id", "points_used",
                  "paid_at", "timeline"}  # fmt: skip
        return {"order_id": self.id} | self.model_dump(include=fields, exclude_none=True)


class LedgerOrder(Record):
    """The part of an order from which the ledgers follow."""

    id: str = Field(alias="_id")
    member_id: str
    status: Status
    business_day: str
    payable_fen: int
    points_used: int
    coupon_id: str | None = None
    origin: Origin = "live"
    paid_at: datetime | None = None
    refund_id: str | None = None
    refunds: list[GivenBack] = Field(default=[])
    terms: EarningTerms | None = None
    settlement: Literal["due", "done"] | None = None
    settlement_since: float = 0.0
    is_test: bool = False

    @classmethod
    def of(cls, order: Order) -> LedgerOrder:
        """Return this part of an order in hand."""
        fields = {name: getattr(order, name) for name in cls.model_fields}
        return cls.model_construct(**{k: v for k, v in fields.items() if v is not None})


class QuotedCoupon(Answer):
    """A coupon the member holds; `why_not` says why it does not fit this cart, null if it does."""

    coupon_id: str
    name: str
    valid_until: datetime
    why_not: str | None


class QuoteAnswer(Answer):
    """What the cart costs, what more the member could use, and the id to order it by."""

    quote_id: str
    store_open: bool
    price: Price
    payable_fen: int
    tier: ShownLevel
    points_max: int
    points_earned: int
    coupons: list[QuotedCoupon]


class ShownOrder(Answer):
    """A member's own order, as they see it."""

    order_id: str
    store_id: str | None = None
    status: Status
    mode: Mode | None = None
    business_day: str
    created_at: datetime
    expires_at: datetime | None = None
    lines: list[Line]
    list_fen: int
    discounts: list[Discount]
    payable_fen: int
    coupon_id: str | None = None
    points_used: int
    paid_at: datetime | None = None
    timeline: list[Moment]


class OrdersAnswer(Answer):
    """One page of the member's orders, newest first; `next` is null on the last one."""

    orders: list[ShownOrder]
    next: str | None


class PaymentParameters(Answer):
    """What `wx.requestPayment` takes, as it is."""

    time_stamp: str = Field(alias="timeStamp")
    nonce_str: str = Field(alias="nonceStr")
    package: str
    sign_type: Literal["RSA"] = Field(alias="signType")
    pay_sign: str = Field(alias="paySign")


class PrepayAnswer(Answer):
    """The order's status; `payment` while there is something to pay."""

    status: Status
    payment: PaymentParameters | None = None


LEDGER_FIELDS = {field.alias or name: 1 for name, field in LedgerOrder.model_fields.items()}
