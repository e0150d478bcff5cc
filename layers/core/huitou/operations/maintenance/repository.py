"""The chain's rule documents in `rules`, except those of tiers, which apply from a certain day."""

from __future__ import annotations

from huitou.growth.geofence.models import ArrivalRules
from huitou.growth.referrals.models import ReferralRules
from huitou.loyalty.points.models import PointsRules
from huitou.members.messaging.models import MessageRules
from huitou.payments.refunds.models import RefundRules
from huitou.runtime.database import Database
from huitou.runtime.revisions import put_revision

RuleDocument = PointsRules | RefundRules | MessageRules | ArrivalRules | ReferralRules


class RulesRepository:
    def __init__(self, database: Database) -> None:
        self._rules = database.collection("rules")

    def put(self, rules: RuleDocument, field: str) -> None:
        """Store a later revision; `field` is the rules' name in the request, for errors."""
        put_revision(self._rules, rules.document(), f"{field}.revision")
