"""Orders: the requests and answers of callers, and the stored order."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from huitou.catalog.stores.models import Merchant
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.points.models import LotMove
from huitou.members.profiles.models import Channel
from huitou.ordering.orders.quote_models import Delivery, QuoteRequest
from huitou.ordering.quotes.models import OwnInputs, Price, PriceInputs
from huitou.promotions.discounts.models import Discount, Line
from huitou.promotions.offers.models import Mode
from huitou.promotions.quotas.models import OrderUse
from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.runtime.limits import Fen
from huitou.runtime.typed import Code, Name, Word

# Where an order is in its life. `refund_status` says separately what became of its money.
Status = Literal[
    "created", "paying", "closing", "cancelled",
    "paid", "accepted", "preparing", "ready", "delivering", "picked_up", "completed",
    "refunding", "refunded",
]  # fmt: skip
RefundStatus = Literal["refunding", "partially_refunded", "refunded"]
Origin = Literal["live", "import"]
# What WeChat must be told about an order: that it was handed over, or its 取餐 card's new state.
WeChatUpdate = Literal["shipping", "card"]
TellingOutcome = Literal["done", "not_needed", "failed"]


class CreateRequest(QuoteRequest):
    """Order the quoted cart at the price the member saw."""

    quote_id: str = Field(pattern=r"^q[0-9a-f]{32}$")
    payable_fen: Fen

    @property
    def cart(self) -> QuoteRequest:
        """The request without its quote, so that the same cart can be quoted again."""
        return QuoteRequest.model_validate(self.model_dump(include=set(QuoteRequest.model_fields)))


class OrderRequest(Request):
    """Name one of the caller's own orders."""

    order_id: str = Field(min_length=1, max_length=64)


class Moment(Record):
    """One step of an order's life; without `actor`, the guest or the system took it."""

    status: Status | RefundStatus
    at: datetime
    actor: str | None = None


class Tender(Record):
    """One means by which an order was paid; `out_trade_no` is the attempt that paid it."""

    kind: Literal["wechat_pay", "till", "none"]
    amount_fen: int
    transaction_id: str | None = None
    out_trade_no: str | None = None
    merchant: Merchant | None = None


class LineBack(Record):
    """Pieces of one line that are refunded, and the amount that was paid for them."""

    line: int
    quantity: int
    amount_fen: int


class PendingRefund(Record):
    """A refund under way. Its money counts as refunded unless WeChat Pay closes the refund."""

    refund_id: str
    amount_fen: int
    lines: list[LineBack] = Field(default=[])


class GivenBack(PendingRefund):
    """A refund that has happened. One order may have several, each for a part of it."""

    at: datetime


class InvoiceRequest(OrderRequest):
    """开票: ask for an invoice of a paid order (e-commerce law, article 14)."""

    title: Name = Field(min_length=1, max_length=100)
    tax_number: Code | None = Field(default=None, max_length=20, pattern=r"^[0-9A-Z]{15,20}$")
    email: Word | None = Field(
        default=None, max_length=193, pattern=r"^[^@\s]{1,64}@[^@\s]{1,128}$"
    )


class Invoice(Record):
    """The invoice that the guest asked for; a company's invoice has a tax number."""

    title: str
    tax_number: str | None = None
    email: str | None = None
    asked_at: datetime


NOBODY = ""  # The member of an imported order without a guest: no member has this id.


