"""The points mall (积分商城): its items, and the exchanges of points for them."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Request, Stored, Unfit
from huitou.runtime.limits import Count, Revision, SomeCount


class MallItem(Stored):
    """An item that members exchange points for; it brings a coupon.

    `stock` is the total, including what is exchanged already: to add more, a later revision names
    the new total. Exchanges are counted from the first revision that has a stock. `per_member` is
    the mall's own limit; the template's limit on coupons given for nothing doesn't apply. Items
    are valid on the brand's business days from `valid_from` to `valid_until`, both included.
    """

    revision: Revision = 1
    name: str = Field(min_length=1, max_length=40, title="名称")
    points: int = Field(ge=1, le=10_000_000, title="所需积分")
    template_id: str = Field(min_length=1, max_length=64, title="优惠券模板")
    stock: Count | None = Field(
        default=None, title="总库存", description="含已兑换的数量；空：不限"
    )
    per_member: SomeCount | None = Field(default=None, title="每人限兑")
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")
    listed: bool = Field(default=True, title="上架")

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise Unfit("valid_until", "不能早于开始日期", "must not be before valid_from")
        return self


class Stock(Stored):
    """How many of an item (`id`) are exchanged already."""

    taken: int


class Exchange(Stored):
    """One exchange of points for a coupon; `id` is also the hold's id and the coupon's cause.

    `seq` numbers the member's exchanges of the item from 1. It is unique: if two exchanges run at
    once, one of them fails on it, runs again and counts the other.
    """

    member_id: str
    item_id: str
    item_revision: int
    points: int
    seq: int
    coupon_id: str
    at: datetime


class MallRequest(Request):
    """List what points can be exchanged for."""


class ExchangeRequest(Request):
    """Exchange points for an item; the client makes `exchange_id`, which makes a repeat safe."""

    item_id: str = Field(min_length=1, max_length=64)
    exchange_id: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")


class ShownItem(Answer):
    """An item as a member sees it; `left` is null if the stock is unlimited.

    `why_not` says in the member's language why they can't have it now; null if they can.
    """

    item_id: str
    name: str
    points: int
    left: int | None
    per_member: int | None
    valid_until: str | None
    why_not: str | None


class MallAnswer(Answer):
    """What the member can spend, and the items on offer, the cheapest first."""

    available: int
    items: list[ShownItem]


class ExchangeAnswer(Answer):
    """What was exchanged, and the coupon as it is now."""

    exchange_id: str
    item_id: str
    points: int
    coupon: ShownCoupon
