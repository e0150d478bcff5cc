"""What a change of a campaign, of tiers or of prices gives away at most. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from huitou.catalog.menu.models import DishContent
from huitou.coupons.issuing.models import CouponTemplate
from huitou.loyalty.adjustments.worth import Raised, Worth, worth_of
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tiers.models import Level, TierRules
from huitou.marketing.campaigns.models import Campaign, Gift

WHOLE_BP = 10_000
MOST_CUT_BP = 5_000  # One person lowers the prices of a dish by so much a day at most.
# These fields of a campaign change nothing about what members get.
_WORDS = {"revision", "name", "priority", "send_at", "window", "effect_days", "variants"}


def campaign_worth(
    campaign: Campaign, templates: Mapping[str, CouponTemplate], points: PointsRules
) -> Raised:
    """Return what a campaign may give: its dearest variant, to as many members as it may write."""
    worths = [_gift_worth(variant.gift, templates, points) for variant in campaign.variants]
    limits = campaign.limits
    bounded = [worth.within(limits.total, limits.per_member) for worth in worths]
    totals = [worth.total_fen for worth in bounded]
    own = [worth.own_fen for worth in bounded]
    return Raised(
        max((fen for fen in totals if fen is not None), default=0) if None not in totals else None,
        max((fen for fen in own if fen is not None), default=0) if None not in own else None,
    )


def gives_the_same(new: Campaign, old: Campaign) -> bool:
    """Tell whether two revisions give the same to the same members on the same occasions."""
    gifts = [[(v.weight, v.gift) for v in campaign.variants] for campaign in (new, old)]
    return gifts[0] == gifts[1] and new.model_dump(exclude=_WORDS) == old.model_dump(exclude=_WORDS)


def gives_no_more(new: TierRules, old: TierRules) -> bool:
    """Tell whether new tier rules only ask for more or give less, at every level."""
    same = {"revision", "levels"}
    return (
        new.model_dump(exclude=same) == old.model_dump(exclude=same)
        and [level.level for level in new.levels] == [level.level for level in old.levels]
        and all(_no_better(*pair) for pair in zip(new.levels, old.levels, strict=True))
    )


def cut_bp(new: Mapping[str, int], old: Mapping[str, int]) -> int:
    """Return the deepest cut of a dish's prices, in basis points of the price before.

    A part that is new is compared with the cheapest one before, so that a new name is no way out.
    """
    cheapest = min(old.values(), default=0)
    return max(
        (
            (before - fen) * WHOLE_BP // before
            for name, fen in new.items()
            for before in [old.get(name, cheapest)]
            if before > fen
        ),
        default=0,
    )


def prices_of(dish: DishContent) -> dict[str, int]:
    """Return the prices of a dish's sizes, by id."""
    return {sku.sku_id: sku.price_fen for sku in dish.skus}


def addons_of(dish: DishContent) -> dict[str, int]:
    """Return the prices of a dish's 加料, by id."""
    return {addon.addon_id: addon.price_fen for addon in dish.addons}


def _gift_worth(gift: Gift, templates: Mapping[str, CouponTemplate], points: PointsRules) -> Worth:
    template = templates.get(gift.template_id or "")
    if template is not None:
        return worth_of(template, points.gift_limits.coupon_fen)
    return Worth((gift.points or 0) * points.point_value_fen)


def _no_better(new: Level, old: Level) -> bool:
    coupons = ("entry_coupons", "monthly_coupons", "birthday_coupons")
    return (
        new.implies(old)
        and new.kept_by.implies(old.kept_by)
        and new.discount_bp >= old.discount_bp
        and new.points_multiplier_bp <= old.points_multiplier_bp
        and new.free_delivery <= old.free_delivery
        and new.queue_priority <= old.queue_priority
        and all(Counter(getattr(new, name)) <= Counter(getattr(old, name)) for name in coupons)
    )
