"""Care campaigns: trigger, audience, gift, message, limits, and the steps of a campaign's life."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from huitou.catalog.stores.models import CLOCK, Day, Hours, Weekday
from huitou.marketing.audiences.models import Condition
from huitou.marketing.campaigns.triggers import TRIGGERS, Kind
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.forms import only_for
from huitou.runtime.limits import Fen, Revision, SomeCount, SomeFen
from huitou.runtime.typed import Clock, Name

Status = Literal["draft", "checked", "running", "paused", "ended"]
Weather = Literal["rain", "heat", "cold"]
_BY_KIND = ("days", "after_minutes", "direction", "weather", "threshold", "weekdays", "month_days",
            "opengids")  # fmt: skip


class Trigger(Record):
    """When a campaign writes to a member; `TRIGGERS` says which fields each kind has.

    `threshold` is a limit of the weather: millimetres of rain a day, or degrees Celsius of heat or
    cold.
    """

    model_config = ConfigDict(
        json_schema_extra=only_for(
            {name: kind.needs for name, kind in TRIGGERS.items() if kind.needs},
            {name: kind.may_have for name, kind in TRIGGERS.items() if kind.may_have},
        )
    )

    kind: Kind = Field(
        title="触发方式",
        json_schema_extra={"labels": {name: kind.label for name, kind in TRIGGERS.items()}},
    )
    days: int | None = Field(default=None, ge=0, le=365, title="天数")
    after_minutes: int | None = Field(default=None, ge=0, le=10_080, title="之后多少分钟")
    direction: Literal["up", "down"] | None = Field(
        default=None,
        title="升级或降级",
        json_schema_extra={"labels": {"up": "升级", "down": "降级"}},
    )
    weather: Weather | None = Field(
        default=None,
        title="天气",
        json_schema_extra={"labels": {"rain": "下雨", "heat": "炎热", "cold": "寒冷"}},
    )
    threshold: int | None = Field(default=None, ge=-40, le=200, title="天气阈值")
    weekdays: list[Weekday] = Field(
        default=[], max_length=7, title="星期", description="留空：每天"
    )
    month_days: list[Annotated[int, Field(ge=1, le=31)]] = Field(
        default=[], max_length=31, title="每月几号", description="31：没有 31 号的月份为最后一天"
    )
    opengids: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[], max_length=500, title="社群", description="微信群的 opengid"
    )

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        kind = TRIGGERS[self.kind]
        for name in _BY_KIND:
            is_set = getattr(self, name) not in (None, [])
            if name in kind.needs and not is_set:
                raise Unfit(name, f"“{kind.label}”须填写此项", f"{self.kind} needs {name}")
            if is_set and name not in (*kind.needs, *kind.may_have):
                raise Unfit(name, f"“{kind.label}”没有此项", f"{self.kind} has no {name}")
        least = kind.least_days
        if self.days is not None and self.days < least:
            raise Unfit("days", f"至少 {least} 天", f"{self.kind} needs days of at least {least}")
        return self


class Gift(Record):
    """What the member gets besides the message: a coupon of a template, points, or nothing."""

    model_config = ConfigDict(
        json_schema_extra=only_for({"coupon": ("template_id",), "points": ("points",)})
    )

    kind: Literal["none", "coupon", "points"] = Field(
        default="none",
        title="权益",
        json_schema_extra={"labels": {"none": "只发消息", "coupon": "优惠券", "points": "积分"}},
    )
    template_id: str | None = Field(default=None, min_length=1, max_length=64, title="券模板")
    points: int | None = Field(default=None, ge=1, le=100_000, title="积分")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        has = {"coupon": self.template_id is not None, "points": self.points is not None}
        if has != {"coupon": self.kind == "coupon", "points": self.kind == "points"}:
            raise Unfit(
                "kind",
                "请选择优惠券，或填写积分",
                "a coupon has template_id, points have points, none has neither",
            )
        return self


class LateWords(Record):
    """The message for a member whose day is over, such as a birthday some days ago."""

    title: str = Field(min_length=1, max_length=20, title="标题")
    body: str = Field(min_length=1, max_length=200, title="内容")


class Message(Record):
    """What the member reads. `{gift}`, `{until}` and `{days}` are filled in.

    Everybody finds it in the inbox. It is also pushed as the subscription message with
    `push_template_id` to members who have accepted one.
    """

    title: str = Field(min_length=1, max_length=20, title="标题")
    body: str = Field(min_length=1, max_length=200, title="内容")
    page: str = Field(default="pages/index/index", max_length=128, title="跳转页面")
    push_template_id: str | None = Field(
        default=None,
        max_length=64,
        title="订阅消息模板",
        description="会员每同意一次可推送一次；留空：只进消息中心",
    )
    late: LateWords | None = Field(
        default=None,
        title="迟到的话",
        description="只用于生日：生日过后七天内才送到时用这段话；留空：过后不再送",
    )

    def texts(self) -> list[tuple[str, str]]:
        """Return each title and body that a member may read."""
        late = [(self.late.title, self.late.body)] if self.late else []
        return [(self.title, self.body), *late]


class Variant(Record):
    """One version of gift and message; members are divided among the variants by weight."""

    variant: str = Field(default="a", pattern=r"^[a-z0-9]{1,8}$", title="版本")
    weight: int = Field(default=1, ge=1, le=1_000, title="权重")
    gift: Gift = Field(default=Gift.model_construct(), title="权益")
    message: Message = Field(title="消息")


class Prize(Record):
    """One prize of a draw: its value in fen, how many there are, or its odds in basis points."""

    name: str = Field(min_length=1, max_length=40, title="奖品")
    value_fen: Fen = Field(title="价值")
    quantity: SomeCount | None = Field(default=None, title="数量")
    odds_bp: int | None = Field(default=None, ge=1, le=10_000, title="中奖概率")


class WasPrice(Record):
    """A crossed-out price (划线价) that is shown beside a dish's present price, in fen."""

    dish_id: str = Field(min_length=1, max_length=64, title="菜品")
    was_fen: SomeFen = Field(title="划线价")


