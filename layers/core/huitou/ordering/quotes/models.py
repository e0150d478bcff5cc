"""The cart as a guest sends it, its price with every discount explained, and the price's inputs."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import Field, WithJsonSchema

from huitou.catalog.stores.models import Day
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tiers.models import Level
from huitou.promotions.discounts.models import Discount, Line, ReasonCode
from huitou.runtime.documents import Record, Request, Stored
from huitou.runtime.limits import ShortText

MAX_LINES = 50
MAX_QUANTITY = 99
MAX_ORDER_FEN = 100_000_000  # ¥1,000,000

# Kept as text: an order that a newer version priced may hold a reason of tomorrow.
KnownReason = Annotated[str, WithJsonSchema({"type": "string", "enum": list(get_args(ReasonCode))})]


class CartAddon(Request):
    """An extra on each piece of a line; `quantity` is per piece."""

    addon_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(default=1, ge=1, le=9)


class CartItem(Request):
    """One line of the cart: a dish in one 规格, with 做法 and 加料."""

    dish_id: str = Field(min_length=1, max_length=64)
    sku_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    methods: list[ShortText] = Field(default=[], max_length=10)
    addons: list[CartAddon] = Field(default=[], max_length=10)


class NotUsed(Record):
    """An offer or coupon that takes nothing off, and why: `code` for programs, `what` in words.

    `fen` or `pieces` say how much is missing; `by` names the offer that keeps this one out.
    """

    kind: Literal["tier", "offer", "coupon"]
    source_id: str
    name: str
    code: KnownReason
    fen: int = 0
    pieces: int = 0
    by: str = ""
    what: str


class ExampleDish(Record):
    """A dish of the store's menu and a number of pieces."""

    dish_id: str
    sku_id: str
    name: str
    quantity: int


class NextStep(Record):
    """A hint to the guest: add `fen` (at menu prices) or `pieces`, and one more offer applies.

    The hint was checked by pricing: with `example` in the cart, the offer takes at least `off_fen`
    off. `counts` names the dishes or categories that count; it is empty if all do.
    """

    source_id: str
    name: str
    fen: int = 0
    pieces: int = 0
    off_fen: int = 0
    counts: list[str] = Field(default=[])
    example: list[ExampleDish] = Field(default=[])
    what: str


@dataclass(frozen=True)
class MemberOffer:
    """What a member has besides coupons that changes a price: the tier and points of now.

    Nobody sends or stores it, so it is no model.
    """

    level: Level
    tier_rules_revision: int
    points: int = 0
    points_rules: PointsRules = field(default_factory=PointsRules.model_construct)


class Price(Record):
    """A cart's price: `list_fen` + `delivery_fen` − Σ discounts = `payable_fen`.

    Each discount has its share of each line, each unused offer its reason. `exact` says that no
    cheaper combination is allowed; it is false if the search stopped at its limit of steps.
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
    """The revision of an offer that was in force."""

    id: str
    revision: int


class PriceInputs(Record):
    """All facts but the lines from which a price follows, to calculate it again later.

    `day` is the store's business day and `clock` its local time (HH:MM). `coupon_ids` are the
    coupons that the search could use; `named` says that the member chose them. `blocked` maps
    offers and coupons that limits kept out to the reason. `most_steps` is the limit of the search;
    older orders don't have it and were priced with 2,000.
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
    most_steps: int = 2_000


class SharedInputs(Stored):
    """The inputs that the prices of many orders have in common; stored once, and never changed.

    `id` is a digest of the other fields, so equal inputs are the same document. A chain with fifty
    offers would otherwise store the list of them with each order.
    """

    level: Level
    tier_rules_revision: int
    stacking_revision: int
    offers: list[OfferRevision]
    points_rules_revision: int
    most_steps: int


class OwnInputs(Record):
    """The inputs that an order keeps itself; `shared` is the id of its `SharedInputs`.

    The fields of `PriceInputs` that are missing here are fields of the order too. A field that has
    its default isn't stored, so the defaults must never change.
    """

    shared: str
    clock: str
    first_order: bool = False
    coupon_ids: list[str] = Field(default=[])
    named: bool = True
    blocked: dict[str, str] = Field(default={})
