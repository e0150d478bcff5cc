"""Messages to members: the rules that all campaigns share, templates, and agreed messages."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Hours
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.limits import Id, Most, Revision

Source = Literal["title", "body", "gift", "until", "brand"]
CardStep = Literal["paid", "accepted", "preparing", "ready", "picked_up", "completed"]
# The kinds of fields in WeChat's subscription messages, and how many characters each may have.
FIELD_LENGTHS: dict[str, int] = {
    "thing": 20, "character_string": 32, "letter": 32, "number": 32, "symbol": 5, "phrase": 5,
    "name": 10, "amount": 12, "phone_number": 17, "car_number": 8, "time": 24, "date": 24,
}  # fmt: skip


class TemplateField(Record):
    """One field of a subscription message and its content; the field `thing1` is of kind `thing`.

    `source` names the part of a message that the field shows.
    """

    key: str = Field(max_length=32, pattern=r"^[a-z_]+[0-9]+$", title="字段")
    source: Source = Field(title="内容来源")

    @property
    def kind(self) -> str:
        """The field's kind, which is the beginning of WeChat's name for it."""
        return self.key.rstrip("0123456789")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.kind not in FIELD_LENGTHS:
            raise Unfit(
                "key",
                f"微信没有 {self.kind} 这种字段",
                f"{self.kind} is no kind of field that WeChat has",
            )
        return self


class PushTemplate(Record):
    """A subscription message of the mini-program; `template_id` is its id at WeChat."""

    template_id: str = Field(min_length=1, max_length=64, title="模板 ID")
    name: str = Field(default="", max_length=40, title="名称")
    fields: list[TemplateField] = Field(min_length=1, max_length=10, title="字段")


class PickupCard(Record):
    """The 取餐 card that WeChat shows a guest after paying (服务动态 2007); it needs no consent.

    `states` gives WeChat's number for each step of an order, from WeChat's page on template 2007.
    At a step that has no number, the card stays as it is. `page` is a path of the mini-program,
    with `{order_id}` in the place of the order's id. The minutes are the usual waiting time.
    """

    states: Annotated[dict[CardStep, Annotated[int, Most(1_000, least=0)]], Most(20)] = Field(
        default={"paid": 1}, min_length=1, title="状态编号"
    )
    page: str = Field(min_length=1, max_length=200, title="订单页路径")
    dish_image: str = Field(pattern=r"^https://", max_length=500, title="菜品图片网址")
    wait_from_minutes: int = Field(default=0, ge=0, le=240, title="通常至少等几分钟")
    wait_to_minutes: int = Field(default=0, ge=0, le=240, title="通常最多等几分钟")

    @model_validator(mode="after")
    def _begins_when_paid(self) -> Self:
        if "paid" not in self.states:
            raise Unfit("states", "须有 paid 的编号", "a card begins when the order is paid")
        if self.wait_to_minutes and self.wait_from_minutes > self.wait_to_minutes:
            raise Unfit("wait_to_minutes", "不能小于最少等待", "before wait_from_minutes")
        return self


class MessageRules(Stored):
    """The rules for all marketing messages together: the rule document `messages`.

    During `quiet` nobody gets a message, by the member's own clock. `per_day` and `per_week`
    limit how many messages a member gets from all campaigns together.
    """

    id: Id = Field(default="messages", alias="_id")
    revision: Revision = 1
    quiet: Hours = Field(
        default=Hours.model_construct(since="21:30", until="09:00"), title="静默时段"
    )
    per_day: int = Field(default=1, ge=1, le=10, title="每人每天最多")
    per_week: int = Field(default=3, ge=1, le=50, title="每人 7 天最多")
    brand_name: str = Field(default="本店", min_length=1, max_length=10, title="品牌名")
    templates: list[PushTemplate] = Field(default=[], max_length=50, title="订阅消息模板")
    pickup_card: PickupCard | None = Field(default=None, title="取餐卡片")

    def template(self, template_id: str | None) -> PushTemplate | None:
        """Return a template by its id; None if there is none."""
        return next((t for t in self.templates if t.template_id == template_id), None)


class NamedPush(Answer):
    """A subscription message: its id and its name."""

    template_id: str
    name: str


class NamedPushes(Answer):
    """The mini-program's subscription messages that the rules list."""

    templates: list[NamedPush]


class Subscription(Stored):
    """How many messages of one template a member has agreed to and not received yet (`left`).

    `id` is `<member>|<template>`. `prompts` are the ids of the last prompts that were counted.
    """

    member_id: str
    template_id: str
    left: int
    prompts: list[str] = Field(default=[])


class AcceptedPrompt(Request):
    """What the guest answered for one template in one prompt."""

    template_id: str = Field(min_length=1, max_length=64)
    result: Literal["accept", "reject", "ban", "filter"]


class SubscribedRequest(Request):
    """Report what the guest answered to a subscription prompt; `prompt_id` names the tap."""

    prompt_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    answers: list[AcceptedPrompt] = Field(min_length=1, max_length=5)


class SubscribedAnswer(Answer):
    """How many messages of each template may still be sent to the member."""

    left: dict[str, int]
