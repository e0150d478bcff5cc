"""Features: figures computed from a member's orders, by which campaigns choose members."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from huitou.ordering.orders.models import GivenBack
from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.runtime.limits import Id

WINDOW_DAYS = 180  # Single visits are kept for this many days up to the member's latest visit.
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class FeatureLine(Record):
    """One line of an order: dish, category, quantity, and the list price of the whole line."""

    dish_id: str = ""
    category: str = ""
    quantity: int = 0
    list_fen: int = 0


class LineShares(Record):
    """How much of one discount each line got, in fen."""

    by_line_fen: list[int] = Field(default=[])


class FeatureOrder(Record):
    """The part of an order that features are computed from.

    `featured_fen` is the sum with which the features count this order. `features` is "due" while
    that sum may be out of date. `status` is a plain string: a status that only a newer version of
    the code knows must not stop the work on everybody's features.
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
        """When it was paid; when it was created, if that isn't known."""
        return self.paid_at or self.created_at


class Visit(Record):
    """One paid order that wasn't refunded completely.

    `day` is its business day, `hour` the hour on the store's wall clock, `fen` what is left of it
    after refunds. `categories` counts the items that the member kept, by category.
    """

    at: datetime
    day: str
    hour: int
    store_id: str | None = None
    fen: int
    categories: dict[str, int] = Field(default={})


class Features(Stored):
    """The features of one member (`id`) as of their latest paid order. Days are business days.

    `orders` and `spend_fen` count everything the member ever paid and kept. `visits` are those of
    the last `WINDOW_DAYS`, by order id; the fields from `last_order_at` to `night_guest` are
    computed from them. On `overdue_on` the member has stayed away for 1.5 times their usual
    interval. `night_guest` is set only for members who have ordered late in the evening often
    enough. Operators set `tags`. `sources` are the members who were merged into this one. A member
    who was merged into another has only `moved_to`, the id of that other one.
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
    """Give a tag to some members and take it from others.

    A member who has no features yet gets a document that has the tag only.
    """

    tag: Tag
    add: list[Id] = Field(default=[], max_length=500)
    remove: list[Id] = Field(default=[], max_length=500)


class TagAnswer(Answer):
    """How many members got the tag, and how many lost it; members unchanged don't count."""

    added: int
    removed: int


class RebuildRequest(Request):
    """Compute a page of members' features again from their orders; pages follow each other by id.

    With `repair` the differing features are corrected.
    """

    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=100, ge=1, le=500)
    repair: bool = False


class RebuildAnswer(Answer):
    """How many members were checked, whose features were wrong, and where the next page begins."""

    members: int
    different: list[str]
    next: str | None
