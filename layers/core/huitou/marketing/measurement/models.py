"""What a campaign has changed: the members it told against those it left alone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.marketing.runs.models import SkippedDay
from huitou.runtime.documents import Answer, Record

Metric = Literal["repurchase", "orders", "revenue_fen"]


class SeenExposure(Record):
    """The part of an exposure that its effect is read from."""

    id: str = Field(alias="_id")
    member_id: str
    group: str
    at: datetime
    day: str
    gift_kind: str | None = None
    gift_points: int | None = None
    delivery: str | None = None
    push: str | None = None
    opened_at: datetime | None = None


class FollowingOrder(Record):
    """An order that may be an effect: when, by whom, and what is left of it."""

    id: str = Field(alias="_id")
    member_id: str
    created_at: datetime
    business_day: str
    counted_fen: int = 0


class GroupFigures(Answer):
    """One group: whom it told, and what those did in the days after they were first told.

    `members` were told (or would have been); of `complete` the days to look at are over, and only
    they count in what follows. `pushed` messages went out as subscription messages, the others
    lay in the inbox. Rates are 0 to 1; averages are per member.
    """

    group: str
    members: int
    messages: int
    pushed: int
    opened: int
    gifts: int
    redeemed: int
    complete: int
    repurchase_rate: float | None
    orders_per_member: float | None
    revenue_fen_per_member: float | None


class Effect(Answer):
    """A difference to the hold-out, per member, with its interval of 95 %.

    The interval holds at every look, however often one looks (a confidence sequence). `tells` if
    it excludes zero.
    """

    metric: Metric
    group: str
    difference: float
    low: float
    high: float
    tells: bool


class EffectAnswer(Answer):
    """A campaign's report.

    `incremental_orders` is what the campaign brought beyond what would have come anyway, with its
    interval; `cost_fen` what its redeemed coupons took off and its points are worth. `verdict`
    says it in one sentence, also where the data can't tell yet. `skipped` are the days of the last
    30 on which the timer came too late.
    """

    campaign_id: str
    name: str
    status: str
    effect_days: int
    groups: list[GroupFigures]
    effects: list[Effect]
    incremental_orders: float | None
    incremental_orders_low: float | None
    incremental_orders_high: float | None
    cost_fen: int
    skipped: list[SkippedDay]
    verdict: str
