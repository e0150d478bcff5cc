"""Tiers: the rule document an operator edits, and where a member stands."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Record, Stored, Unfit
from huitou.runtime.limits import (
    MOST_COUNT,
    MOST_FEN,
    MOST_POINTS,
    Count,
    Fen,
    Id,
    Most,
    Points,
    Revision,
    SchemaVersion,
)

MOST_GRACE_DAYS = 60
LONGEST_DAYS = 366  # The longest period: a leap year.
# The fields in which an account keeps figures by day.
BY_DAY = ("spend_by_day", "orders_by_day", "points_by_day", "waived_by_day")
EvaluationOutcome = Literal["raised", "lowered", "noticed", "unchanged"]
BringInOutcome = Literal["brought in", "brought in before", "stands higher", "taken back"]
Cause = Literal["figures", "review", "refund", "rules", "migration", "merge"]
Templates = Annotated[list[Id], Field(max_length=20)]


class Figures(Record):
    """成长值: what a member spent, ordered and earned in some period; never the balance."""

    spend_fen: Annotated[int, Most(MOST_FEN, least=0)] = 0
    orders: Annotated[int, Most(MOST_COUNT, least=0)] = 0
    points: Annotated[int, Most(MOST_POINTS, least=0)] = 0


class Goals(Record):
    """What the figures of a period must reach: all or any of the goals that are set.

    If none is set, all figures reach them.
    """

    spend_fen: Fen | None = Field(
        default=None,
        title="消费金额",
        description="周期内实付金额；留空：不看消费",
    )
    orders: Count | None = Field(
        default=None, title="订单数", description="周期内已支付的订单数；留空：不看订单数"
    )
    points: Points | None = Field(
        default=None,
        title="获得积分",
        description="周期内获得的积分（不是积分余额）；留空：不看积分",
    )
    match: Literal["all", "any"] = Field(
        default="all",
        title="条件关系",
        description="设了几个条件时怎样算达到",
        json_schema_extra={"labels": {"all": "全部满足", "any": "满足任意一项"}},
    )

    def wanted(self) -> dict[str, int]:
        """Return the goals that are set, by the name of their figure."""
        named = {"spend_fen": self.spend_fen, "orders": self.orders, "points": self.points}
        return {name: goal for name, goal in named.items() if goal is not None}

    def reached(self, figures: Figures) -> bool:
        """Tell whether these figures are enough."""
        met = [getattr(figures, name) >= goal for name, goal in self.wanted().items()]
        return not met or (any(met) if self.match == "any" else all(met))

    def missing(self, figures: Figures) -> dict[str, int] | None:
        """Return by how much the figures miss each goal, or None if they are enough."""
        if self.reached(figures):
            return None
        short = {name: goal - getattr(figures, name) for name, goal in self.wanted().items()}
        return {name: count for name, count in short.items() if count > 0}

    def least(self) -> Iterator[Figures]:
        """Yield the smallest figures that reach the goals.

        All figures that reach them are at least as high as one of these.
        """
        if self.match == "all" or not self.wanted():
            yield Figures(**self.wanted())
        else:
            yield from (Figures(**{name: goal}) for name, goal in self.wanted().items())

    def implies(self, easier: "Goals") -> bool:
        """Tell whether all figures that reach these goals reach the `easier` ones too."""
        return all(easier.reached(figures) for figures in self.least())


class Level(Goals):
    """One tier: its goals, the goals to keep it (without `keep` the same), and its benefits.

    `discount_bp` is the part of the price that is paid: 9,000 basis points are 9 折.
    """

    level: str = Field(min_length=1, max_length=32, title="等级代号", description="保存后不再修改")
    name: str = Field(max_length=20, title="等级名称", description="会员看到的名称")
    keep: Goals | None = Field(
        default=None, title="保级条件", description="留空：与升级条件相同；不得高于升级条件"
    )
    discount_bp: int = Field(
        default=10_000,
        ge=1,
        le=10_000,
        title="会员价",
        description="按原价的百分之几付：90 = 9 折，100 = 不打折",
    )
    points_multiplier_bp: int = Field(
        default=10_000,
        ge=10_000,
        le=100_000,
        title="积分倍数",
        description="100 = 1 倍，150 = 1.5 倍",
    )
    entry_coupons: Templates = Field(default=[], title="升级礼券", description="每个等级每年一次")
    monthly_coupons: Templates = Field(
        default=[], title="每月礼券", description="每月一次，升级当月即发"
    )
    birthday_coupons: Templates = Field(default=[], title="生日礼券", description="每年生日一次")
    free_delivery: bool = Field(default=False, title="免配送费", description="外送订单免配送费")
    queue_priority: int = Field(
        default=0, ge=0, le=9, title="排队优先级", description="0：不优先；数字越大越优先"
    )

    @property
    def kept_by(self) -> Goals:
        """The goals that the figures must reach to keep the level."""
        return self.keep or self


class TierRules(Stored):
    """All tiers, lowest first; every member has at least the lowest one."""

    id: Literal["tiers"] = Field(
        default="tiers", alias="_id", title="编号", description="固定为 tiers"
    )
    schema_: SchemaVersion = Field(
        default=1, alias="schema", title="格式版本", description="由系统维护"
    )
    revision: Revision = Field(
        default=1, title="规则版本", description="每次修改加一，须大于现行版本"
    )
    window: Literal["rolling", "calendar_year", "anchor"] = Field(
        default="rolling",
        title="统计周期",
        description="消费、订单和积分按哪段时间计算",
        json_schema_extra={
            "labels": {
                "rolling": "最近若干天",
                "calendar_year": "自然年",
                "anchor": "会员年（每 12 个月）",
            }
        },
    )
    window_days: int = Field(
        default=365,
        ge=1,
        le=LONGEST_DAYS,
        title="滚动天数",
        description="含当天",
        json_schema_extra={"when": {"window": ["rolling"]}},
    )
    anchor: Literal["joined", "level_start"] = Field(
        default="joined",
        title="会员年起点",
        description="每 12 个月从哪天算起；每次达标都重新起算，最长的一段为准",
        json_schema_extra={
            "labels": {"joined": "入会日", "level_start": "每次达标之日"},
            "when": {"window": ["anchor"]},
        },
    )
    levels: list[Level] = Field(
        min_length=1, max_length=20, title="等级", description="由低到高；第一个等级人人都有"
    )
    downgrade: Literal["to_earned", "one_step", "never"] = Field(
        default="to_earned",
        title="降级方式",
        description="到期时没有达到保级条件怎么办",
        json_schema_extra={
            "labels": {
                "to_earned": "降到符合条件的等级",
                "one_step": "每次降一级",
                "never": "不降级",
            }
        },
    )
    grace_days: int = Field(
        default=0,
        ge=0,
        le=MOST_GRACE_DAYS,
        title="宽限天数",
        description="到期后在此期间达到保级条件仍可保级",
    )
    notice_days: int = Field(
        default=30,
        ge=0,
        le=90,
        title="提前几天提醒",
        description="到期前仍未达到保级条件的会员会收到提醒；0：不提醒",
    )

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        names = [level.level for level in self.levels]
        if len(set(names)) != len(names):
            raise Unfit("levels", "等级代号不能重复", "each `level` must be another")
        lowest = self.levels[0]
        if not lowest.reached(Figures()) or lowest.keep is not None:
            raise Unfit(
                "levels.0",
                "最低等级人人都有：不能设升级条件和保级条件",
                "the lowest level is everybody's, at no spend, without keep",
            )
        for number, level in enumerate(self.levels[1:], 1):
            if level.kept_by.reached(Figures()):
                raise Unfit(
                    f"levels.{number}.keep",
                    f"“{level.name}”的保级条件人人都能达到",
                    f"{level.level} would be kept by anybody",
                )
            if not level.implies(level.kept_by):
                raise Unfit(
                    f"levels.{number}.keep",
                    f"“{level.name}”的保级条件高于升级条件",
                    f"harder than to reach {level.level}",
                )
        for number, (lower, higher) in enumerate(pairwise(self.levels), 1):
            if not higher.implies(lower) or lower.implies(higher):
                raise Unfit(
                    f"levels.{number}",
                    f"“{higher.name}”的升级条件必须高于“{lower.name}”",
                    f"the levels must rise: who reaches {higher.level} must have"
                    f" reached {lower.level}, and not the other way round",
                )
            if not higher.kept_by.implies(lower.kept_by):
                raise Unfit(
                    f"levels.{number}.keep",
                    f"“{higher.name}”的保级条件低于“{lower.name}”",
                    f"easier than to keep {lower.level}",
                )
        return self

    def find(self, level: str) -> Level | None:
        """Return a level by its id, None if there is none."""
        return next((found for found in self.levels if found.level == level), None)

    def named(self, level: str) -> Level:
        """Return a level by its id; a removed level counts as the lowest."""
        return self.find(level) or self.levels[0]

    def above(self, level: str) -> Level | None:
        """Return the next level up, or None at the top."""
        place = self.levels.index(self.named(level)) + 1
        return self.levels[place] if place < len(self.levels) else None

    def earned(self, figures: Figures) -> Level:
        """Return the highest level that these figures reach."""
        reached = [level for level in self.levels if level.reached(figures)]
        return reached[-1] if reached else self.levels[0]


@cache
def default_rules() -> TierRules:
    """Return the levels of a chain that hasn't set its own."""
    return TierRules(
        levels=[
            Level(level="basic", name="普通", spend_fen=0),
            Level(level="silver", name="白银", spend_fen=50_000, discount_bp=9_000),
            Level(level="gold", name="黄金", spend_fen=200_000, discount_bp=8_800),
        ]
    )


