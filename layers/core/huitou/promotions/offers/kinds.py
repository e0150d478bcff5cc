"""The kinds of offers: one table with an entry for each kind.

A new kind needs an entry here and a line in functions/pay/PRICING.md. If no existing arithmetic
fits, it also needs a new one in `discounts/amounts.py` or `discounts/pieces.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from huitou.promotions.discounts.amounts import AmountOff, FeeOff, LinesOff, PercentOff
from huitou.promotions.discounts.pieces import AtPrice, Bundle, EveryNth, PiecesOff

if TYPE_CHECKING:  # `Terms` import `Kind` from here.
    from huitou.promotions.offers.models import Terms
    from huitou.runtime.errors import Words

Kind = Literal[
    "amount_off",  # 满30减8: `off_fen` for each `threshold_fen` reached, `most_times` times
    "percent_off",  # 8 折: `off_bp` of what it covers, at most `cap_fen`
    "fixed_price",  # 秒杀价: a piece costs `price_fen`
    "free_item",  # 赠品: a piece costs nothing
    "exchange",  # 兑换券: a piece for `price_fen` (mostly 0), its 加料 are paid
    "nth_item",  # 第二杯半价: of each `nth` pieces the cheapest is `off_bp` less
    "bundle",  # 套餐: the pieces of all `slots` together cost `price_fen`
    "delivery",  # 免配送费: `off_fen` of the delivery fee, or all of it
]
Arithmetic = PiecesOff | LinesOff | FeeOff


@dataclass(frozen=True)
class OfferKind:
    """One kind of offer.

    `arithmetic` says what it takes off single pieces, whole lines or the delivery fee. `needs`
    and `may_have` are the fields of the terms that only some kinds have. `brings` tells a guest
    what it brings ({off} is an amount, {name} the offer's name). A kind with `per_threshold` may
    apply more than once an order only if its terms have a threshold. A kind with `without_addons`
    never takes anything off 加料, whatever its terms say.
    """

    label: str
    arithmetic: Callable[[Terms], Arithmetic]
    needs: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()
    brings: Words = ("可享「{name}」，减 {off}", "“{name}”, {off} off")
    per_threshold: bool = False
    without_addons: bool = False


_SO_MUCH_OFF = ("可减 {off}", "{off} off")
# Offers of equal priority in a group apply in this order.
KINDS: dict[Kind, OfferKind] = {
    "fixed_price": OfferKind("一口价", AtPrice, needs=("price_fen",)),
    "free_item": OfferKind("赠品", AtPrice),
    "exchange": OfferKind("兑换", AtPrice, may_have=("price_fen",), without_addons=True),
    "nth_item": OfferKind("第几件优惠", EveryNth, needs=("nth", "off_bp")),
    "bundle": OfferKind("套餐", Bundle, needs=("slots", "price_fen")),
    "percent_off": OfferKind(
        "打折", PercentOff, needs=("off_bp",), may_have=("cap_fen",), brings=_SO_MUCH_OFF
    ),
    "amount_off": OfferKind(
        "满减", AmountOff, needs=("off_fen",), brings=_SO_MUCH_OFF, per_threshold=True
    ),
    "delivery": OfferKind(
        "免配送费", FeeOff, may_have=("off_fen",),
        brings=("可减配送费 {off}", "{off} off the delivery fee"),
    ),
}  # fmt: skip
PLACE_OF = {kind: place for place, kind in enumerate(KINDS)}
