"""Which items are on offer, and why a member can't have one."""

from __future__ import annotations

from datetime import date

from huitou.loyalty.points.errors import PointsErrors
from huitou.loyalty.rewards.errors import RewardErrors
from huitou.loyalty.rewards.models import Exchange, MallItem, ShownItem
from huitou.runtime.errors import Lang, Refusal


def hold_id(member_id: str, exchange_id: str) -> str:
    """Return the id of an exchange, of its hold, its entry (`use:<id>`) and its coupon's cause."""
    return f"mall:{member_id}:{exchange_id}"


def is_offered(item: MallItem, day: str) -> bool:
    """Tell whether the item is listed and valid on this business day; end days are included."""
    on = date.fromisoformat(day)
    return (
        item.listed
        and (item.valid_from is None or item.valid_from <= on)
        and (item.valid_until is None or on <= item.valid_until)
    )


def left_of(item: MallItem, taken: int) -> int | None:
    """Return how many are left, None if the stock is unlimited."""
    return None if item.stock is None else max(0, item.stock - taken)


def why_not(item: MallItem, taken: int, had: int, available: int) -> Refusal | None:
    """Return why a member who has had so many can't have one more, None if they can."""
    if left_of(item, taken) == 0:
        return Refusal(RewardErrors.MALL_SOLD_OUT, field="item_id")
    if item.per_member is not None and had >= item.per_member:
        return Refusal(
            RewardErrors.MALL_LIMIT_REACHED, field="item_id", detail=str(item.per_member)
        )
    if available < item.points:
        return Refusal(PointsErrors.POINTS_NOT_ENOUGH, field="points")
    return None


def shown(item: MallItem, taken: int, had: int, available: int, lang: Lang) -> ShownItem:
    """Return an item as the member sees it."""
    refusal = why_not(item, taken, had, available)
    return ShownItem(
        item_id=item.id,
        name=item.name,
        points=item.points,
        left=left_of(item, taken),
        per_member=item.per_member,
        valid_until=item.valid_until.isoformat() if item.valid_until else None,
        why_not=refusal.message(lang) if refusal else None,
    )


def check_item(exchange: Exchange, item_id: str) -> Exchange:
    """Return the exchange if it is of this item, else raise Refusal EXCHANGE_ID_REUSED."""
    if exchange.item_id != item_id:
        raise Refusal(RewardErrors.EXCHANGE_ID_REUSED, field="exchange_id")
    return exchange
