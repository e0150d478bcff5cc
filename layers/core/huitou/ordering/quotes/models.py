"""A cart as the guest sends it, its price with every discount explained, and what it came of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from huitou.catalog.stores.models import Day
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tiers.models import Level
from huitou.promotions.discounts.models import Discount, Line
from huitou.runtime.documents import Record, Request

MAX_LINES = 50
MAX_QUANTITY = 99
MAX_ORDER_FEN = 100_000_000  # ¥1,000,000


class CartAddon(Request):
    """An extra on a line, per piece."""

    addon_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(default=1, ge=1, le=9)


class CartItem(Request):
    """One line of the cart: a dish in one 规格, with 做法 and 加料."""

    dish_id: str = Field(min_length=1, max_length=64)
    sku_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    methods: list[str] = Field(default=[], max_length=10)
    addons: list[CartAddon] = Field(default=[], max_length=10)


class NotUsed(Record):
    """An offer or coupon that takes nothing off, and why: `code` for programs, `what` in words.

    `fen` or `pieces` are what is missing; `by` the offer that stands against it.
    """

    kind: Literal["tier", "offer", "coupon"]
    source_id: str
    name: str
    code: str
    fen: int = 0
    pieces: int = 0
    by: str = ""
    what: str


class ExampleDish(Record):
    """A dish of the store's menu, and so many pieces of it."""

    dish_id: str
    sku_id: str
    name: str
    quantity: int


class NextStep(Record):
    """What is worth telling the guest: order for so much (at menu prices), or so many pieces, more.

    It was priced: with `example` in the cart the offer takes `off_fen` off at least. `counts` are
    the dishes or categories that count, by name; empty where all do.
    """

    source_id: str
    name: str
    fen: int = 0
    pieces: int = 0
    off_fen: int = 0
    counts: list[str] = Field(default=[])
    example: list[ExampleDish] = Field(default=[])
    what: str


class MemberOffer(Record):
    """What a member brings to a price besides coupons: tier and points, as they hold now."""

    level: Level
    tier_rules_revision: int
    points: int = 0
    points_rules: PointsRules = PointsRules()


class Price(Record):
    """A cart's price: `list_fen` + `delivery_fen` − Σ discounts = `payable_fen`.

    Each discount names its share per line, each offer not used its reason. `exact` says that no
    cheaper combination is allowed; a search that came to its bound can't promise that.
    """

    lines: list[Line]
    list_fen: int
    delivery_fen: int = 0
    discounts: list[Discount]
    payable_fen: int
    points_used: int
    not_used: list[NotUsed] = Field(default=[])
    next_step: NextStep | None = None
    exact: bool = True


class OfferRevision(Record):
    """One offer in force, as it was."""

    id: str
    revision: int


class PriceInputs(Record):
    """All that a price followed from besides its lines: kept with the order, to be told again.

    `day` and `clock` are the store's, `coupon_ids` those that were weighed, `named` says that the
    member chose them. `blocked` are offers that limits kept out, by the reason.
    """

    day: Day
    clock: str
    store_id: str
    mode: str
    channel: str
    level: Level
    tier_rules_revision: int
    first_order: bool
    stacking_revision: int
    offers: list[OfferRevision] = Field(default=[])
    coupon_ids: list[str] = Field(default=[])
    named: bool = True
    blocked: dict[str, str] = Field(default={})
    delivery_fen: int = 0
    points: int = 0
    points_rules_revision: int = 1
