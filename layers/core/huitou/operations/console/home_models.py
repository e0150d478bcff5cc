"""The console's first page: today's figures, the three KPIs, and what needs attention."""

from pydantic import Field

from huitou.insight.kpis.models import DayFigures, OrderFigures
from huitou.runtime.documents import Answer, Request

# The product's goals for the three KPIs.
REPURCHASE_GOAL, ACTIVITY_GOAL, BURN_GOAL = 0.40, 0.50, 0.60
DAYS_SHOWN = 30


class FiguresRequest(Request):
    """Ask for the figures of one store, or of the whole chain."""

    store_id: str | None = Field(default=None, min_length=1, max_length=64)


class StoreFigures(OrderFigures):
    """The name and the figures of one store, as of the last completed day."""

    store_id: str
    name: str


class Goals(Answer):
    """The goals for the three rates."""

    repurchase: float = REPURCHASE_GOAL
    activity: float = ACTIVITY_GOAL
    burn: float = BURN_GOAL


class HomeAnswer(Answer):
    """Figures of today so far, of the same weekday a week ago, of thirty days, and of each store.

    A store has rates of its orders only: activity and points exist for the whole chain only.
    """

    store_id: str | None
    today: DayFigures
    week_ago: DayFigures
    days: list[DayFigures]
    stores: list[StoreFigures]
    goals: Goals


class AlarmsAnswer(Answer):
    """What needs somebody's attention: counts, at most `most` of each.

    `relay_lag_s` is how many seconds the oldest paid order has been waiting for its points.
    `differences` counts unresolved ones between our books and WeChat Pay's. `refunds` and
    `adjustments` wait for a decision. `sold_out` counts dishes that stores have sold out now.
    `skipped` counts the days of campaigns in the last week on which the timer came too late.
    """

    dead_letters: int
    relay_lag_s: float
    differences: int
    refunds: int
    adjustments: int
    sold_out: int
    skipped: int
    most: int
