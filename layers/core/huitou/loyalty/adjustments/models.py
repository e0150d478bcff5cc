"""Adjustments: what staff give or take by hand; over a limit a second person decides."""

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from huitou.coupons.issuing.models import IssueCouponRequest
from huitou.coupons.issuing.roles import GiverRole
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.paging import PageRequest
from huitou.runtime.typed import Name

AdjustmentStatus = Literal["awaiting_approval", "applied", "rejected"]
StaffRole = Literal["cashier", "manager", "finance"]
Given = Literal["gifts", "refunds", "codes", "cuts"]  # What a sum of a day counts.
RuleKind = Literal["coupon", "campaign", "tiers", "price"]
MOST_POINTS = 10_000_000


class AdjustPointsRequest(Request):
    """Give a member points (+) or take some (−).

    Only internal callers send it; they vouch for the actor and the role. A request with the same
    `adjustment_id` repeats the same adjustment.
    """

    adjustment_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    member_id: str = Field(min_length=1, max_length=64)
    points: int = Field(ge=-MOST_POINTS, le=MOST_POINTS)
    reason: Name = Field(min_length=1, max_length=80)
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole

    @model_validator(mode="after")
    def _moves_something(self) -> "AdjustPointsRequest":
        if self.points == 0:
            raise Unfit("points", "不能为 0", "must not be 0")
        return self


class DecideAdjustmentRequest(Request):
    """Approve or reject a waiting adjustment; the person who asked for it can't decide it."""

    adjustment_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole
    reason: Name | None = Field(default=None, min_length=1, max_length=80)


class AdjustmentsRequest(PageRequest):
    """List adjustments of one status, the newest first."""

    status: AdjustmentStatus = "awaiting_approval"


class GivenCoupon(Record):
    """The coupon that an adjustment gives: its kind, that kind's name, and what for."""

    template_id: str
    name: str
    cause: str


class MadeCodes(Record):
    """The batch of codes that an adjustment allows; it gives no member anything yet."""

    batch: str
    template_id: str
    count: int


class AllowedRule(Record):
    """The rule that an adjustment allows: a kind of coupon, a campaign, tier rules, or prices.

    `most_fen` is what it may give away in all; None if nothing limits it.
    """

    kind: RuleKind
    rule_id: str
    name: str
    most_fen: int | None = None


class Adjustment(Stored):
    """One adjustment; its entry in the ledger, once applied, is `adjust:<id>`.

    `day` is the business day on which it was asked for: the limits count together what one actor
    does for one member on a day, and what they give to all members. An adjustment with a `coupon`
    gives that coupon instead of points; one with `codes` or a `rule` allows that batch or rule, and
    its `member_id` is empty. `value_fen` is what it counted for.
    """

    member_id: str
    points: int
    coupon: GivenCoupon | None = None
    codes: MadeCodes | None = None
    rule: AllowedRule | None = None
    value_fen: int = 0
    reason: str
    actor: str
    role: GiverRole
    day: str
    status: AdjustmentStatus
    created_at: datetime
    decided_by: str | None = None
    decided_role: StaffRole | None = None
    decided_reason: str | None = None
    decided_at: datetime | None = None

    def shown(self) -> "AdjustmentAnswer":
        """Return the adjustment as staff see it."""
        names = AdjustmentAnswer.model_fields.keys() - {"adjustment_id", "coupon", "codes", "rule"}
        return AdjustmentAnswer(
            adjustment_id=self.id,
            coupon=self.coupon.name if self.coupon else None,
            codes=self.codes,
            rule=self.rule,
            **{name: getattr(self, name) for name in names},
        )

    def coupon_request(self) -> IssueCouponRequest | None:
        """Return the request that asked for a coupon; None if this is about points."""
        if self.coupon is None:
            return None
        return IssueCouponRequest(
            member_id=self.member_id,
            template_id=self.coupon.template_id,
            cause=self.coupon.cause,
            actor=self.actor,
            role=self.role,
            reason=self.reason or None,
        )


class AdjustmentAnswer(Answer):
    """An adjustment: its points have moved, or its coupon is issued, once it is `applied`.

    `coupon` is the name of the coupon that it gives, `codes` the batch and `rule` the rule that it
    allows; `points` are 0 then. `value_fen` is what it counts for; 0 for a rule without an end.
    """

    adjustment_id: str
    member_id: str
    points: int
    coupon: str | None = None
    codes: MadeCodes | None = None
    rule: AllowedRule | None = None
    value_fen: int
    reason: str
    actor: str
    role: GiverRole
    status: AdjustmentStatus
    created_at: datetime
    decided_by: str | None = None
    decided_role: StaffRole | None = None
    decided_reason: str | None = None
    decided_at: datetime | None = None


class AdjustmentsAnswer(Answer):
    """A page of adjustments; `next` is the cursor of the following one."""

    adjustments: list[AdjustmentAnswer]
    next: str | None
