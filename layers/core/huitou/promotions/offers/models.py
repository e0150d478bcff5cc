"""Offers: what an activity or a coupon takes off a cart, when, and together with which others.

A tree of groups says in which order offers apply and which of them may be combined. The tree is
data: the rule document `stacking`.
"""

from collections import Counter
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from huitou.catalog.stores.models import Day, Hours, Weekday
from huitou.promotions.offers.kinds import KINDS, Kind
from huitou.runtime.documents import Record, Stored, Unfit
from huitou.runtime.forms import only_for
from huitou.runtime.limits import (
    MOST_BUDGET_FEN,
    Fen,
    Id,
    Most,
    Revision,
    SomeCount,
    SomeFen,
)

Base = Literal["list", "running"]  # The price on the menu, or what is left after earlier offers.
Bearer = Literal["brand", "store", "platform"]
Mode = Literal["dine_in", "pickup", "delivery", "booking"]  # 堂食, 自取, 外送, 预约
Ids = Annotated[list[Id], Field(max_length=200)]
_BASE_NAMES: dict[str, Any] = {"list": "原价", "running": "其他优惠之后"}
BEARER_NAMES: dict[str, Any] = {"brand": "品牌", "store": "门店", "platform": "平台"}
_MODE_NAMES: dict[str, Any] = {
    "dine_in": "堂食", "pickup": "自取", "delivery": "外送", "booking": "预约"
}  # fmt: skip


class Scope(Record):
    """The dishes that an offer covers. An empty list means all; a dish must match every list."""

    dish_ids: Ids = Field(default=[], title="菜品", description="留空：全部菜品")
    sku_ids: Ids = Field(default=[], title="规格")
    categories: Ids = Field(default=[], title="分类", description="留空：全部分类")
    except_dish_ids: Ids = Field(default=[], title="不含菜品")


class Slot(Record):
    """One part of a bundle: `quantity` pieces of these dishes."""

    scope: Scope = Field(default=Scope.model_construct(), title="菜品")
    quantity: int = Field(default=1, ge=1, le=20, title="件数")


