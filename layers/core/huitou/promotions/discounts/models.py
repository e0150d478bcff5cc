"""What the search for the best combination works on: compiled offers, a cart, its outcome.

Plain classes with slots: thousands of them come and go with each price. At the end the lines and
discounts of a price, as orders keep them.
"""

from __future__ import annotations

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


NO_MOST = 1_000_000  # Of a group without a limit of its own.


class Reason(NamedTuple):
    """Why an offer takes nothing off: `fen` or `pieces` are missing, or the offer `by` is why."""

    code: ReasonCode
    fen: int = 0
    pieces: int = 0
    by: str = ""


class CartLine(NamedTuple):
    """A line to be priced: `unit_fen` with its 加料, `bare_fen` without."""

    dish_id: str
    sku_id: str
    category: str
    quantity: int
    unit_fen: int
    bare_fen: int


class Step(NamedTuple):
    """One group above an offer: as which of its children the offer counts there."""

    group: int
    child: int


@dataclass(slots=True, eq=False)
class Rule:
    """One offer or coupon, compiled: what the search asks of it, flat.

    A `must` is in every combination: the member chose it. One that isn't `optional` is left out
    only for an offer that it doesn't go with. `soonest` orders coupons in ties: the
    one that ends first. `kin` is its name to all members alike: a coupon's template, an offer's
    own id. `steps` are the groups above it, the outermost first. `whole` covers every line.
    `arithmetic` is its kind's; `is_unit`: it is about single pieces. `with_addons` says whether
    加料 count for it.
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
    no_item: tuple[Rule, Reason] = field(init=False)

    def __post_init__(self) -> None:
        kind = KINDS[self.terms.kind]
        self.arithmetic = kind.arithmetic(self.terms)
        self.is_unit = self.arithmetic.of == "pieces"
        self.with_addons = self.terms.with_addons and not kind.without_addons
        self.no_item = (self, Reason("no_item"))


class Tree(NamedTuple):
    """The stacking tree, numbered: per group its mode, whether per item, and its `most`."""

    modes: tuple[str, ...]
    by_item: tuple[bool, ...]
    most: tuple[int, ...]
    never: tuple[frozenset[int], ...]  # Sets of groups of which one order has one only.


class Taken(NamedTuple):
    """What one offer takes off, per line; `pieces` are those used by one about single pieces.

    `over` are the lines it works on.
    """

    rule: Rule
    amount_fen: int
    shares: Sequence[int]
    pieces: Sequence[int] | None = None
    over: Sequence[int] = ()


@dataclass(slots=True)
class Outcome:
    """The best legal price, how it comes about, and why every other offer isn't in it.

    `proved` says that the search came to its end; past its bound the best price found so far
    is taken, which is legal but may not be the least.
    """

    items_fen: int  # What is left to pay for the lines.
    delivery_fen: int
    taken: list[Taken]
    unused: list[tuple[Rule, Reason]]
    proved: bool = True
    steps: int = 0


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
    """One discount: what, by which revision, how much, who bears it, and its share per line.

    `pieces` are how many of each line an offer about single pieces has taken. A discount on the
    delivery fee has no share in any line.
    """

    kind: Literal["tier", "offer", "coupon", "points"]
    source_id: str
    name: str = ""
    revision: int
    amount_fen: int
    borne_by: Literal["brand", "store", "platform"] = "brand"
    by_line_fen: list[int]
    pieces: list[int] | None = None