class Standing(Record):
    """A member's level, and the revision of the rules that gave it.

    The level is held through the day `holds_through`, whatever the member spends; days of grace
    follow. The lowest level, and a level that is held for ever, have no such day. `since_day` is
    the day on which the level was given. `noticed_for` is the `holds_through` for which the member
    has been told what is missing.

    `earned_from`, `earned_through` and `under` come from versions before `tier_base`: on these
    days a refund could undo the level, and the member then stood at `under` again. They are only
    read, once.
    """

    level: str = "basic"
    rules_revision: int = 0
    since_day: str | None = None
    holds_through: str | None = None
    noticed_for: str | None = None
    earned_from: str | None = None
    earned_through: str | None = None
    under: "Standing | None" = None


class Promise(Record):
    """A level is held through the day `through`, whatever the member orders.

    `first` is the first day of the period that ends then. `revision` names the rules that gave the
    level: later ones may lack it. `import_id` names the import that brought it in, if it can be
    taken back.
    """

    level: str
    revision: int
    through: str
    first: str = ""
    import_id: str | None = None


class TierBase(Record):
    """What the next evaluation starts from: the levels that were held at the end of `day`.

    Without a `day` it starts from the account's first day. `revision` names the rules of the last
    evaluation.
    """

    day: str = ""
    revision: int = 0
    promises: list[Promise] = Field(default=[])


