"""试算: the cart that a guest asks the price of, and the answer."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from huitou.loyalty.tiers.shown_models import ShownLevel
from huitou.ordering.quotes.models import MAX_LINES, CartItem, Price
from huitou.promotions.offers.models import Mode
from huitou.runtime.documents import Answer, Request, Unfit
from huitou.runtime.typed import Name, Phone


class Delivery(Request):
    """Where a 外送 order goes. Personal data: only the member and the store see it."""

    name: Name = Field(min_length=1, max_length=32)
    phone: Phone = Field(pattern=r"^\+?[0-9\-]{5,20}$")
    address: Name = Field(min_length=1, max_length=200)


class QuoteRequest(Request):
    """试算: what would this cart cost me?

    With `coupons` "best", the price uses the cheapest combination of the member's coupons. With
    "named", it uses exactly the coupons in `coupon_id` and `coupon_ids`. A 堂食 order may name its
    `table`. A 预约 order says when the guest wants it (`pickup_at`) and a 外送 order where it goes
    (`delivery`); a quote may leave both out, `create` needs them.
    """

    store_id: str = Field(min_length=1, max_length=64)
    items: list[CartItem] = Field(min_length=1, max_length=MAX_LINES)
    mode: Mode = "dine_in"
    coupons: Literal["named", "best"] = "named"
    coupon_id: str | None = Field(default=None, min_length=1, max_length=64)
    coupon_ids: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[], max_length=5
    )
    points: int = Field(default=0, ge=0, le=100_000_000)
    table: Name | None = Field(default=None, min_length=1, max_length=16)
    pickup_at: AwareDatetime | None = None
    delivery: Delivery | None = None

    @model_validator(mode="after")
    def _names_coupons_or_lets_choose(self) -> Self:
        if self.coupons == "best" and self.named_coupons:
            raise Unfit("coupons", "自动选券时不能指定优惠券", "with best, none is named")
        return self

    @property
    def named_coupons(self) -> list[str]:
        """The coupons that the request names, without repetitions."""
        first = [self.coupon_id] if self.coupon_id else []
        return list(dict.fromkeys([*first, *self.coupon_ids]))


class QuotedCoupon(Answer):
    """A coupon the member holds; `why_not` says why it does not fit this cart, null if it does.

    `off_fen` is what it takes off in the best combination, 0 if that doesn't use it.
    """

    coupon_id: str
    name: str
    valid_until: datetime
    why_not: str | None
    off_fen: int = 0


class BestCombination(Answer):
    """The cheapest price with the member's coupons, before points; `exact` if it is proved."""

    coupon_ids: list[str]
    payable_fen: int
    exact: bool


class QuoteAnswer(Answer):
    """What a cart costs this member now.

    At most `points_max` points may pay for a part of it; it would earn `points_earned` points.
    """

    quote_id: str
    store_open: bool
    price: Price
    payable_fen: int
    tier: ShownLevel
    points_max: int
    points_earned: int
    coupons: list[QuotedCoupon]
    best: BestCombination


class PriceQuoteRequest(QuoteRequest):
    """Ask what a cart would cost a member. For staff and the CLI; writes nothing."""

    member_id: str = Field(min_length=1, max_length=64)
