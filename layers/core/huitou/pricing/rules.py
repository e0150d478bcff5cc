"""What a cart costs: list price, then tier, then coupon, then points; exact to the fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from huitou.menu.models import OfferedDish
from huitou.pricing.models import (
    MAX_ORDER_FEN,
    AddonLine,
    CartItem,
    Discount,
    Line,
    MemberOffer,
    Price,
)
from huitou.runtime.errors import Code, Refusal


def priced_lines(items: Sequence[CartItem], menu: Mapping[str, OfferedDish]) -> list[Line]:
    """Price each item by the menu; Refusal naming the first field that isn't on it."""
    lines = [_line(item, menu, f"items.{number}") for number, item in enumerate(items)]
    if sum(line.list_fen for line in lines) > MAX_ORDER_FEN:
        raise Refusal(Code.ORDER_TOO_LARGE, field="items")
    return lines


def _line(item: CartItem, menu: Mapping[str, OfferedDish], where: str) -> Line:
    dish = menu.get(item.dish_id)
    if dish is None:
        raise Refusal(Code.DISH_NOT_FOUND, field=f"{where}.dish_id", detail=item.dish_id)
    if dish.sold_out:
        raise Refusal(Code.DISH_SOLD_OUT, field=f"{where}.dish_id", detail=dish.name)
    sku = next((sku for sku in dish.skus if sku.sku_id == item.sku_id), None)
    if sku is None:
        raise Refusal(Code.DISH_NOT_FOUND, field=f"{where}.sku_id", detail=item.sku_id)
    unknown = next((method for method in item.methods if method not in dish.methods), None)
    if unknown is not None:
        raise Refusal(Code.DISH_NOT_FOUND, field=f"{where}.methods", detail=unknown)
    addons = _addons(item, dish, where)
    unit_fen = sku.price_fen + sum(addon.price_fen * addon.quantity for addon in addons)
    return Line(
        dish_id=dish.dish_id,
        sku_id=sku.sku_id,
        name=dish.name,
        sku_name=sku.name,
        category=dish.category,
        methods=item.methods,
        addons=addons,
        quantity=item.quantity,
        unit_fen=unit_fen,
        list_fen=unit_fen * item.quantity,
    )


def _addons(item: CartItem, dish: OfferedDish, where: str) -> list[AddonLine]:
    offered = {addon.addon_id: addon for addon in dish.addons}
    lines: dict[str, AddonLine] = {}
    for number, chosen in enumerate(item.addons):
        field = f"{where}.addons.{number}"
        addon = offered.get(chosen.addon_id)
        if addon is None or chosen.addon_id in lines:
            raise Refusal(Code.DISH_NOT_FOUND, field=f"{field}.addon_id", detail=chosen.addon_id)
        if chosen.quantity > addon.max_quantity:
            raise Refusal(
                Code.INVALID_REQUEST, field=f"{field}.quantity", detail=f"≤ {addon.max_quantity}"
            )
        lines[chosen.addon_id] = AddonLine(
            addon_id=addon.addon_id,
            name=addon.name,
            price_fen=addon.price_fen,
            quantity=chosen.quantity,
        )
    return list(lines.values())


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` out in proportion to `weights`, exactly, by largest remainder.

    Ties go to the earlier share. No share exceeds its weight when `total` ≤ Σ weights.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def tier_discount_fen(list_fen: int, discount_bp: int) -> int:
    """Return what a tier takes off, rounded down to the fen (9,000 bp = 9 折)."""
    return list_fen * (10_000 - discount_bp) // 10_000


def after_tier_fen(list_fen: int, offer: MemberOffer) -> int:
    """Return the amount that coupons with a `running` threshold look at."""
    return list_fen - tier_discount_fen(list_fen, offer.level.discount_bp)


def after_coupon_fen(list_fen: int, offer: MemberOffer) -> int:
    """Return the amount of which points may pay a share."""
    running = after_tier_fen(list_fen, offer)
    return running - min(offer.coupon.terms.off_fen or 0, running) if offer.coupon else running


def price(lines: list[Line], offer: MemberOffer) -> Price:
    """Price a cart for a member; the coupon and points must have been found usable before.

    Each discount is shared out over the lines by what is left to pay on them, so that a later
    refund of one line gives back what was paid for it.
    """
    list_fen = sum(line.list_fen for line in lines)
    left = [line.list_fen for line in lines]
    discounts: list[Discount] = []

    def take(kind: str, source_id: str, revision: int, amount_fen: int) -> None:
        nonlocal left
        if amount_fen <= 0:
            return
        shares = allocate(amount_fen, left)
        left = [before - share for before, share in zip(left, shares, strict=True)]
        discounts.append(
            Discount.model_validate(
                {
                    "kind": kind,
                    "source_id": source_id,
                    "revision": revision,
                    "amount_fen": amount_fen,
                    "by_line_fen": shares,
                }
            )
        )

    tier_fen = tier_discount_fen(list_fen, offer.level.discount_bp)
    take("tier", offer.level.level, offer.tier_rules_revision, tier_fen)
    if offer.coupon:
        coupon_fen = min(offer.coupon.terms.off_fen or 0, sum(left))
        take("coupon", offer.coupon.id, offer.coupon.template_revision, coupon_fen)
    take("points", "points", offer.points_rules.revision,
         offer.points * offer.points_rules.point_value_fen)  # fmt: skip
    return Price(
        lines=lines,
        list_fen=list_fen,
        discounts=discounts,
        payable_fen=sum(left),
        points_used=offer.points,
    )
