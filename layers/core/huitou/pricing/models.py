"""A cart as the guest sends it, and its price with every discount explained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from huitou.coupons.models import Coupon
from huitou.points.models import PointsRules
from huitou.runtime.documents import Record, Request
from huitou.tiers.models import Level

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


class AddonLine(Record):
    """A priced extra as it was when the line was priced."""

    addon_id: str
    name: str
    price_fen: int
    quantity: int


class Line(Record):
    """A priced line: names and prices as they were, `list_fen` for the whole quantity."""

    dish_id: str
    sku_id: str
    name: str
    sku_name: str
    category: str
    methods: list[str]
    addons: list[AddonLine]
    quantity: int
    unit_fen: int
    list_fen: int


class Discount(Record):
    """One discount: what, by which revision, how much, who bears it, and its share per line."""

    kind: Literal["tier", "coupon", "points"]
    source_id: str
    revision: int
    amount_fen: int
    borne_by: Literal["brand", "store", "platform"] = "brand"
    by_line_fen: list[int]


class MemberOffer(Record):
    """What a member brings to a price: tier, coupon and points, each as it holds now."""

    level: Level
    tier_rules_revision: int
    coupon: Coupon | None = None
    points: int = 0
    points_rules: PointsRules = PointsRules()


class Price(Record):
    """A cart's price: `list_fen` − Σ discounts = `payable_fen`, per line and in total."""

    lines: list[Line]
    list_fen: int
    discounts: list[Discount]
    payable_fen: int
    points_used: int
