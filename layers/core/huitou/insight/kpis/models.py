"""The three KPIs: requests, answers, and the figures that are stored for each business day."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from huitou.members.profiles.models import Channel
from huitou.ordering.orders.models import GivenBack
from huitou.runtime.documents import Answer, Record, Request, Unfit
from huitou.runtime.limits import Id

MOST_DAYS = 1_100  # Days in one answer: three years.


class RollUpRequest(Request):
    """Count everything that is new or marked, for at most `seconds`."""

    seconds: int = Field(default=20, ge=1, le=240)


BusinessDay = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2100, 1, 1))]


class SelectionRequest(Request):
    """Which orders a figure is about: of one store, of one channel; all if both are left out."""

    store_id: str | None = Field(default=None, min_length=1, max_length=64)
    channel: Channel | None = None


class ReportRequest(SelectionRequest):
    """Ask for the figures as of a business day; if left out, the last day that is over."""

    as_of: BusinessDay | None = None


class StoreFiguresRequest(Request):
    """Ask for the figures of each store as of a business day.

    Either `store_ids` names the stores, or the answer is a page of all stores, by id.
    """

    as_of: BusinessDay
    channel: Channel | None = None
    store_ids: list[Id] | None = Field(default=None, min_length=1, max_length=200)
    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=100, ge=1, le=200)


class DaysRequest(SelectionRequest):
    """Ask for the figures of each business day of a period; both ends are included."""

    first: BusinessDay
    last: BusinessDay

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 <= (self.last - self.first).days < MOST_DAYS:
            raise Unfit(
                "last",
                f"须在 first 之后 0 至 {MOST_DAYS - 1} 天",
                f"must be 0 to {MOST_DAYS - 1} days after first",
            )
        return self


class RollUpOrder(Record):
    """The part of an order that the roll-ups read; `counted_fen` is what they have counted of it.

    Channel and status are plain texts, so that a value from a newer version doesn't stop the
    roll-up.
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
    """The part of a counted order that is needed to find repurchases."""

    member_id: str
    store_id: str | None = None
    channel: str = "mini_program"
    business_day: str


class Login(Record):
    """A member's log-in on a business day; `rollup` tells whether it is counted."""

    id: str = Field(alias="_id")
    member_id: str
    business_day: str
    rollup: str | None = None


class KpiDay(Record):
    """One business day of one series (one store or all, one channel or all).

    `visits` counts the members who came on the day, by the number of days since their last visit
    ("30" means thirty or more, or no visit before). `returns` counts those of them who came again
    within thirty days. The cohort of any window is a sum over these. Points and log-ins are stored
    for the whole chain only.
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
    """Sums over the whole chain, from its first day up to a day."""

    new_members: int = 0
    points_issued: int = 0
    points_clawed_back: int = 0
    points_used: int = 0


class OrderFigures(Record):
    """The order figures of a selection as of a day; a rate is null if its cohort is empty."""

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
    """The figures of log-ins and points of the whole chain, as of a day."""

    activity_rate: float | None
    active_members: int
    activity_members: int
    points_burn_rate: float | None
    points_burn_rate_90d: float | None
    points_issued: int
    points_clawed_back: int
    points_used: int


class RollUpAnswer(Answer):
    """How many orders, log-ins and days were counted; `rest` tells whether there is more to do."""

    orders: int
    logins: int
    days: int
    rest: bool


class ReportAnswer(OrderFigures, ChainFigures):
    """All figures of a selection as of a business day, and the order figures of each channel."""

    as_of: str
    store_id: str | None
    channel: Channel | None
    by_channel: dict[Channel, OrderFigures]


class StoreFiguresAnswer(Answer):
    """The figures of a page of stores, by id; `next` is null at the end.

    Stores without any figures are left out.
    """

    by_store: dict[str, OrderFigures]
    next: str | None


class DayFigures(OrderFigures, ChainFigures):
    """All figures as of one business day."""

    day: str


class DaysAnswer(Answer):
    """The figures of each business day of the period."""

    days: list[DayFigures]
