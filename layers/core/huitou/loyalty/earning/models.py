"""What earns points: promotions as documents, and the terms frozen on each paid order."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day, Hours, Weekday
from huitou.loyalty.points.models import NEVER, ClawBack, RuleRef
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.limits import Id, Most, Revision

_Ids = Annotated[list[Id], Most(500)]


class EarningRule(Stored):
    """One promotion: more points for some orders or dishes, or a fixed bonus for an event.

    A multiplier of 20,000 bp doubles the points of the lines that meet its conditions. If several
    multipliers apply to one dish, their extras add up (×2 and ×1.5 make ×2.5). An empty condition
    is always met; a rule that names dishes and categories applies to both. Weekdays are those of
    the business day, hours are the store's wall clock. A rule is valid on the business days from
    `valid_from` to `valid_until`, both included.
    """

    revision: Revision = 1
    name: str = Field(min_length=1, max_length=40, title="名称")
    kind: Literal["multiplier", "bonus"] = Field(title="类型", description="倍数或固定积分")
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")
    multiplier_bp: int | None = Field(
        default=None, gt=10_000, le=1_000_000, title="倍数（万分之）", description="20000 = 2 倍"
    )
    weekdays: Annotated[list[Weekday], Most(7)] = Field(
        default=[], title="星期", description="0 = 星期一"
    )
    hours: list[Hours] = Field(default=[], max_length=10, title="时段")
    store_ids: _Ids = Field(default=[], title="门店")
    tiers: _Ids = Field(default=[], title="等级")
    dish_ids: _Ids = Field(default=[], title="菜品")
    categories: _Ids = Field(default=[], title="分类")
    birthday: Literal["day", "month"] | None = Field(default=None, title="生日当天或当月")
    event: Literal["first_order", "review", "check_in"] | None = Field(default=None, title="事件")
    points: int | None = Field(default=None, ge=1, le=1_000_000, title="固定积分")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.kind == "multiplier" and (self.multiplier_bp is None or self.event or self.points):
            raise Unfit(
                "multiplier_bp",
                "倍数规则须填倍数，且没有事件和固定积分",
                "a multiplier has multiplier_bp, and neither event nor points",
            )
        if self.kind == "bonus" and (not self.event or not self.points or self.multiplier_bp):
            raise Unfit(
                "event",
                "固定积分规则须填事件和积分，且没有倍数",
                "a bonus has event and points, and no multiplier_bp",
            )
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise Unfit("valid_until", "不能早于开始日期", "must not be before valid_from")
        return self


class CheckInRequest(Request):
    """Check in (签到): once per business day."""


class AwardBonusRequest(Request):
    """Award the bonus that rules give for an event; `cause` names it: it is rewarded once."""

    member_id: str = Field(min_length=1, max_length=64)
    event: Literal["review"]
    cause: str = Field(pattern=r"^[A-Za-z0-9_:.@-]{1,120}$")


class BonusAnswer(Answer):
    """What an event has brought the member; `points` is the total, also if the call is repeated.

    `usable` is the day from which they can be spent, null for at once. `what` says the outcome in
    the member's language: no rule is in force, the caps left nothing, or how many points.
    """

    outcome: Literal["awarded", "awarded_before", "nothing_left", "no_rule"]
    points: int
    usable: str | None
    what: str


class FirstOrderBonus(RuleRef):
    """A bonus that the order brings if it is the member's first one."""

    points: int


class EarningTerms(Record):
    """The terms by which an order earns, frozen when it was paid: later rules don't change them.

    `weights` are, line by line, the fen that count times the multiplier in basis points;
    `paid_by_line` is what was paid for each line. An order from a till may have no lines: then
    all that was paid counts once. `expires_on`, `usable` and `claw_back` are what the rules said
    of the award; orders that were paid before points had lots have the defaults. Orders don't
    store fields that have their default, so the defaults must never change.
    """

    tier: str
    tier_rules_revision: int
    points_rules_revision: int
    fen_per_point: int
    weights: list[int] = Field(default=[])
    paid_by_line: list[int] = Field(default=[])
    rules: list[RuleRef] = Field(default=[])
    order_points: int | None = None
    day_points: int | None = None
    month_points: int | None = None
    expires_on: str = NEVER
    usable: str | None = None
    claw_back: ClawBack = "unlimited"
    return_expired_days: int = 0
    first_order: list[FirstOrderBonus] = Field(default=[])

    def kept(self) -> dict[str, Any]:
        """Return the terms as an order stores them."""
        return self.model_dump(exclude_defaults=True)


class LineWentBack(Protocol):
    """The refunded part of one order line: the line's index, and the fen."""

    @property
    def line(self) -> int: ...

    @property
    def amount_fen(self) -> int: ...


class WentBack(Protocol):
    """The part of a refund that earning reads: its fen, in total and by line."""

    @property
    def amount_fen(self) -> int: ...

    @property
    def lines(self) -> Sequence[LineWentBack]: ...
