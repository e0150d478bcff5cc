"""Coupons: the templates that an operator sets, and the coupons that members hold."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.coupons.issuing.roles import GiverRole
from huitou.promotions.offers.models import BEARER_NAMES, COUPON, Bearer, Limits, Terms
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.limits import Id, Revision, ShortText, SomeCount
from huitou.runtime.typed import Name

Issued = Literal["issued", "issued_before", "limit_reached", "used_up"]
CouponStatus = Literal["issued", "locked", "redeemed", "expired", "revoked"]


class CouponTemplate(Stored):
    """A kind of coupon; coupons that were issued keep the terms of their revision.

    A coupon is valid for `valid_days` days from its issue, or until the day `valid_until`; if both
    are set, until whichever comes first. The last day is included, in the zone of the store that
    takes the coupon. `limits` limit how many are issued, except `budget_fen`, which limits the
    money that the coupons take off.
    """

    name: ShortText
    revision: Revision = 1
    terms: Terms = Field(title="优惠内容")
    valid_days: int | None = Field(
        default=None, ge=1, le=400, title="有效天数", description="自领取起，含当天"
    )
    valid_until: Day | None = Field(
        default=None,
        title="有效期至（含）",
        description="到门店这一营业日结束为止；与有效天数都填时，先到者为准",
    )
    per_member_limit: SomeCount | None = Field(default=None, title="每人限领")
    limits: Limits = Field(default=Limits.model_construct(), title="发放限制")
    group: Id = Field(default=COUPON, title="叠加组")
    borne_by: Bearer = Field(
        default="brand", title="承担方", json_schema_extra={"labels": BEARER_NAMES}
    )
    returns: bool = Field(default=True, title="整单退款后返还")
    transferable: bool = Field(default=False, title="可转赠")
    claimable: bool = Field(
        default=False, title="可在小程序领取", description="须填总份数和每人限次"
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.valid_days is None and self.valid_until is None:
            raise Unfit(
                "valid_days",
                "有效天数和有效期至少填一项",
                "valid_days or valid_until must say when it ends",
            )
        if self.per_member_limit is not None and self.limits.per_member is not None:
            raise Unfit(
                "per_member_limit",
                "每人限领与每人限次只填一项",
                "is limits.per_member: say it once",
            )
        return self

    @property
    def most_per_member(self) -> int | None:
        """The limit for one member; None if there is none. Old templates have it at the top."""
        return self.limits.per_member or self.per_member_limit

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit for one member: ever, a day or a month."""
        limits = self.limits
        return bool(self.most_per_member or limits.per_member_day or limits.per_member_month)


class SavedTemplate(CouponTemplate):
    """A template as somebody saves it now; stored ones of earlier versions may lack limits."""

    @model_validator(mode="after")
    def _claims_end(self) -> Self:
        if self.claimable and self.limits.quota is None:
            raise Unfit(
                "limits.quota",
                "可在小程序领取的券须填总份数",
                "a coupon that members may claim needs a quota",
            )
        if self.claimable and not self.is_limited:
            raise Unfit(
                "limits.per_member",
                "可在小程序领取的券须填每人限次",
                "a coupon that members may claim needs a limit for one member",
            )
        return self


class Revoked(Record):
    """Who revoked a coupon, when and why."""

    actor: str
    reason: str
    at: datetime


class TillUse(Record):
    """Where, by whom and for which of the till's orders a coupon was redeemed."""

    store_id: str
    till_reference: str
    actor: str
    at: datetime


class Coupon(Stored):
    """One coupon of one member; its terms are frozen when it is issued.

    `id` is made from `cause` (why it was issued), so one cause never issues two coupons.
    `issued_to` is the member who got it first; the limits count by this member, whoever holds it
    now. `seq` counts a member's coupons of a limited template, 1 to the limit, and is unique;
    `day_seq` and `month_seq` count those of a day or month (`2026-03-02#1`). `piece` names the unit
    of the quota that it used. If it is `budgeted`, the money it takes off counts against its
    template's budget. `redeemed_at` is when it was used; old coupons that are `redeemed` don't
    have it.
    """

    member_id: str
    issued_to: str | None = None
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
    times_given: int = 0

    @property
    def hand(self) -> int:
        """How often it was given to another member; gifts and till tokens are for one hand only.

        Coupons that the version before gave away say only by whom: they count as given once.
        """
        return max(self.times_given, 1 if self.given_by else 0)

    def shown(self) -> "ShownCoupon":
        """Return the coupon as its member sees it."""
        names = ShownCoupon.model_fields.keys() - {"coupon_id"}
        return ShownCoupon(coupon_id=self.id, **{name: getattr(self, name) for name in names})


class ClaimCouponRequest(Request):
    """Take a coupon that is offered to all members.

    `claim_id` names the member's tap; a repeated call with the same id brings the same coupon.
    """

    template_id: str = Field(min_length=1, max_length=64)
    claim_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")


class IssueCouponRequest(Request):
    """Issue a coupon by hand. One `cause` brings one coupon; `reason` is kept with it.

    Only internal callers send it; they vouch for the actor and the role. Without a role the limit
    of a cashier applies.
    """

    member_id: str = Field(min_length=1, max_length=64)
    template_id: str = Field(min_length=1, max_length=64)
    cause: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,80}$")
    actor: str = Field(min_length=1, max_length=64)
    role: GiverRole | None = None
    reason: Name | None = Field(default=None, min_length=1, max_length=200)

    @property
    def whole_cause(self) -> str:
        """The cause under which the coupon is issued."""
        return f"staff:{self.member_id}:{self.template_id}:{self.cause}"


class RevokeCouponRequest(Request):
    """Revoke one coupon that is not in use; `actor` and `reason` are kept with it."""

    coupon_id: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: Name = Field(min_length=1, max_length=200)


class Scene(Stored):
    """A 桌贴 or 收银台台卡 with a code (`id`) that names a store and a welcome coupon."""

    store_id: Id
    kind: Literal["table", "till"]
    template_id: Id


class ShownCoupon(Answer):
    """A coupon as its member sees it; `order_id` is the order that has locked or used it."""

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
    """A kind of coupon: its id and its name."""

    template_id: str
    name: str


class NamedTemplates(Answer):
    """Ids and names of the chain's kinds of coupons, by id."""

    templates: list[NamedTemplate]


class TemplateRequest(Request):
    """Ask for one kind of coupon."""

    template_id: str = Field(min_length=1, max_length=64)


class TemplateForm(SavedTemplate):
    """A template as an operator enters it."""

    id: str = Field(
        alias="_id",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        title="券代号",
        description="字母、数字和短横线；保存后不再修改",
    )
    name: str = Field(min_length=1, max_length=40, title="名称", description="会员看到的名称")
    revision: Revision = Field(default=1, title="版本号")


class PutTemplateRequest(Request):
    """Store a new kind of coupon, or a later revision of an existing one."""

    template: TemplateForm


class ClaimLinkAnswer(Answer):
    """Where members can take a coupon that is offered to all.

    `path` is a page of the mini-program, which calls `claim`. `link` opens that page from a
    message or another app, and works for `days` days.
    """

    path: str
    link: str
    days: int


class TemplateState(Answer):
    """A kind of coupon, and what is left of its quota and budget; null if it has none."""

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