class Terms(Record):
    """What an offer takes off, and when. Each coupon and each revision of an offer keeps its own.

    Rates are basis points *taken off*: 2,000 is 8 折. `base` says to which price a rate applies:
    the price before other offers (`list`) or after those that apply earlier (`running`).
    `threshold_base` says the same for the threshold. `threshold_of` says whether the threshold
    counts the covered dishes or the whole order. Neither counts pieces that an exclusive offer has
    taken. `with_addons` says whether 加料 count for a rate, a price or a threshold. `exclusive`
    keeps other offers away from the offer's pieces (`item`) or from the whole order (`order`).
    `weekdays` are those of the business day, `hours` those of the store's local time.
    """

    model_config = ConfigDict(
        json_schema_extra=only_for(
            {kind: entry.needs for kind, entry in KINDS.items()},
            {kind: entry.may_have for kind, entry in KINDS.items()},
        )
    )

    kind: Kind = Field(
        default="amount_off",
        title="类型",
        json_schema_extra={"labels": {kind: entry.label for kind, entry in KINDS.items()}},
    )
    threshold_fen: Fen = Field(default=0, title="门槛", description="满多少可用；0：无门槛")
    off_fen: SomeFen | None = Field(
        default=None, title="减免金额", description="免配送费券留空：全免"
    )
    off_bp: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        title="减免比例",
        description="减去百分之几：20 = 8 折；按合计金额向下取整",
    )
    cap_fen: SomeFen | None = Field(default=None, title="最多减免", description="留空：不封顶")
    price_fen: Fen | None = Field(default=None, title="优惠价")
    nth: int | None = Field(
        default=None,
        ge=2,
        le=20,
        title="第几件",
        description="2：每两件中便宜的一件优惠，逐件向下取整",
    )
    slots: list[Slot] = Field(default=[], max_length=6, title="套餐内容")
    most_times: int = Field(
        default=1, ge=1, le=9_999, title="每单最多次数", description="9999：不限"
    )
    scope: Scope = Field(default=Scope.model_construct(), title="适用菜品")
    store_ids: Ids = Field(default=[], title="适用门店", description="留空：全部门店")
    modes: Annotated[list[Mode], Most(10)] = Field(
        default=[],
        title="用餐方式",
        description="留空：不限",
        json_schema_extra={"labels": _MODE_NAMES},
    )
    tiers: Ids = Field(default=[], title="适用等级", description="留空：不限")
    weekdays: Annotated[list[Weekday], Most(7)] = Field(
        default=[], title="星期", description="留空：每天"
    )
    hours: list[Hours] = Field(default=[], max_length=10, title="时段", description="留空：全天")
    first_order: bool = Field(default=False, title="仅限首单")
    base: Base = Field(
        default="running", title="折扣基于", json_schema_extra={"labels": _BASE_NAMES}
    )
    with_addons: bool = Field(
        default=True,
        title="含加料",
        description="不含：门槛和优惠只看菜品本身，加料照付；兑换券永远不含",
    )
    threshold_base: Base = Field(
        default="running", title="门槛基于", json_schema_extra={"labels": _BASE_NAMES}
    )
    threshold_of: Literal["scope", "order"] = Field(
        default="scope",
        title="门槛看哪些菜品",
        json_schema_extra={"labels": {"scope": "适用菜品", "order": "整单"}},
    )
    channels: Ids = Field(default=[], title="渠道", description="留空：不限")
    exclusive: Literal["none", "item", "order"] = Field(
        default="none",
        title="排他",
        description="只用没有优惠碰过的菜品；整单排他时也没有会员折扣和免配送费",
        json_schema_extra={
            "labels": {"none": "不排他", "item": "所用菜品不再优惠", "order": "整单不再优惠"}
        },
    )

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        kind = KINDS[self.kind]
        for name in _OF_SOME_KIND:
            is_set = getattr(self, name) not in (None, [])
            if name in kind.needs and not is_set:
                raise Unfit(name, f"{kind.label}须填写此项", f"{self.kind} needs {name}")
            if is_set and name not in (*kind.needs, *kind.may_have):
                raise Unfit(name, f"{kind.label}没有此项", f"{self.kind} has no {name}")
        if kind.per_threshold and self.most_times != 1 and not self.threshold_fen:
            raise Unfit(
                "threshold_fen",
                f"每单可用多次的{kind.label}须填门槛",
                f"{self.kind} more than once needs threshold_fen",
            )
        return self


# Fields that only some kinds have, in the order of the form.
_OF_SOME_KIND = tuple(
    name
    for name in Terms.model_fields
    if any(name in (*kind.needs, *kind.may_have) for kind in KINDS.values())
)


class Limits(Record):
    """How often an offer may be used or a coupon issued; None means without limit.

    `quota` limits the uses and `budget_fen` the fen taken off, of all members together. Days and
    months are those of the brand's time zone.
    """

    quota: SomeCount | None = Field(default=None, title="总份数")
    budget_fen: Annotated[int, Field(ge=1), Most(MOST_BUDGET_FEN)] | None = Field(
        default=None, title="总预算"
    )
    per_member: SomeCount | None = Field(default=None, title="每人限次")
    per_member_day: SomeCount | None = Field(default=None, title="每人每天限次")
    per_member_month: SomeCount | None = Field(default=None, title="每人每月限次")

    @property
    def any(self) -> bool:
        """Whether any limit is set."""
        return any(value is not None for _, value in self)


