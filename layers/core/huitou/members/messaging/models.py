"""Messages to members: the rules all campaigns share, consent that is spent, the inbox."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Hours
from huitou.runtime.documents import Answer, Record, Request, Stored

Source = Literal["title", "body", "gift", "until", "brand"]
CardStep = Literal["paid", "accepted", "preparing", "ready", "picked_up", "completed"]
# WeChat's kinds of fields of subscription messages, and how many characters each may have.
FIELD_LENGTHS: dict[str, int] = {
    "thing": 20, "character_string": 32, "letter": 32, "number": 32, "symbol": 5, "phrase": 5,
    "name": 10, "amount": 12, "phone_number": 17, "car_number": 8, "time": 24, "date": 24,
}  # fmt: skip


class TemplateField(Record):
    """One field of a subscription message and what of a message it shows; `thing1` is a thing."""

    key: str = Field(pattern=r"^[a-z_]+[0-9]+$", title="字段")
    source: Source = Field(title="内容来源")

    @property
    def kind(self) -> str:
        """Its kind by WeChat's naming."""
        return self.key.rstrip("0123456789")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.kind not in FIELD_LENGTHS:
            raise ValueError(f"key: {self.kind} is no kind of field that WeChat has")
        return self


class PushTemplate(Record):
    """A subscription message of the mini-program's, by its id at WeChat."""

    template_id: str = Field(min_length=1, max_length=64, title="模板 ID")
    name: str = Field(default="", max_length=40, title="名称")
    fields: list[TemplateField] = Field(min_length=1, max_length=10, title="字段")


class PickupCard(Record):
    """The 取餐 card WeChat shows a guest from payment on: its 服务动态 2007, no consent needed.

    `states` are WeChat's numbers for what an order may be, from its page of template 2007; an
    order at a step without one leaves the card as it is. `page` is a path of the mini-program,
    with `{order_id}` where that belongs. The waiting time is the usual one.
    """

    states: dict[CardStep, int] = Field(default={"paid": 1}, min_length=1, title="状态编号")
    page: str = Field(min_length=1, max_length=200, title="订单页路径")
    dish_image: str = Field(pattern=r"^https://", max_length=500, title="菜品图片网址")
    wait_from_minutes: int = Field(default=0, ge=0, le=240, title="通常至少等几分钟")
    wait_to_minutes: int = Field(default=0, ge=0, le=240, title="通常最多等几分钟")

    @model_validator(mode="after")
    def _begins_when_paid(self) -> Self:
        if "paid" not in self.states:
            raise ValueError("states: a card begins when the order is paid")
        if self.wait_to_minutes and self.wait_from_minutes > self.wait_to_minutes:
            raise ValueError("wait_to_minutes: before wait_from_minutes")
        return self


class MessageRules(Stored):
    """What holds for all marketing messages together: `messages` among the rule documents.

    `quiet` is the time in which nobody is written to, by the member's own clock. `per_day` and
    `per_week` are how many a member gets from all campaigns.
    """

    id: str = Field(default="messages", alias="_id")
    revision: int = Field(default=1, ge=1)
    quiet: Hours = Field(default=Hours(since="21:30", until="09:00"), title="静默时段")
    per_day: int = Field(default=1, ge=1, le=10, title="每人每天最多")
    per_week: int = Field(default=3, ge=1, le=50, title="每人 7 天最多")
    brand_name: str = Field(default="本店", min_length=1, max_length=10, title="品牌名")
    templates: list[PushTemplate] = Field(default=[], max_length=50, title="订阅消息模板")
    pickup_card: PickupCard | None = Field(default=None, title="取餐卡片")

    def template(self, template_id: str | None) -> PushTemplate | None:
        """Return a template by its id, if there is one."""
        return next((t for t in self.templates if t.template_id == template_id), None)


class NamedPush(Answer):
    """A subscription message by its name."""

    template_id: str
    name: str


class NamedPushes(Answer):
    """The mini-program's subscription messages, as they stand in the rules."""

    templates: list[NamedPush]


class Subscription(Stored):
    """How many messages of one template a member has agreed to and not yet got.

    `id` is `<member>|<template>`. `prompts` are the last ones that were counted.
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
    """Tell what the guest answered to a subscription prompt; `prompt_id` is the tap's own."""

    prompt_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    answers: list[AcceptedPrompt] = Field(min_length=1, max_length=5)


class SubscribedAnswer(Answer):
    """How many messages of each template the member still gets."""

    left: dict[str, int]
