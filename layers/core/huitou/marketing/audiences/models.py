"""Audiences: whom a campaign is for, as conditions on members, joined by and, or, not."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from huitou.runtime.documents import Answer, Record, Request, Unfit
from huitou.runtime.forms import only_for
from huitou.runtime.limits import MOST_FEN, Id, Most

# Features that are numbers, and the fields they may have besides at_least and at_most.
NUMBERS: dict[str, tuple[str, ...]] = {
    "orders": ("days",),  # Paid and not refunded; ever, or in the last `days`.
    "spend_fen": ("days",),
    "days_since_order": (),
    "days_since_registration": (),
    "usual_hour": (),
    "usual_interval_days": (),
    "category_share_bp": ("category",),  # Share of what they order; recent orders weigh more.
    "rfm_recency": (),
    "rfm_frequency": (),
    "rfm_monetary": (),
    "points": (),
}
WORDS = ("usual_store", "tier", "tag", "registered_store", "registered_channel")
FACTS = ("night_guest", "has_birthday", "has_phone", "consents_to_marketing")
# Features that don't depend on what the member does: choosing by them is not personalised
# (PIPL, article 24).
NOT_PERSONAL = ("tier", "days_since_registration", "registered_store", "registered_channel",
                "has_birthday", "has_phone", "points", "consents_to_marketing")  # fmt: skip
MOST_DEEP = 5
_Number = Annotated[int, Most(MOST_FEN, least=0)]

Feature = Literal[
    "orders", "spend_fen", "days_since_order", "days_since_registration", "usual_hour",
    "usual_interval_days", "category_share_bp", "rfm_recency", "rfm_frequency", "rfm_monetary",
    "points", "usual_store", "tier", "tag", "registered_store", "registered_channel",
    "night_guest", "has_birthday", "has_phone", "consents_to_marketing",
]  # fmt: skip

_FEATURE_NAMES: dict[str, Any] = {
    "orders": "订单数", "spend_fen": "消费金额", "days_since_order": "几天没来",
    "days_since_registration": "注册天数", "usual_hour": "常来时段",
    "usual_interval_days": "平时间隔（天）", "category_share_bp": "分类占比",
    "rfm_recency": "RFM 最近一次", "rfm_frequency": "RFM 频次", "rfm_monetary": "RFM 金额",
    "points": "积分", "usual_store": "常去门店", "tier": "等级", "tag": "标签",
    "registered_store": "注册门店", "registered_channel": "注册渠道", "night_guest": "夜宵客人",
    "has_birthday": "有生日", "has_phone": "有手机号", "consents_to_marketing": "同意营销",
}  # fmt: skip


class Condition(Record):
    """One condition, or several joined by exactly one of `all_of`, `any_of`, `none_of`.

    A number must lie between `at_least` and `at_most`, both included. A word must be `among` the
    given ones. A fact must be true or false as `is_so` says. Amounts are in fen, shares in basis
    points, RFM scores from 1 to 5. A member who never ordered has no days since an order, no usual
    hour and no usual interval: conditions on these fail for them.
    """

    model_config = ConfigDict(
        json_schema_extra=only_for(
            {name: ("at_least", "at_most", *more) for name, more in NUMBERS.items()},
            dict.fromkeys(WORDS, ("among",)),
            dict.fromkeys(FACTS, ("is_so",)),
            by="feature",
        )
    )

    all_of: "list[Condition]" = Field(default=[], max_length=20, title="同时满足")
    any_of: "list[Condition]" = Field(default=[], max_length=20, title="满足任一")
    none_of: "list[Condition]" = Field(default=[], max_length=20, title="全不满足")
    feature: Feature | None = Field(
        default=None, title="会员特征", json_schema_extra={"labels": _FEATURE_NAMES}
    )
    at_least: _Number | None = Field(default=None, title="不少于")
    at_most: _Number | None = Field(default=None, title="不多于")
    days: int | None = Field(default=None, ge=1, le=180, title="最近几天")
    category: str | None = Field(default=None, min_length=1, max_length=40, title="分类")
    among: list[Id] = Field(default=[], max_length=200, title="其中之一")
    is_so: bool | None = Field(default=None, title="是或否")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        groups = [self.all_of, self.any_of, self.none_of]
        if sum(map(bool, groups)) + (self.feature is not None) != 1:
            raise Unfit(
                "",
                "请选择会员特征，或一组条件",
                "a condition is a feature, or one of all_of, any_of, none_of",
            )
        if _depth(self) > MOST_DEEP:
            raise Unfit(
                "",
                f"条件最多嵌套 {MOST_DEEP} 层",
                f"conditions lie at most {MOST_DEEP} deep in each other",
            )
        if self.feature is not None:
            self._fits_its_feature(self.feature)
        return self

    def _fits_its_feature(self, feature: str) -> None:
        said = {
            name
            for name in ("at_least", "at_most", "days", "category", "is_so")
            if getattr(self, name) is not None
        }
        said |= {"among"} if self.among else set()
        if feature in NUMBERS:
            may = {"at_least", "at_most", *NUMBERS[feature]}
            enough = bool(said & {"at_least", "at_most"})
        elif feature in WORDS:
            may, enough = {"among"}, bool(self.among)
        else:
            may, enough = {"is_so"}, self.is_so is not None
        if said - may:
            raise Unfit(
                min(said - may),
                f"“{_FEATURE_NAMES[feature]}”没有此项",
                f"{feature} has no {min(said - may)}",
            )
        if not enough:
            raise Unfit(
                "",
                f"请为“{_FEATURE_NAMES[feature]}”填写条件",
                f"{feature} needs {' or '.join(sorted(may & _TESTS))}",
            )
        if feature == "category_share_bp" and self.category is None:
            raise Unfit("category", "请选择分类", "category_share_bp needs category")
        if (self.at_least or 0) > (self.at_most if self.at_most is not None else 10**15):
            raise Unfit("at_least", "下限大于上限", "at_least is above at_most")


_TESTS = {"at_least", "at_most", "among", "is_so"}


def _depth(condition: Condition) -> int:
    inner = (*condition.all_of, *condition.any_of, *condition.none_of)
    return 1 + max(map(_depth, inner), default=0)


def leaves(condition: Condition | None) -> list[Condition]:
    """Return every single condition in a tree of conditions."""
    if condition is None:
        return []
    if condition.feature is not None:
        return [condition]
    inner = (*condition.all_of, *condition.any_of, *condition.none_of)
    return [leaf for part in inner for leaf in leaves(part)]


def required(condition: Condition | None) -> list[Condition]:
    """Return the single conditions that everybody in the audience certainly meets."""
    if condition is None or condition.any_of or condition.none_of:
        return []
    if condition.feature is not None:
        return [condition]
    return [leaf for part in condition.all_of for leaf in required(part)]


class Standing(NamedTuple):
    """A member's tier, and the points they can spend."""

    tier: str = "basic"
    points: int = 0


class AudienceRequest(Request):
    """Count the members who meet a condition, before anything is sent, and show some of them."""

    audience: Condition | None = None
    sample: int = Field(default=5, ge=0, le=20)


class SampledMember(Answer):
    """A member of the audience as an operator sees them, without name and phone number."""

    member_id: str
    orders: int
    spend_fen: int
    last_order_day: str | None
    tier: str


class AudienceAnswer(Answer):
    """How many members meet the condition, and how many of these may get a message (`reachable`).

    If the chain has too many `members`, only a random sample of `looked_at` of them is checked, and
    the counts are scaled up: then `exact` is false.
    """

    members: int
    looked_at: int
    exact: bool
    matching: int
    reachable: int
    sample: list[SampledMember]