class Offer(Stored):
    """An activity: it applies to every cart that meets its terms.

    It is in force on the store's business days from `valid_from` to `valid_until`, both included.
    An `optional` offer is left out if the order is cheaper without it (for instance, because a
    coupon's threshold is reached only then). Any other offer is left out only for an offer with
    which it can't be combined. `group` is its place in the tree. Within a group the higher
    `priority` applies first; equal ones apply in the order of their kinds (as in
    `offers.kinds.KINDS`: 打折 before 满减), then of their ids.
    """

    revision: Revision = 1
    name: str = Field(min_length=1, max_length=40, title="名称")
    terms: Terms
    group: str = Field(min_length=1, max_length=32, title="叠加组")
    priority: int = Field(
        default=0,
        ge=-1_000,
        le=1_000,
        title="优先级",
        description="同组内大的先算；相同时先按类型，再按编号",
    )
    borne_by: Bearer = Field(
        default="brand", title="承担方", json_schema_extra={"labels": BEARER_NAMES}
    )
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")
    limits: Limits = Limits.model_construct()
    optional: bool = Field(default=True, title="可放弃", description="不参与更优惠时自动放弃")
    paused: bool = Field(default=False, title="暂停")

    @model_validator(mode="after")
    def _says_its_base(self) -> Self:
        if "base" not in self.terms.model_fields_set:
            raise Unfit("terms.base", "须填折扣基于哪个价格", "must say list or running")
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise Unfit("valid_until", "不能早于开始日期", "must not be before valid_from")
        return self

    @property
    def subject(self) -> str:
        """The name under which its uses are counted."""
        return f"offer:{self.id}"


class Group(Record):
    """One group of the tree: first its own offers apply, then those of the groups within it.

    With `mode` "stack" all of them may apply; with "best" only one (a group within counts as one);
    with "first" only the first that fits, by priority. With `per` "item" each line of the cart goes
    to at most one of the offers, in the way that makes the order cheapest (see
    functions/pay/PRICING.md, 5); that needs "best" or "first". `most` is how many of the group's
    offers one order may have.
    """

    group: str = Field(min_length=1, max_length=32, title="组代号")
    name: str = Field(default="", max_length=20, title="名称")
    mode: Literal["stack", "best", "first"] = Field(default="stack", title="组内规则")
    per: Literal["cart", "item"] = Field(
        default="cart",
        title="按整单或逐行",
        description="逐行：每行最多给组内一个优惠，怎么分取整单最便宜的；须为择优或取先",
    )
    most: SomeCount | None = Field(default=None, title="每单最多几项")
    groups: "list[Group]" = Field(default=[], max_length=20, title="下级组")


class StackingRules(Stored):
    """Which offers may be combined and in which order they apply: by group, depth first.

    `never_together` are sets of groups: one order may have offers of only one group of each set.
    A member's tier discount is an offer of the group `member`. Points come after all groups.
    """

    id: Literal["stacking"] = Field(default="stacking", alias="_id")
    revision: Revision = 1
    groups: list[Group] = Field(min_length=1, max_length=20)
    never_together: list[Annotated[list[Id], Most(20)]] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def _names_each_group_once(self) -> Self:
        names = Counter(group.group for group in walk(self.groups))
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice:
            raise Unfit("groups", f"{twice} 出现了两次", f"group {twice} is named twice")
        within = [group for outer in self.groups for group in walk(outer.groups)]
        deep = next((g.group for g in within if g.per == "item"), None) or next(
            (g.group for g in self.groups if g.per == "item" and g.groups), None
        )
        if deep:
            raise Unfit(
                "groups",
                f"{deep}：按件只能用于最上层且没有下级的组",
                f"group {deep}: per item is for a group at the top with none within",
            )
        unknown = {name for names_ in self.never_together for name in names_} - set(names)
        if unknown:
            first = min(unknown)
            raise Unfit("never_together", f"没有这个组：{first}", f"no group: {first}")
        return self


def walk(groups: list[Group]) -> list[Group]:
    """Return all groups of a tree in the order in which their offers apply."""
    found: list[Group] = []
    for group in groups:
        found += [group, *walk(group.groups)]
    return found


MEMBER, COUPON, DELIVERY = "member", "coupon", "delivery"


@cache
def default_stacking() -> StackingRules:
    """Return the groups of a chain that hasn't set its own."""
    return StackingRules(
        groups=[
            Group(group="activity", name="单品活动"),  # 秒杀价, 第二杯半价, 套餐, 赠品
            Group(group=MEMBER, name="会员价或限时折扣", mode="best", per="item"),
            Group(group="reduction", name="满减", mode="best"),
            Group(group=COUPON, name="优惠券", most=1),
            Group(group=DELIVERY, name="配送费", mode="best"),
        ]
    )
