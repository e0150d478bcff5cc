"""The points mall (积分商城): what points are exchanged for, and what was."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Request, Stored


class MallItem(Stored):
    """Something that members exchange points for: a coupon.

    `stock` is how many there are in all, those that are gone included, so that a later revision
    adds to it by naming the new sum; they are counted from the first revision that has one. The
    limit per member is the mall's own, whatever the template says of coupons given for nothing.
    Valid on the brand's business days from `valid_from` to `valid_until`, both included.
    """

    revision: int = Field(default=1, ge=1)
    name: str = Field(min_length=1, max_length=40, title="名称")
    points: int = Field(ge=1, le=10_000_000, title="所需积分")
    template_id: str = Field(min_length=1, max_length=64, title="优惠券模板")
    stock: int | None = Field(
        default=None, ge=0, title="总库存", description="含已兑换的数量；空：不限"
    )
    per_member: int | None = Field(default=None, ge=1, title="每人限兑")
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")
    listed: bool = Field(default=True, title="上架")

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until must not be before valid_from")
        return self


class Stock(Stored):
    """How many of an item (`id`) are gone."""

    taken: int


class Exchange(Stored):
    """One exchange: points for a coupon; `id` is its hold's, and the coupon's cause.

    `seq` counts the member's exchanges of the item: 1, 2 …, unique, so that of two at once one
    has to see the other.
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
    """Exchange points for an item; made by the client, `exchange_id` makes a repeat safe."""

    item_id: str = Field(min_length=1, max_length=64)
    exchange_id: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")


class ShownItem(Answer):
    """An item as a member sees it; `left` is null where there is no end of it.

    `why_not` says in the member's words why they can't have it now.
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
