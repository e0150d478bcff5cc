"""Coupons: templates an operator sets, and the coupons members hold."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.promotions.offers.models import BEARER_NAMES, COUPON, Bearer, Limits, Terms
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit

USED_DAYS = 30  # Shown of a template.
Issued = Literal["issued", "issued_before", "limit_reached", "used_up"]
CouponStatus = Literal["issued", "locked", "redeemed", "expired", "revoked"]


class CouponTemplate(Stored):
    """A kind of coupon; what was issued keeps the terms of its revision.

    A coupon holds from its issue for `valid_days` days, or until the day `valid_until`, or to
    whichever comes first; that last day is included, in the zone of the store that takes it.
    `limits` are of issuing, but `budget_fen`, which is of what they take off.
    """

    name: str
    revision: int = 1
    terms: Terms = Field(title="优惠内容")
    valid_days: int | None = Field(
        default=None, ge=1, le=400, title="有效天数", description="自领取起，含当天"
    )
    valid_until: Day | None = Field(
        default=None, title="有效期至（含）", description="与有效天数都填时，先到者为准"
    )
    per_member_limit: int | None = Field(default=None, ge=1, title="每人限领")
    limits: Limits = Field(default=Limits(), title="发放限制")
    group: str = Field(default=COUPON, title="叠加组")
    borne_by: Bearer = Field(
        default="brand", title="承担方", json_schema_extra={"labels": BEARER_NAMES}
    )
    returns: bool = Field(default=True, title="整单退款后返还")
    transferable: bool = Field(default=False, title="可转赠")
    claimable: bool = Field(default=False, title="可在小程序领取")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.valid_days is None and self.valid_until is None:
            raise Unfit(
                "valid_days", "有效天数和有效期至少填一项",
                "valid_days or valid_until must say when it ends",
            )  # fmt: skip
        if self.per_member_limit is not None and self.limits.per_member is not None:
            raise Unfit(
                "per_member_limit", "每人限领与每人限次只填一项",
                "is limits.per_member: say it once",
            )  # fmt: skip
        return self

    @property
    def most_per_member(self) -> int | None:
        """How many one member may have; templates of before said it at the top."""
        return self.limits.per_member or self.per_member_limit

    @property
    def is_limited(self) -> bool:
        """Whether a member may have only so many."""
        limits = self.limits
        return bool(self.most_per_member or limits.per_member_day or limits.per_member_month)


class Revoked(Record):
    """Who took a coupon back, when and why."""

    actor: str
    reason: str
    at: datetime


class TillUse(Record):
    """Where, by whom and for which order of the till a coupon was redeemed."""

    store_id: str
    till_reference: str
    actor: str
    at: datetime


class Coupon(Stored):
    """One coupon of one member; its terms are frozen when it is issued.

    `id` is made from `cause` (why it was issued), so one cause never issues twice. `seq` counts a
    member's coupons of a limited template: 1 … limit, unique; `day_seq` and `month_seq` those of
    a day or month (`2026-03-02#1`). `piece` names its piece of a quota; one that is
    `budgeted` takes what it takes off from its template's budget. `redeemed_at` is when it was
    used, of one that is `redeemed`; older ones have none.
    """

    member_id: str
    template_id: str
    template_revision: int
    name: str
    terms: Terms
    group: str = COUPON
    borne_by: Bearer = "brand"
    returns: bool = True
    status: CouponStatus = "issued"
    cause: str
    piece: str | None = None
    budgeted: bool = False
    seq: int | None = None
    day_seq: str | None = None
    month_seq: str | None = None
    scene: str | None = None
    actor: str | None = None
    reason: str | None = None
    issued_at: datetime
    valid_until: datetime
    order_id: str | None = None
    redeemed_at: datetime | None = None
    revoked: Revoked | None = None
    till: TillUse | None = None
    transferable: bool = False
    given_by: str | None = None


class ClaimCouponRequest(Request):
    """Take a coupon that is offered to all; `claim_id` is the tap's: again is the same one."""

    template_id: str = Field(min_length=1, max_length=64)
    claim_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")


class IssueCouponRequest(Request):
    """Issue a coupon by hand, for a cause that is served once; why is kept with it."""

    member_id: str = Field(min_length=1, max_length=64)
    template_id: str = Field(min_length=1, max_length=64)
    cause: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,80}$")
    actor: str = Field(min_length=1, max_length=64)
    reason: str | None = Field(default=None, min_length=1, max_length=200)


class RevokeCouponRequest(Request):
    """Take one coupon back that is not in use; who asks and why is kept with it."""

    coupon_id: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=200)


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
    terms: Terms
    issued_at: datetime
    valid_until: datetime
    order_id: str | None


class WalletAnswer(Answer):
    """One page of the member's coupons, newest first; `next` is null on the last one."""

    coupons: list[ShownCoupon]
    next: str | None


class NamedTemplate(Answer):
    """A kind of coupon by its name."""

    template_id: str
    name: str


class NamedTemplates(Answer):
    """The chain's kinds of coupons, by id."""

    templates: list[NamedTemplate]


class TemplateRequest(Request):
    """Name one kind of coupon."""

    template_id: str = Field(min_length=1, max_length=64)


class TemplateForm(CouponTemplate):
    """A template as an operator writes it."""

    id: str = Field(
        alias="_id",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        title="券代号",
        description="字母、数字和短横线；保存后不再修改",
    )
    name: str = Field(min_length=1, max_length=40, title="名称", description="会员看到的名称")
    revision: int = Field(default=1, ge=1, title="版本号")


class PutTemplateRequest(Request):
    """Keep a kind of coupon: a new one, or a later revision of one there is."""

    template: TemplateForm


class ClaimLinkAnswer(Answer):
    """Where members take a coupon that is offered to all.

    `path` is the page in the mini-program, which calls `claim`; `link` opens it from a message or
    another app, for `days` days.
    """

    path: str
    link: str
    days: int


class TemplateState(Answer):
    """A kind of coupon, and what is left of its quota and budget; null where it has none."""

    template: CouponTemplate
    left: int | None
    left_fen: int | None


class TemplatesAnswer(Answer):
    """The chain's kinds of coupons, by id."""

    templates: list[TemplateState]


class UsedDay(Answer):
    """How many coupons were used on one of the chain's days."""

    day: str
    redeemed: int


class TemplateAnswer(TemplateState):
    """One kind of coupon, and how many were used on each of the last days."""

    days: list[UsedDay]
