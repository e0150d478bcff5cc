"""Puts a price together: lines by the menu, then offers, then points; exact to the fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from huitou.catalog.menu.errors import MenuErrors
from huitou.ordering.quotes.errors import QuoteErrors
from huitou.ordering.quotes.models import (
    MAX_ORDER_FEN,
    CartItem,
    ExampleDish,
    MemberOffer,
    NextStep,
    NotUsed,
    Price,
)
from huitou.promotions.discounts.models import (
    AddonLine,
    CartLine,
    Discount,
    Line,
    Outcome,
    Reason,
    ReasonCode,
    Rule,
    Taken,
)
from huitou.promotions.discounts.rules import covers
from huitou.promotions.discounts.shares import allocate
from huitou.promotions.offers.kinds import KINDS
from huitou.runtime.errors import Code, Lang, Refusal

if TYPE_CHECKING:
    from huitou.catalog.menu.models import OfferedDish
    from huitou.promotions.best_price.next_step import Further
    from huitou.promotions.offers.models import Scope


def priced_lines(items: Sequence[CartItem], menu: Mapping[str, OfferedDish]) -> list[Line]:
    """Price each item by the menu; Refusal naming the first field that the menu doesn't have."""
    lines = [_line(item, menu, f"items.{number}") for number, item in enumerate(items)]
    if sum(line.list_fen for line in lines) > MAX_ORDER_FEN:
        raise Refusal(QuoteErrors.ORDER_TOO_LARGE, field="items")
    return lines


def _line(item: CartItem, menu: Mapping[str, OfferedDish], where: str) -> Line:
    dish = menu.get(item.dish_id)
    if dish is None:
        raise Refusal(MenuErrors.DISH_NOT_FOUND, field=f"{where}.dish_id", detail=item.dish_id)
    if dish.sold_out:
        raise Refusal(MenuErrors.DISH_SOLD_OUT, field=f"{where}.dish_id", detail=dish.name)
    sku = next((sku for sku in dish.skus if sku.sku_id == item.sku_id), None)
    if sku is None:
        raise Refusal(MenuErrors.DISH_NOT_FOUND, field=f"{where}.sku_id", detail=item.sku_id)
    unknown = next((method for method in item.methods if method not in dish.methods), None)
    if unknown is not None:
        raise Refusal(MenuErrors.DISH_NOT_FOUND, field=f"{where}.methods", detail=unknown)
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
            raise Refusal(
                MenuErrors.DISH_NOT_FOUND, field=f"{field}.addon_id", detail=chosen.addon_id
            )
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


def cart_lines(lines: Sequence[Line]) -> list[CartLine]:
    """Return priced lines in the form that offers work on."""
    return [
        CartLine(
            line.dish_id,
            line.sku_id,
            line.category,
            line.quantity,
            line.unit_fen,
            line.unit_fen - sum(addon.price_fen * addon.quantity for addon in line.addons),
        )
        for line in lines
    ]


def price(
    lines: list[Line],
    outcome: Outcome,
    offer: MemberOffer,
    delivery_fen: int = 0,
    lang: Lang = "zh",
) -> Price:
    """Put a price together: first the offers' discounts, then points.

    The caller has checked the number of points. Their discount is shared out over the lines in
    proportion to what is left to pay for each, so that a later refund of one line gives back what
    was paid for it.
    """
    list_fen = sum(line.list_fen for line in lines)
    left = [line.list_fen for line in lines]
    discounts = []
    for taken in outcome.taken:
        left = [before - share for before, share in zip(left, taken.shares, strict=True)]
        discounts.append(_discount(taken))
    points_fen = offer.points * offer.points_rules.point_value_fen
    if points_fen:
        discounts.append(
            Discount(
                kind="points",
                source_id="points",
                name="积分",
                amount_fen=points_fen,
                revision=offer.points_rules.revision,
                by_line_fen=allocate(points_fen, left),
            )
        )
    return Price(
        lines=lines,
        list_fen=list_fen,
        delivery_fen=delivery_fen,
        discounts=discounts,
        payable_fen=outcome.items_fen + outcome.delivery_fen - points_fen,
        points_used=offer.points,
        not_used=[not_used(rule, reason, lang) for rule, reason in outcome.unused],
        exact=outcome.proved,
    )


def _discount(taken: Taken) -> Discount:
    rule = taken.rule
    return Discount(
        kind=rule.source,
        source_id=rule.source_id,
        name=rule.name,
        revision=rule.revision,
        amount_fen=taken.amount_fen,
        borne_by=rule.borne_by,
        by_line_fen=list(taken.shares),
        pieces=list(taken.pieces) if taken.pieces is not None else None,
    )


def not_used(rule: Rule, reason: Reason, lang: Lang = "zh") -> NotUsed:
    """Return why an offer takes nothing off, as a code and in words."""
    return NotUsed(
        kind=rule.source,
        source_id=rule.source_id,
        name=rule.name,
        code=reason.code,
        fen=reason.fen,
        pieces=reason.pieces,
        by=reason.by,
        what=words(reason, lang),
    )


