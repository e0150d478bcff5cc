"""Count what a person of the staff gives by approving held referrals."""

from __future__ import annotations

from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.rules import worth_fen
from huitou.coupons.issuing.service import Coupons
from huitou.growth.referrals.models import DecideRequest, Referral
from huitou.loyalty.adjustments.repository import AllowanceRepository
from huitou.loyalty.adjustments.rules import gift_limit_fen
from huitou.loyalty.points.service import Points
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class ApprovedGifts:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._allowance = AllowanceRepository(database)
        self._coupons = Coupons(database, clock)
        self._points = Points(database, clock)

    def count_gift(self, referral: Referral, request: DecideRequest) -> bool:
        """Count a referral's rewards as a gift of the actor's day; False above its limit.

        It counts the points of both members, and the part of the coupon for a set of friends.
        """
        rules, terms = self._points.rules(), referral.terms
        fen = (terms.inviter_points + terms.invited_points) * rules.point_value_fen
        if terms.invite_set is not None:
            found = self._coupons.find_templates([terms.invite_set.template_id])
            for template in found.values():
                worth = worth_fen(template.terms, rules.gift_limits.coupon_fen)
                fen += -(-worth // terms.invite_set.count)
        limit_fen = gift_limit_fen(rules.gift_limits, request.role)
        day = brand_day(self._clock.now())
        self._allowance.open(request.actor, day)
        return self._database.transact(
            lambda session: self._allowance.take(
                "gifts", request.actor, day, fen, limit_fen, session
            )
        )
