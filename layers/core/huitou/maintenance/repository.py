"""Rule documents, each replaced only by a later revision of itself."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from huitou.points.models import PointsRules
from huitou.refunds.models import RefundRules
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.tiers.models import TierRules


class RulesRepository:
    def __init__(self, database: Database) -> None:
        self._rules = database.collection("rules")

    def put(self, rules: TierRules | PointsRules | RefundRules) -> None:
        """Store a later revision; the same one again must say the same.

        The revision in the filter makes one of two editors of the same revision lose.
        """
        document = rules.document()
        if self._rules.find_one({"_id": rules.id}) == document:
            return
        try:
            self._rules.replace_one(
                {"_id": rules.id, "revision": {"$lt": rules.revision}}, document, upsert=True
            )
        except DuplicateKeyError:
            raise Refusal(Code.RULES_CONFLICT, field=f"{rules.id}_rules.revision") from None
