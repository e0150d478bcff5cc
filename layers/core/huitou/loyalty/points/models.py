"""Points: the chain's rules, the member's account, and the append-only ledger it follows from."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Record, Stored, Unfit
from huitou.runtime.limits import MOST_FEN, Fen, Id, Most, Points, Revision, SomeFen

EntryKind = Literal[
    "earn", "bonus", "use", "return", "claw-back", "mature", "expire", "repay",
    "migrate", "adjust", "transfer",
]  # fmt: skip
ClawBack = Literal["pending_only", "within_balance", "unlimited"]
NEVER = "9999-12-31"  # The last day of a lot that doesn't expire.
ON_COMPLETION = "completed"  # Stands for a day: the award waits for its order's completion.
MOST_MONTHS = 36  # The longest rolling expiry: it bounds an account to some 1,100 lots.
MOST_PENDING_DAYS = 90


class Expiry(Record):
    """How long an award is valid, its last day included, in the zone of the store that gave it."""

    kind: Literal["end_of_next_year", "rolling_months", "never"] = Field(
        default="end_of_next_year", title="有效期", description="次年年底、滚动若干个月或长期有效"
    )
    months: int = Field(default=12, ge=1, le=MOST_MONTHS, title="滚动月数")


class Usable(Record):
    """From when an award may be spent; until then it is shown as pending (待入账)."""

    kind: Literal["at_once", "after_days", "on_completion"] = Field(
        default="at_once", title="到账时间", description="立即、若干天后或订单完成后"
    )
    days: int = Field(default=7, ge=1, le=MOST_PENDING_DAYS, title="天数")


class Caps(Record):
    """The most points that the rules give a member; null means no limit. Days are business days."""

    order_points: Points | None = Field(default=None, title="每单上限")
    day_points: Points | None = Field(default=None, title="每日上限")
    month_points: Points | None = Field(default=None, title="每月上限")


class GiftLimits(Record):
    """The most that one person gives alone on a business day, points and coupons to all members.

    Above it a second person decides. A point counts what it pays for, a coupon what it takes off at
    most; one that doesn't say it (an exchange voucher) counts `coupon_fen`. `codes_fen` is the same
    for what goes to many, whatever the role: codes for flyers, coupons to claim and campaigns.
    """

    cashier_fen: Fen = Field(default=1_000, title="收银每人每天可直接赠送（分）")
    manager_fen: Fen = Field(default=5_000, title="店长、督导每人每天可直接赠送（分）")
    marketing_fen: Fen = Field(default=5_000, title="营销每人每天可直接赠送（分）")
    finance_fen: Fen = Field(default=20_000, title="老板每人每天可直接赠送（分）")
    coupon_fen: Fen = Field(default=5_000, title="没有面额的券按多少计（分）")
    codes_fen: Fen = Field(default=1_000_000, title="每人每天可直接生成的兑换码（分）")


class PointsRules(Stored):
    """How points are earned, spent and lost: one document, and every entry names its revision.

    Promotions (multipliers, bonuses) are separate documents: see `earning`.
    """

    id: Literal["points"] = Field(default="points", alias="_id")
    revision: Revision = 1
    fen_per_point: SomeFen = Field(
        default=100,
        title="每积 1 分所需金额（分）",
        description="paid fen that earn one point",
    )
    fen_per_point_by_tier: Annotated[
        dict[Id, Annotated[int, Most(MOST_FEN, least=1)]], Most(50)
    ] = Field(default={}, title="按等级", description="等级代号 → 每积 1 分所需金额（分）")
    counts_coupon_part: bool = Field(default=False, title="优惠券抵扣部分也积分")
    counts_points_part: bool = Field(default=False, title="积分抵扣部分也积分")
    excluded_categories: Annotated[list[Id], Most(500)] = Field(default=[], title="不积分的分类")
    excluded_dish_ids: Annotated[list[Id], Most(500)] = Field(default=[], title="不积分的菜品")
    expiry: Expiry = Field(default=Expiry.model_construct(), title="有效期")
    usable: Usable = Field(default=Usable.model_construct(), title="到账时间")
    caps: Caps = Field(default=Caps.model_construct(), title="上限")
    point_value_fen: SomeFen = Field(default=1, title="1 积分抵扣金额（分）")
    max_order_share_bp: int = Field(
        default=3_000,
        ge=0,
        le=10_000,
        title="最多抵扣订单比例（万分之）",
        description="of the order",
    )
    min_points: Points = Field(default=0, title="每次最少使用积分")
    min_order_fen: Fen = Field(default=0, title="可用积分的最低订单金额（分）")
    claw_back: ClawBack = Field(
        default="unlimited",
        title="退款扣回",
        description="仅扣待入账、扣到余额为零，或不足部分记为待抵扣积分",
    )
    return_expired_days: int = Field(
        default=1, ge=0, le=366, title="退回的已过期积分延长天数", description="0：不退回"
    )
    notice_days: int = Field(default=7, ge=1, le=60, title="到期前几天提醒")
    adjust_limit_points: Points = Field(default=1_000, title="人工调整超过多少积分需复核")
    gift_limits: GiftLimits = Field(default=GiftLimits.model_construct(), title="人工赠送额度")

    @model_validator(mode="after")
    def _rates_are_positive(self) -> Self:
        if any(fen < 1 for fen in self.fen_per_point_by_tier.values()):
            raise Unfit("fen_per_point_by_tier", "须大于 0", "must be 1 or more")
        return self


class RuleRef(Record):
    """A rule that moved points, in the revision that was in force."""

    rule_id: str
    revision: int


class LotMove(Record):
    """Points entering (+) or leaving (−) the lot that holds until `expires_on`, inclusive.

    `usable` is set if the points are pending there: until that day, or, if it is ON_COMPLETION,
    until the order is completed.
    """

    expires_on: str
    points: int
    usable: str | None = None


class LedgerEntry(Stored):
    """One movement of a member's points; never edited.

    `id` comes from the business fact: `earn:<order>`, `use:<order>`, `claw-back:<refund>`,
    `return:<refund>`, `expire:<member>:<day>@<number>` … `points` changes the balance, `lots`
    change the member's lots, `debt` changes what the member owes: points = Σ lots − debt.
    `number` counts the member's entries from 1, in the order in which they were committed.
    `balance` is the sum of all entries up to this one. `waived` are points that the policy leaves
    out of the entry: of a claw-back what the member may keep, of a return what had expired, of a
    balance that is taken back what isn't there any more.
    `spend_fen` and `orders` change the figures that tiers count, on `business_day`, the order's
    own. `figures` are what a transfer between accounts adds to these figures, by name and day.
    `booked_on` is the day on which the entry was posted. `approved_by` is the person who approved
    an adjustment over the limit. `digest` is the hash of the imported row the entry comes from.
    """

    LEFT_OUT: ClassVar[dict[str, Any]] = {
        "lots": [],
        "debt": 0,
        "waived": 0,
        "orders": 0,
        "figures": {},
        "rules": [],
    }

    member_id: str
    number: int = 0
    kind: EntryKind
    points: int
    lots: list[LotMove] = Field(default=[])
    debt: int = 0
    balance: int = 0
    waived: int = 0
    spend_fen: int = 0
    orders: int = 0
    order_id: str | None = None
    business_day: str
    booked_on: str | None = None
    at: datetime
    cause: str
    actor: str = "settlement"
    reason: str | None = None
    approved_by: str | None = None
    digest: str | None = None
    figures: dict[str, dict[str, int]] = Field(default={})
    rules_revision: int
    rules: list[RuleRef] = Field(default=[])
    is_test: bool = False


class Account(Stored):
    """A member's points; `id` is the member's id. Every figure follows from the member's entries.

    `lots` are the points that can be spent, by their last day. `pending` are the points that
    can't be spent yet, by `<usable>|<expires_on>`. `reserved` is what orders and holds have set
    aside; they name the lots it came from. `debt` is what a claw-back should have taken but was
    spent already (待抵扣积分); the next points that come in repay it. `available` = Σ lots − debt,
    and available + reserved + Σ pending = the sum of the entries. `entries` counts them.
    `points_on` is the next day on which the calendar brings something: an expiry, the end of a
    wait, a notice.

    A lot takes some 20 bytes. MOST_MONTHS bounds an account to some 1,100 lots (22 KB); if points
    expire with the calendar year, it has two or three.
    """

    available: int = 0
    reserved: int = 0
    lots: dict[str, int] = Field(default={})
    pending: dict[str, int] = Field(default={})
    debt: int = 0
    entries: int = 0
    first_order_id: str | None = None
    points_on: str | None = None
    noticed_through: str | None = None
    points_by_day: dict[str, int] = Field(default={})
    version: int = 0


class DueLot(Answer):
    """Points that expire together, at the end of `expires_on`."""

    expires_on: str
    points: int


class Spendable(NamedTuple):
    """What a member can spend, and whether their first order is still to come."""

    available: int
    first_order: bool


class ShownPoints(Answer):
    """A member's points: spendable (negative if owed), set aside for orders, and not usable yet."""

    available: int
    reserved: int
    pending: int
    expiring: DueLot | None = None
