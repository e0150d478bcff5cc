"""What operators and the CLI ask of `maintenance`."""

from __future__ import annotations

from pydantic import Field

from huitou.coupons.models import CouponTemplate, Scene
from huitou.menu.models import Dish, StoreDish
from huitou.points.models import PointsRules
from huitou.refunds.models import RefundRules
from huitou.runtime.documents import Request
from huitou.sharing.models import ShareRules
from huitou.stores.models import Store
from huitou.tiers.models import TierRules


class DeclareRequest(Request):
    """Apply the database's declarations and migrations."""


class LoadRequest(Request):
    """Put a chain's stores, menu, coupon templates, codes and rules in place; safe to repeat.

    Rules must carry a higher revision than the stored ones, or be the same.
    """

    stores: list[Store] = Field(default=[], max_length=500)
    dishes: list[Dish] = Field(default=[], max_length=2_000)
    store_dishes: list[StoreDish] = Field(default=[], max_length=10_000)
    coupon_templates: list[CouponTemplate] = Field(default=[], max_length=500)
    scenes: list[Scene] = Field(default=[], max_length=10_000)
    tier_rules: TierRules | None = None
    points_rules: PointsRules | None = None
    refund_rules: RefundRules | None = None
    share_rules: list[ShareRules] = Field(default=[], max_length=500)


class HealthRequest(Request):
    """Ask how the relay does and whether anything is stuck."""


class DeadLettersRequest(Request):
    """List what triggers and timers could not process."""

    limit: int = Field(default=100, ge=1, le=1_000)


class ReplayRequest(Request):
    """Start one dead letter's function again for its document."""

    letter_id: str = Field(min_length=1, max_length=200)
