"""Coupons: templates an operator sets, and the coupons members hold."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Stored

CouponStatus = Literal["issued", "locked", "redeemed", "expired"]


class CouponTerms(Record):
    """What a coupon does: `off_fen` off an order of at least `threshold_fen`.

    The threshold looks at the amount after the tier's discount (`running`) or before (`list`).
    """

    threshold_fen: int = Field(ge=0)
    off_fen: int = Field(ge=1)
    threshold_base: Literal["list", "running"] = "running"
    store_ids: list[str] = Field(default=[], description="empty = every store")


class CouponTemplate(Stored):
    """A kind of coupon; what was issued keeps the terms of its revision."""

    name: str
    revision: int = 1
    terms: CouponTerms
    valid_days: int = Field(ge=1, le=400, description="business days, the last one included")
    per_member_limit: int | None = Field(default=None, ge=1)


class Coupon(Stored):
    """One coupon of one member; its terms are frozen when it is issued.

    `id` is made from `cause` (why it was issued), so one cause never issues twice. `seq`
    counts a member's coupons of a limited template: 1 … limit, unique.
    """

    member_id: str
    template_id: str
    template_revision: int
    name: str
    terms: CouponTerms
    status: CouponStatus = "issued"
    cause: str
    seq: int | None = None
    scene: str | None = None
    issued_at: datetime
    valid_until: datetime
    order_id: str | None = None


class Scene(Stored):
    """A 桌贴 or 收银台台卡: its code (`id`) leads to a store and to a welcome coupon."""

    store_id: str
    kind: Literal["table", "till"]
    template_id: str


class ShownCoupon(Answer):
    """A coupon as its member sees it; `order_id` is the order that holds or has used it."""

    coupon_id: str
    name: str
    status: CouponStatus
    terms: CouponTerms
    issued_at: datetime
    valid_until: datetime
    order_id: str | None


class WalletAnswer(Answer):
    """One page of the member's coupons, newest first; `next` is null on the last one."""

    coupons: list[ShownCoupon]
    next: str | None