class Mechanic(Record):
    """What members must do for the gift, and what they may win or save; the linter checks it.

    `reward_for` is the act that earns the gift. `friends` is how many friends it takes, and
    `friends_shown` whether members are told that number.
    """

    reward_for: Literal[
        "nothing", "sharing", "moments_post", "link_opened", "friend_registered", "friend_ordered"
    ] = Field(
        default="nothing",
        title="奖励条件",
        json_schema_extra={
            "labels": {
                "nothing": "无条件",
                "sharing": "分享",
                "moments_post": "发朋友圈",
                "link_opened": "好友打开链接",
                "friend_registered": "好友注册",
                "friend_ordered": "好友下单",
            }
        },
    )
    friends: int | None = Field(default=None, ge=1, le=100, title="好友人数")
    friends_shown: bool = Field(default=True, title="人数已公示")
    draw: bool = Field(default=False, title="抽奖")
    prizes: list[Prize] = Field(default=[], max_length=50, title="奖品")
    rules_text: str = Field(default="", max_length=2_000, title="活动规则")
    was_prices: list[WasPrice] = Field(default=[], max_length=100, title="划线价")


class SendLimits(Record):
    """How much one campaign may send."""

    every_days: int = Field(default=1, ge=1, le=365, title="同一会员至少间隔天数")
    per_member: int | None = Field(default=None, ge=1, le=1_000, title="每位会员最多次数")
    total: int | None = Field(default=None, ge=1, le=100_000_000, title="总次数")
    a_day: int | None = Field(default=None, ge=1, le=100_000_000, title="每天总次数")