_MOST_NAMED = 3  # A next step names so many dishes at most.
_WORDS: dict[ReasonCode, tuple[str, str]] = {
    "not_yet": ("活动未开始", "not in force yet"),
    "ended": ("已过期", "is over"),
    "paused": ("活动已暂停", "is paused"),
    "no_group": ("叠加规则里没有它的组", "the stacking rules lack its group"),
    "wrong_store": ("本店不可用", "not at this store"),
    "wrong_mode": ("不适用于此用餐方式", "not for this way of dining"),
    "wrong_channel": ("不适用于此渠道", "not through this channel"),
    "wrong_tier": ("会员等级不符", "not for this tier"),
    "not_first_order": ("仅限首单", "for the first order only"),
    "wrong_day": ("今天不可用", "not on this day"),
    "wrong_hours": ("不在可用时段", "not at this hour"),
    "limit_reached": ("已达使用次数上限", "used as often as it may be"),
    "used_up": ("名额已用完", "all of it is used up"),
    "not_held": ("已使用或已失效", "used, or held no more"),
    "no_item": ("没有适用的菜品", "no dish it is about"),
    "few_pieces": ("还差 {pieces} 件", "{pieces} more pieces needed"),
    "short": ("还差 ¥{fen}", "short by ¥{fen}"),
    "no_delivery": ("没有配送费", "no delivery fee"),
    "excluded": ("与「{by}」不可同享", "excluded by “{by}”"),
    "not_together": ("已使用「{by}」，不可叠加", "“{by}” is used in its place"),
    "worth_nothing": ("没有可减免的金额", "nothing left to take off"),
    "dearer": ("不使用更优惠", "the order is cheaper without it"),
}


def words(reason: Reason, lang: Lang = "zh") -> str:
    """Return the words that tell a guest this reason."""
    text = _WORDS[reason.code][lang == "en"]
    if reason.code == "not_together" and not reason.by:
        return "不可叠加使用" if lang == "zh" else "can't be used together"
    return text.format(fen=f"{reason.fen / 100:.2f}", pieces=reason.pieces, by=reason.by)


def offered_lines(menu: Sequence[OfferedDish]) -> list[CartLine]:
    """Return every dish and 规格 that a guest might add: one piece of each, without 加料."""
    return [
        CartLine(dish.dish_id, sku.sku_id, dish.category, 1, sku.price_fen, sku.price_fen)
        for dish in menu
        if not dish.sold_out
        for sku in dish.skus
    ]


def next_step_in_words(further: Further, menu: Sequence[OfferedDish], lang: Lang) -> NextStep:
    """Return the hint about an offer that a little more would bring, with its words."""
    names = {dish.dish_id: dish.name for dish in menu}
    name = further.rule.name
    found = [what for scope in further.scopes for what in _what_counts(further.rule, scope, menu)]
    counts = list(dict.fromkeys(found))
    off = f"¥{further.off_fen / 100:.2f}".removesuffix(".00")
    brings = KINDS[further.rule.terms.kind].brings[lang == "en"].format(off=off, name=name)
    if lang == "en":
        more = f"¥{further.fen / 100:.2f}" if further.fen else f"{further.pieces} more"
        of = f" ({', '.join(counts)})" if counts else ""
        what = f"Add {more}{of}: {brings}"
    else:
        more = f"¥{further.fen / 100:.2f}" if further.fen else f"{further.pieces} 件"
        of = f"（{'、'.join(counts)}）" if counts else ""
        what = f"再买 {more}{of or ' '}{brings}"
    return NextStep(
        source_id=further.rule.source_id,
        name=name,
        fen=further.fen,
        pieces=further.pieces,
        off_fen=further.off_fen,
        counts=counts,
        what=what,
        example=[
            ExampleDish(
                dish_id=line.dish_id,
                sku_id=line.sku_id,
                name=names.get(line.dish_id, line.dish_id),
                quantity=line.quantity,
            )
            for line in further.example
        ],
    )


def _what_counts(rule: Rule, scope: Scope, menu: Sequence[OfferedDish]) -> list[str]:
    """Return the names of dishes or categories that count for a scope; empty if all count."""
    lines = offered_lines(menu)
    counting = {
        line.dish_id for line in lines if covers(rule.terms.scope, line) and covers(scope, line)
    }
    if counting >= {line.dish_id for line in lines}:
        return []
    whole = [dish for dish in menu if dish.dish_id in counting]
    categories = list(dict.fromkeys(dish.category for dish in whole))
    if {dish.dish_id for dish in menu if dish.category in categories} == counting:
        return categories[:_MOST_NAMED]
    names = list(dict.fromkeys(dish.name for dish in whole))
    return names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], "…"]


def coupons_of(outcome: Outcome) -> list[str]:
    """Return the coupons that a combination uses."""
    return [one.rule.source_id for one in outcome.taken if one.rule.source == "coupon"]
