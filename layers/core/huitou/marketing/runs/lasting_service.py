"""Check, before a message is written, whether what it is about still holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from huitou.catalog.stores.rules import by_day_clock, shifted
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.campaigns.models import Campaign
from huitou.marketing.campaigns.rules import slot
from huitou.marketing.campaigns.triggers import Kind
from huitou.marketing.deliveries.rules import Occasion
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class Lasting:
    """Drops occasions that no longer hold after a night, a delay or an outage of the timer.

    It doesn't check what the member's features say (an absence, a first order): `passed_over` does.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CampaignRunRepository(database)
        self._tiers = Tiers(database, clock)

    def lasting_occasions(
        self, campaign: Campaign, occasions: Sequence[Occasion], now: datetime
    ) -> list[Occasion]:
        """Return the occasions that still hold."""
        lasting = self.LASTING.get(campaign.trigger.kind)
        return lasting(self, occasions, now) if lasting else list(occasions)

    def _last_moves(self, occasions: Sequence[Occasion], _now: datetime) -> list[Occasion]:
        moves = self._repository.last_moves(_members(occasions))
        return [o for o in occasions if moves.get(o.member_id) == o.occasion]

    def _usable_coupons(self, occasions: Sequence[Occasion], now: datetime) -> list[Occasion]:
        coupons = self._repository.usable_coupons(_names(occasions), by_day_clock(now))
        return [o for o in occasions if o[:2] in coupons]

    def _kept_orders(self, occasions: Sequence[Occasion], _now: datetime) -> list[Occasion]:
        orders = self._repository.kept_orders(_names(occasions))
        return [o for o in occasions if o.occasion in orders]

    def _ending_points(self, occasions: Sequence[Occasion], now: datetime) -> list[Occasion]:
        lots = self._repository.lots(_members(occasions))
        ahead = [o for o in occasions if now < slot(o.occasion, "00:00")]
        return [o for o in ahead if lots.get(o.member_id, {}).get(shifted(o.occasion, -1))]

    def moves_in_direction(self, campaign: Campaign, before: str, after: str) -> bool:
        """Tell whether a move between tiers goes in the campaign's direction, up or down."""
        levels = [level.level for level in self._tiers.rules().levels]
        places = [levels.index(name) if name in levels else 0 for name in (before, after)]
        return (places[1] > places[0]) == (campaign.trigger.direction == "up")

    LASTING: ClassVar[
        Mapping[Kind, Callable[[Lasting, Sequence[Occasion], datetime], list[Occasion]]]
    ] = {
        "tier_change": _last_moves,
        "coupon_expiring": _usable_coupons,
        "order_completed": _kept_orders,
        "points_expiring": _ending_points,
    }


def _members(occasions: Sequence[Occasion]) -> list[str]:
    return sorted({occasion.member_id for occasion in occasions})


def _names(occasions: Sequence[Occasion]) -> list[str]:
    return sorted({occasion.occasion for occasion in occasions})