class Campaign(Stored):
    """One campaign as an operator writes it; each change makes a later revision.

    It runs on the days from `valid_from` to `valid_until`, both included, in the chain's time
    zone. If its trigger is by the day, it sends at `send_at`. `window` replaces the chain's hours
    for sending (supper needs its own). `holdout_bp` is the share of members, in basis points, who
    get nothing, so that the others can be compared with them. If several campaigns want to write
    to a member on one day, the one of the highest `priority` goes first.
    """

    id: str = Field(
        alias="_id",
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        title="活动代号",
        description="小写字母、数字和短横线；保存后不再修改",
    )
    revision: Revision = Field(default=1, title="版本号")
    name: str = Field(min_length=1, max_length=40, title="名称")
    priority: int = Field(default=50, ge=0, le=100, title="优先级")
    trigger: Trigger = Field(title="触发")
    audience: Condition | None = Field(default=None, title="人群")
    valid_from: Day = Field(title="开始日期")
    valid_until: Day = Field(
        title="结束日期（含）", description="到这一营业日结束为止，例如次日 04:00"
    )
    send_at: Clock = Field(default="10:00", pattern=CLOCK, title="发送时间")
    window: Hours | None = Field(default=None, title="单独的发送时段")
    variants: list[Variant] = Field(min_length=1, max_length=5, title="版本")
    holdout_bp: int = Field(default=1_000, ge=0, le=5_000, title="对照组比例")
    effect_days: int = Field(default=30, ge=1, le=90, title="效果观察天数")
    limits: SendLimits = Field(default=SendLimits.model_construct(), title="限制")
    mechanic: Mechanic = Field(default=Mechanic.model_construct(), title="玩法")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.valid_until < self.valid_from:
            raise Unfit(
                "valid_until", "结束日期早于开始日期", "valid_until must not be before valid_from"
            )
        names = [variant.variant for variant in self.variants]
        if len(set(names)) != len(names) or "holdout" in names:
            raise Unfit(
                "variants",
                "版本名称不能重复，也不能叫 holdout",
                "each `variant` must be another, and none is holdout",
            )
        self._late_words_hold_together()
        kind = TRIGGERS[self.trigger.kind]
        if kind.met == "taken":
            if self.holdout_bp:
                raise Unfit(
                    "holdout_bp",
                    f"{kind.label}由会员自己领取，对照组比例须为 0",
                    "members take it themselves, so nobody is left alone",
                )
            if any(variant.gift.kind != "coupon" for variant in self.variants):
                raise Unfit("variants", f"{kind.label}的权益只能是优惠券", "a group takes coupons")
        return self

    def _late_words_hold_together(self) -> None:
        kind, has = TRIGGERS[self.trigger.kind], [v.message.late is not None for v in self.variants]
        if not any(has):
            return
        field = f"variants.{has.index(True)}.message.late"
        if kind.own_words is None:
            raise Unfit(
                field,
                f"“{kind.label}”没有迟到的话",
                f"{self.trigger.kind} has no words for a day that is over",
            )
        if not all(has):
            raise Unfit(
                f"variants.{has.index(False)}.message.late",
                "每个版本都要写迟到的话，或都不写",
                "all variants have words for a day that is over, or none has",
            )


class Acceptance(Record):
    """A warning of the linter that `actor` accepted for one revision."""

    rule: str
    revision: int
    actor: str
    at: datetime


class Change(Record):
    """One step of a campaign's life: who took it, when, and their reason if one was required."""

    to: Status
    revision: int
    actor: str
    at: datetime
    reason: str | None = None


class CampaignState(Stored):
    """The step at which a campaign is; `id` is the campaign's.

    `salt` decides which member is in which group, and never changes. `seen_to` is the moment up to
    which its events were looked at, `planned_to` the last day whose runs were planned. `checked`
    is the revision that passed the linter, `running_revision` the one that members get.
    """

    status: Status = "draft"
    priority: int = 50
    revision: int
    salt: str
    checked: int | None = None
    running_revision: int | None = None
    started_at: datetime | None = None
    seen_to: datetime | None = None
    planned_to: str | None = None
    acceptances: list[Acceptance] = Field(default=[])
    changes: list[Change] = Field(default=[])


class LintRequest(Request):
    """Check a draft by the linter's rules without storing it."""

    campaign: Campaign


class PutCampaignRequest(LintRequest):
    """Store a draft: a new campaign, or a later revision of one that doesn't run at the moment.

    If the campaign has run before, a `reason` is required.
    """

    actor: str = Field(min_length=1, max_length=64)
    reason: Name | None = Field(default=None, min_length=1, max_length=200)


class CampaignRequest(Request):
    """Name a campaign."""

    campaign_id: str = Field(min_length=1, max_length=40)


class CampaignStepRequest(CampaignRequest):
    """Take a campaign's next step: check, start, pause or end."""

    actor: str = Field(min_length=1, max_length=64)
    reason: Name | None = Field(default=None, min_length=1, max_length=200)


class AcceptRequest(CampaignRequest):
    """Accept one of the linter's warnings, by name."""

    rule: str = Field(min_length=1, max_length=40)
    actor: str = Field(min_length=1, max_length=64)


class CampaignsRequest(Request):
    """List the campaigns with one status, or all."""

    status: Status | None = None


class ShownCampaign(Answer):
    """A campaign and its status; `sends` is the revision that members get, if they get any."""

    campaign_id: str
    name: str
    kind: Kind
    status: Status
    priority: int
    revision: int
    sends: int | None
    valid_from: str
    valid_until: str
    holdout_bp: int


class CampaignsAnswer(Answer):
    """The campaigns, the highest priority first."""

    campaigns: list[ShownCampaign]


class CampaignAnswer(Answer):
    """One campaign: its content, its status, the accepted warnings and every step of its life."""

    campaign: ShownCampaign
    content: Campaign
    acceptances: list[Acceptance]
    changes: list[Change]
