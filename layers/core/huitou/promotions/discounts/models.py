"""The data of the search for the best combination: compiled offers, the cart, the outcome.

These are plain classes with slots, because each price creates thousands of them. The last classes
are a price's lines and discounts, as orders keep them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from huitou.promotions.offers.kinds import KINDS, Arithmetic
from huitou.promotions.offers.models import Bearer, Terms
from huitou.runtime.documents import Record

Source = Literal["tier", "offer", "coupon"]
ReasonCode = Literal[
    "not_yet", "ended", "paused", "wrong_store", "wrong_mode", "wrong_channel", "wrong_tier",
    "not_first_order", "wrong_day", "wrong_hours", "limit_reached", "used_up", "not_held",
    "no_item", "few_pieces", "short", "no_delivery", "excluded", "not_together", "worth_nothing",
    "dearer", "no_group",
]  # fmt: skip


NO_MOST = 1_000_000  # The `most` of a group without a limit of its own.


class Reason(NamedTuple):
    """Why an offer takes nothing off: `fen` or `pieces` are missing, or offer `by` keeps it out."""

    code: ReasonCode
    fen: int = 0
    pieces: int = 0
    by: str = ""


class CartLine(NamedTuple):
    """A line to be priced: a piece costs `unit_fen` with its 加料, `bare_fen` without."""

    dish_id: str
    sku_id: str
    category: str
    quantity: int
    unit_fen: int
    bare_fen: int


class Step(NamedTuple):
    """One group above an offer, and the number of the group's child to which the offer belongs."""

    group: int
    child: int


@dataclass(slots=True, eq=False)
class Rule:
    """One offer or coupon, compiled for the search.

    `must`: every combination has to use it, because the member chose it. A rule that isn't
    `optional` is left out only for an offer with which it can't be combined. `soonest` is a
    coupon's end: if prices are equal, the coupon that ends first is used. `kin` is an id that is
    the same for all members: a coupon's template, or an offer's own id. `steps` are the groups
    above it, the outermost first. `whole`: it covers every line. `is_unit`: it is about single
    pieces. `with_addons`: 加料 count for it. `out`: why it can't apply at all.
    """

    source: Source
    source_id: str
    revision: int
    name: str
    terms: Terms
    group: str
    priority: int = 0
    borne_by: Bearer = "brand"
    soonest: str = ""
    kin: str = ""
    must: bool = False
    optional: bool = True
    steps: tuple[Step, ...] = ()
    whole: bool = False
    order: tuple[int | str, ...] = ()
    out: Reason | None = None
    arithmetic: Arithmetic = field(init=False)
    is_unit: bool = field(init=False)
    with_addons: bool = field(init=False)
    no_item: "tuple[Rule, Reason]" = field(init=False)

    def __post_init__(self) -> None:
        kind = KINDS[self.terms.kind]
        self.arithmetic = kind.arithmetic(self.terms)
        self.is_unit = self.arithmetic.of == "pieces"
        self.with_addons = self.terms.with_addons and not kind.without_addons
        self.no_item = (self, Reason("no_item"))


class Tree(NamedTuple):
    """The stacking tree, numbered: each group's mode, whether it is per item, and its `most`."""

    modes: tuple[str, ...]
    by_item: tuple[bool, ...]
    most: tuple[int, ...]
    never: tuple[frozenset[int], ...]  # An order may use only one group of each set.


class Taken(NamedTuple):
    """What one offer takes off each line.

    `pieces` are how many pieces of each line it uses, None if it isn't about single pieces. `over`
    are the lines to which it is applied.
    """

    rule: Rule
    amount_fen: int
    shares: Sequence[int]
    pieces: Sequence[int] | None = None
    over: Sequence[int] = ()


@dataclass(slots=True)
class Outcome:
    """The best legal price, the offers it uses, and why it doesn't use the others.

    `proved` says that the search was finished. If it stopped at its limit of steps, this is the
    best price found so far: it is legal, but a cheaper one may exist.
    """

    items_fen: int  # The amount left to pay for the lines.
    delivery_fen: int
    taken: list[Taken]
    unused: list[tuple[Rule, Reason]]
    proved: bool = True
    steps: int = 0


class AddonLine(Record):
    """An extra with its name and price at the time when the line was priced."""

    addon_id: str
    name: str
    price_fen: int
    quantity: int


class Line(Record):
    """A line with its names and prices at that time; `list_fen` is for the whole quantity."""

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
    """One discount: its source and revision, its amount, who bears it, and its share of each line.

    `pieces` is how many pieces of each line an offer about single pieces has used. A discount on
    the delivery fee has a share of 0 in every line.
    """

    kind: Literal["tier", "offer", "coupon", "points"]
    source_id: str
    name: str = ""
    revision: int
    amount_fen: int
    borne_by: Literal["brand", "store", "platform"] = "brand"
    by_line_fen: list[int]
    pieces: list[int] | None = None
