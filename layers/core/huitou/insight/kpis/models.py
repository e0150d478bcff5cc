"""The three KPIs: what callers ask for, and what is kept of each business day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from huitou.members.profiles.models import Channel
from huitou.ordering.orders.models import GivenBack
from huitou.runtime.documents import Answer, Record, Request

MOST_DAYS = 1_100  # Of one call: three years.


class RollUpRequest(Request):
    """Count what is new or was marked, for at most `seconds`."""

    seconds: int = Field(default=20, ge=1, le=240)


BusinessDay = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2100, 1, 1))]


class SelectionRequest(Request):
    """Which orders a figure is about; left out: all of them."""

    store_id: str | None = Field(default=None, min_length=1, max_length=64)
    channel: Channel | None = None


class ReportRequest(SelectionRequest):
    """The figures as of a business day; left out: the last one that is over."""

    as_of: BusinessDay | None = None


class StoreFiguresRequest(Request):
    """The figures of each store as of a business day: of these, or a page of all by id."""

    as_of: BusinessDay
    channel: Channel | None = None
    store_ids: list[str] | None = Field(default=None, min_length=1, max_length=200)
    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=100, ge=1, le=200)


class DaysRequest(SelectionRequest):
    """The figures of each business day of a period, both ends included."""

    first: BusinessDay
    last: BusinessDay

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 <= (self.last - self.first).days < MOST_DAYS:
            raise ValueError(f"last must be 0 to {MOST_DAYS - 1} days after first")
        return self


class RollUpOrder(Record):
    """The part of an order that the roll-ups follow.

    Channel and status are plain text: a newer version's word must not stop everybody's figures.
    """

    id: str = Field(alias="_id")
    member_id: str
    store_id: str | None = None
    channel: str = "mini_program"
    business_day: str
    status: str
    payable_fen: int
    refunds: list[GivenBack] = Field(default=[])
    is_test: bool = False
    counted_fen: int = 0


class Visit(Record):
    """A counted order, as far as it matters to another one's repurchase."""

    member_id: str
    store_id: str | None = None
    channel: str = "mini_program"
    business_day: str


class Login(Record):
    """A member's log-in of a business day; `rollup` says whether the days know of it."""

    id: str = Field(alias="_id")
    member_id: str
    business_day: str
    rollup: str | None = None


class KpiDay(Record):
    """One business day of one series (a store or all, a channel or all).

    `visits` counts the members who came, by the days since they had last come ("30": thirty or
    more, or never before); `returns` those of them who came again within thirty days. Any
    window's cohort is a sum over these. Points and log-ins are kept for the whole chain only.
    """

    day: str
    store_id: str | None = None
    channel: str | None = None
    orders: int = 0
    revenue_fen: int = 0
    new_members: int = 0
    visits: dict[str, int] = Field(default={})
    returns: dict[str, int] = Field(default={})
    points_issued: int = 0
    points_clawed_back: int = 0
    points_used: int = 0
    active_members: int = 0


class Before(Record):
    """Sums over the whole chain from its first day to a day."""

    new_members: int = 0
    points_issued: int = 0
    points_clawed_back: int = 0
    points_used: int = 0


class OrderFigures(Record):
    """What orders of a selection say as of a day; a rate is null where its cohort is empty."""

    repurchase_rate_30d: float | None
    repurchase_cohort: int
    repurchased: int
    orders: int
    revenue_fen: int
    new_members: int
    orders_30d: int
    revenue_fen_30d: int
    new_members_30d: int


class ChainFigures(Record):
    """What log-ins and points of the whole chain say as of a day."""

    activity_rate: float | None
    active_members: int
    activity_members: int
    points_burn_rate: float | None
    points_burn_rate_90d: float | None
    points_issued: int
    points_clawed_back: int
    points_used: int


class RollUpAnswer(Answer):
    """How many orders, log-ins and days were counted; `rest` if there is more to do."""

    orders: int
    logins: int
    days: int
    rest: bool


class ReportAnswer(OrderFigures, ChainFigures):
    """All figures of a selection as of a business day; of each channel those of its orders."""

    as_of: str
    store_id: str | None
    channel: Channel | None
    by_channel: dict[Channel, OrderFigures]


class StoreFiguresAnswer(Answer):
    """The figures of a page of stores, by id, of those that have any; `next` is null at the end."""

    by_store: dict[str, OrderFigures]
    next: str | None


class DayFigures(OrderFigures, ChainFigures):
    """All figures as of one business day."""

    day: str


class DaysAnswer(Answer):
    """The figures of each business day of the period."""

    days: list[DayFigures]
