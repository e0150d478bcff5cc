"""What a member's orders say of them: the features by which campaigns choose."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from huitou.ordering.orders.models import GivenBack
from huitou.runtime.documents import Answer, Record, Request, Stored

WINDOW_DAYS = 180  # Visits up to so many days before a member's latest one are kept one by one.
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class FeatureLine(Record):
    """One line of an order: which dish of which category, how many, at what price."""

    dish_id: str = ""
    category: str = ""
    quantity: int = 0
    list_fen: int = 0


class LineShares(Record):
    """A discount's share in each line."""

    by_line_fen: list[int] = Field(default=[])


class FeatureOrder(Record):
    """The part of an order that features follow; `featured_fen` is what they hold of it.
    `features` is "due" while that may be another sum.

    Status is plain text: a newer version's word must not stop everybody's features.
    """

    id: str = Field(alias="_id")
    member_id: str
    store_id: str | None = None
    business_day: str
    status: str
    origin: str = "live"
    payable_fen: int
    lines: list[FeatureLine] = Field(default=[])
    discounts: list[LineShares] = Field(default=[])
    refunds: list[GivenBack] = Field(default=[])
    paid_at: datetime | None = None
    created_at: datetime
    is_test: bool = False
    features: str | None = None
    featured_fen: int = 0

    @property
    def at(self) -> datetime:
        """When it was paid."""
        return self.paid_at or self.created_at


class Visit(Record):
    """One paid order, of which something is left after refunds.

    `day` is its business day, `hour` the hour of the store's wall clock, `categories` how many
    pieces of which kind of dish were kept.
    """

    at: datetime
    day: str
    hour: int
    store_id: str | None = None
    fen: int
    categories: dict[str, int] = Field(default={})


class Features(Stored):
    """One member's features (`id`), as of their latest paid order; days are business days.

    `orders` and `spend_fen` count everything ever paid and kept; `visits` are those of the last
    `WINDOW_DAYS` by order id, and everything below them follows from them. `overdue_on` is the
    day on which half as much again as their usual interval is over. `night_guest` is there for
    proven guests of the late evening only. `sources` are members who were merged into this one;
    one who was merged has nothing left but `moved_to`. Tags are set by operators.
    """

    orders: int = 0
    spend_fen: int = 0
    first_order_id: str | None = None
    first_order_at: datetime | None = None
    visits: dict[str, Visit] = Field(default={})
    last_order_at: datetime | None = None
    last_order_day: str | None = None
    usual_store_id: str | None = None
    usual_hour: int | None = None
    usual_interval_days: int | None = None
    overdue_on: str | None = None
    night_guest: Literal[True] | None = None
    tags: list[str] = Field(default=[])
    sources: list[str] = Field(default=[])
    moved_to: str | None = None


class TagRequest(Request):
    """Set and take away a tag; members without features get some."""

    tag: Tag
    add: list[str] = Field(default=[], max_length=500)
    remove: list[str] = Field(default=[], max_length=500)


class TagAnswer(Answer):
    """How many members have the tag now that hadn't, and the other way round."""

    added: int
    removed: int


class RebuildRequest(Request):
    """Work some members' features out again from their orders; page by page by `after`."""

    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=100, ge=1, le=500)
    repair: bool = False


class RebuildAnswer(Answer):
    """How many were looked at, whose features differed from their orders, and the next page."""

    members: int
    different: list[str]
    next: str | None
