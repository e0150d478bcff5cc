"""What a campaign has changed: members who got its messages, compared with the hold-out."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.marketing.campaigns.models import Status
from huitou.marketing.runs.models import SkippedDay
from huitou.runtime.documents import Answer, Record

Metric = Literal["repurchase", "orders", "revenue_fen"]


class SeenExposure(Record):
    """The part of an exposure that a report needs."""

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
    """An order that may be an effect of a message; `counted_fen` is what is left after refunds."""

    id: str = Field(alias="_id")
    member_id: str
    created_at: datetime
    business_day: str
    counted_fen: int = 0


class GroupFigures(Answer):
    """The figures of one group, a variant or `holdout`.

    `members` have got a message, or would have in the hold-out. Of these, `complete` members were
    observed for all of the campaign's `effect_days`, and only they count in the rate and the
    averages. `pushed` messages went out as subscription messages; the other ones are only in the
    inbox. The rate is from 0 to 1; averages are per member.
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
    """A group's difference to the hold-out, per member, with its interval of 95 %.

    It is a confidence sequence: it stays valid however often one looks at it. `tells` is true if
    the interval doesn't contain zero.
    """

    metric: Metric
    group: str
    difference: float
    low: float
    high: float
    tells: bool


class EffectAnswer(Answer):
    """A campaign's report.

    `incremental_orders`, with its interval, are the orders that wouldn't have come without the
    campaign. `cost_fen` is what its redeemed coupons took off, plus what its points are worth.
    `verdict` says in one sentence what the campaign has changed, or that the data can't tell yet.
    `skipped` are the days of the last 30 on which the timer came too late.
    """

    campaign_id: str
    name: str
    status: Status
    effect_days: int
    groups: list[GroupFigures]
    effects: list[Effect]
    incremental_orders: float | None
    incremental_orders_low: float | None
    incremental_orders_high: float | None
    cost_fen: int
    skipped: list[SkippedDay]
    verdict: str
