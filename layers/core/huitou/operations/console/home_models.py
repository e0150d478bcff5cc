"""The console's first page: how today goes, the three KPIs, and what wants somebody."""

from __future__ import annotations

from pydantic import Field

from huitou.insight.kpis.models import DayFigures, OrderFigures
from huitou.runtime.documents import Answer, Request

# PRODUCT's goals of the three KPIs.
REPURCHASE_GOAL, ACTIVITY_GOAL, BURN_GOAL = 0.40, 0.50, 0.60
DAYS_SHOWN = 30


class FiguresRequest(Request):
    """The figures of one store, or of the whole chain."""

    store_id: str | None = Field(default=None, min_length=1, max_length=64)


class StoreFigures(OrderFigures):
    """The figures of one store by its name, as of the last day that is over."""

    store_id: str
    name: str


class Goals(Answer):
    """What the three rates are to reach."""

    repurchase: float = REPURCHASE_GOAL
    activity: float = ACTIVITY_GOAL
    burn: float = BURN_GOAL


class HomeAnswer(Answer):
    """Today so far, the same weekday a week ago, the last thirty days, and each store.

    Rates of a store are its orders' only: activity and points are the whole chain's.
    """

    store_id: str | None
    today: DayFigures
    week_ago: DayFigures
    days: list[DayFigures]
    stores: list[StoreFigures]
    goals: Goals


class AlarmsAnswer(Answer):
    """What wants somebody: counts, at most `most` of each.

    `relay_lag_s` is how far changes are behind; `differences` those between our books and WeChat
    Pay's that nobody has resolved; `refunds` and `adjustments` wait for a decision; `sold_out`
    counts dishes that stores have none of now, `skipped` the days of campaigns of the last week on
    which the timer came too late.
    """

    dead_letters: int
    relay_lag_s: float
    differences: int
    refunds: int
    adjustments: int
    sold_out: int
    skipped: int
    most: int