class TierAccount(Stored):
    """The part of a member's account that tiers read: figures by business day, and the standing.

    `points_by_day` are points earned and not taken back. `waived_by_day` is the part of them that
    members kept although their order went back; it counts for no tier. A `forgotten` account
    (erased, or merged into another) has no tier any more.

    `review_on` is the next day on which the account must be evaluated (a notice, the review, the
    end of the grace days). `monthly_on` and `birthday_on` are the days on which coupons are due.
    `birthday_md` is MM-DD. `joined_day` is filled in when rules first need it.
    """

    spend_by_day: dict[str, int] = Field(default={})
    orders_by_day: dict[str, int] = Field(default={})
    points_by_day: dict[str, int] = Field(default={})
    waived_by_day: dict[str, int] = Field(default={})
    tier: Standing = Standing.model_construct()
    tier_base: TierBase | None = None
    tier_review: str | None = None
    review_on: str | None = None
    monthly_on: str | None = None
    birthday_md: str | None = None
    birthday_on: str | None = None
    joined_day: str | None = None
    benefits: str | None = None
    forgotten: bool = False
    version: int = 0


class TierChange(Stored):
    """One move from level to level; append-only. `id` is `<member>:<account version>`.

    The figures are those of the period that counted at that time.
    """

    member_id: str
    before: str
    after: str
    cause: Cause = "figures"
    spend_fen: int
    orders: int = 0
    points: int = 0
    rules_revision: int
    at: datetime
