"""What the linter of rules must know besides the rules themselves, and one thing it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.rules import worth_fen
from huitou.loyalty.points.models import PointsRules
from huitou.promotions.offers.models import Offer, StackingRules
from huitou.runtime.errors import Words

# A basket of so little is always there: below it, a reward above the basket does no great harm.
SMALL_FEN = 1_000


class Fault(NamedTuple):
    """One fault: the field within the document, and words in Chinese and English."""

    field: str
    words: Words


@dataclass(frozen=True)
class RuleFacts:
    """The chain as it will be once the rules are stored.

    `templates` are the coupon templates by id, `with_codes` the stored ones for which people have
    codes; `offers` are all offers in force. `stores` are the ids
    of the chain's stores; empty if none is known yet.
    """

    today: date
    templates: Mapping[str, CouponTemplate]
    with_codes: Mapping[str, CouponTemplate]
    points: PointsRules
    stores: frozenset[str]
    offers: Sequence[Offer]
    stacking: StackingRules

    def worth_fen(self, template_id: str) -> int:
        """Return what a coupon takes off at most; 0 for an unknown template."""
        return self.most_off_fen(self.templates.get(template_id))

    def most_off_fen(self, template: CouponTemplate | None) -> int:
        """Return what a coupon of this kind takes off at most; 0 without a template."""
        if template is None:
            return 0
        return worth_fen(template.terms, self.points.gift_limits.coupon_fen)

    def points_fen(self, points: int) -> int:
        """Return what points pay for."""
        return points * self.points.point_value_fen