class Order(Stored):
    """One order with its frozen price.

    `settlement` is "due" whenever the ledgers may lack entries that the order's state calls for.
    `settlement_since` says since when, in real epoch seconds, because it measures a delay and not
    business time; it goes when the order is settled. `version` rises with every step and refund.
    `terms` are the earning terms, frozen when the order is paid. `refunds` are those that have
    happened; `refunding` are those that WeChat Pay was asked for. While everything that is left is
    being refunded, the status is `refunding`; if WeChat Pay closes the refund, the order returns
    to `before_refund`. An order can be paid until `expires_at`, which goes when it is paid or
    cancelled. A timer completes a paid order at `complete_by`.

    An order of `origin` "import" was made at the chain's till before the chain used this system.
    `source_id` is its number there. Where the file names none, it has no lines or
    no store. `undone_by` is the import with which it was taken back: the same order may come in
    again, as another document.
    `points_drawn` are the lots from which `points_used` were set aside. `priced_with` are the
    facts that its price follows from, as far as they aren't shared with other orders. Older orders
    have all of them in `price_inputs`; still older ones have neither, because their price followed
    from the tier and one coupon. `uses` are the units of offers' limits that the order took.
    `coupon_id` is the first of `coupon_ids`; older readers expect it.
    `placed_by` is the member who placed it, if they were merged into `member_id` since.
    `rollup` is "due" whenever the KPIs may not contain the order's present state; `counted_fen` is
    the amount that they contain. `features` and `featured_fen` are the same for the member's
    features. `shipping` and `card` are "due" while WeChat must still be told that the order was
    handed over, or the new state of its 取餐 card.
    """

    LEFT_OUT: ClassVar[dict[str, Any]] = {
        "origin": "live",
        "discounts": [],
        "delivery_fen": 0,
        "coupon_ids": [],
        "uses": [],
        "points_drawn": [],
        "tenders": [],
        "refunding": [],
        "refunds": [],
        "counted_fen": 0,
        "featured_fen": 0,
        "is_test": False,
    }

    brand_id: str
    store_id: str | None = None
    member_id: str
    placed_by: str | None = None
    request_digest: str
    channel: Channel = "mini_program"
    origin: Origin = "live"
    source_id: str | None = None
    undone_by: str | None = None
    mode: Mode | None = None
    table: str | None = None
    pickup_at: datetime | None = None
    delivery: Delivery | None = None
    status: Status
    business_day: str
    created_at: datetime
    expires_at: datetime | None = None
    lines: list[Line] = Field(default=[])
    list_fen: int
    discounts: list[Discount] = Field(default=[])
    delivery_fen: int = 0
    payable_fen: int
    coupon_id: str | None = None
    coupon_ids: list[str] = Field(default=[])
    price_inputs: PriceInputs | None = None
    priced_with: OwnInputs | None = None
    uses: list[OrderUse] = Field(default=[])
    points_used: int = 0
    points_drawn: list[LotMove] = Field(default=[])
    tenders: list[Tender] = Field(default=[])
    terms: EarningTerms | None = None
    paid_at: datetime | None = None
    pickup_number: int | None = None
    complete_by: datetime | None = None
    completed_at: datetime | None = None
    refund_status: RefundStatus | None = None
    refunding: list[PendingRefund] = Field(default=[])
    refunds: list[GivenBack] = Field(default=[])
    before_refund: Status | None = None
    invoice: Invoice | None = None
    shipping: Literal["due"] | TellingOutcome | None = None
    card: Literal["due"] | TellingOutcome | None = None
    settlement: Literal["due", "done"] | None = None
    settlement_since: float | None = None
    rollup: Literal["due", "done"] | None = None
    counted_fen: int = 0
    features: Literal["due", "done"] | None = None
    featured_fen: int = 0
    is_test: bool = False
    version: int = 1
    timeline: list[Moment] = Field(default=[])

    def document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it; its parts leave out their defaults too."""
        stored = super().document()
        if self.terms is not None:
            stored["terms"] = self.terms.kept()
        if self.priced_with is not None:
            stored["priced_with"] = self.priced_with.model_dump(exclude_defaults=True)
        return stored

    @property
    def left_fen(self) -> int:
        """The paid amount less all refunds, those under way included."""
        return self.payable_fen - sum(b.amount_fen for b in (*self.refunds, *self.refunding))

    @property
    def wechat_payment(self) -> Tender | None:
        """The part that was paid with WeChat Pay, None if there is none."""
        return next((tender for tender in self.tenders if tender.kind == "wechat_pay"), None)

    @property
    def used_coupons(self) -> list[str]:
        """The coupons that the order has locked or used."""
        return used_coupons(self.coupon_ids, self.coupon_id)

    def shown(self) -> "OrderAnswer":
        """Return the order as its member may see it."""
        fields = {name: getattr(self, name) for name in OrderAnswer.model_fields if name in _OWN}
        number = f"{self.pickup_number:03d}" if self.pickup_number is not None else None
        # Guests must not learn which member of staff took a step.
        fields["timeline"] = [m.model_copy(update={"actor": None}) for m in self.timeline]
        return OrderAnswer.model_construct(order_id=self.id, pickup_number=number, **fields)


class OrderAnswer(Answer):
    """A member's own order. Moments are ISO 8601; amounts are fen.

    `pickup_number` is the number that the counter calls out; each store starts again at 1 every
    business day. `status` says where the food is, `refund_status` what happens to the money.
    """

    order_id: str
    store_id: str | None = None
    status: Status
    refund_status: RefundStatus | None = None
    mode: Mode | None = None
    table: str | None = None
    pickup_at: datetime | None = None
    delivery: Delivery | None = None
    pickup_number: str | None = None
    business_day: str
    created_at: datetime
    expires_at: datetime | None = None
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    lines: list[Line] = Field(default=[])
    list_fen: int
    delivery_fen: int = 0
    discounts: list[Discount] = Field(default=[])
    payable_fen: int
    coupon_id: str | None = None
    coupon_ids: list[str] = Field(default=[])
    points_used: int = 0
    refunding: list[PendingRefund] = Field(default=[])
    refunds: list[GivenBack] = Field(default=[])
    invoice: Invoice | None = None
    timeline: list[Moment] = Field(default=[])


_OWN = set(OrderAnswer.model_fields) & set(Order.model_fields) - {"pickup_number"}


def used_coupons(coupon_ids: list[str], coupon_id: str | None) -> list[str]:
    """Return an order's coupons. An older order names at most one, in `coupon_id`."""
    return coupon_ids or ([coupon_id] if coupon_id else [])


class ExplainAnswer(Answer):
    """How an order's price came about, calculated again from the inputs kept with the order.

    `payable_fen` and `discounts` are the order's own; `again` is the price calculated now; `same`
    says whether both agree. All of `inputs`, `again` and `same` are null for an old order without
    inputs.
    """

    order_id: str
    status: Status
    lines: list[Line]
    list_fen: int
    delivery_fen: int
    discounts: list[Discount]
    payable_fen: int
    inputs: PriceInputs | None
    again: Price | None
    same: bool | None


class OrdersAnswer(Answer):
    """A page of the member's own orders, newest first; `next` is the cursor of the next page."""

    orders: list[OrderAnswer]
    next: str | None
