"""Every query on `earning_rules`."""

from __future__ import annotations

from huitou.loyalty.earning.models import EarningRule
from huitou.runtime.database import Database
from huitou.runtime.revisions import put_revision

MOST_RULES = 1_000  # In force or still to come; a chain has tens.


class EarningRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._rules = database.collection("earning_rules")

    def put(self, rule: EarningRule) -> None:
        """Store a later revision."""
        put_revision(self._rules, rule.document(), f"earning_rules.{rule.id}.revision")

    def rules(self, since: str) -> list[EarningRule]:
        """Return the rules that are valid on this day or later, sorted by id."""

        def read() -> list[EarningRule]:
            still = [{"valid_until": None}, {"valid_until": {"$gte": since}}]
            found = self._rules.find({"$or": still}).limit(MOST_RULES)
            rules = [EarningRule.model_validate(document) for document in found]
            return sorted(rules, key=lambda rule: rule.id)

        return self._cache.get("earning rules", read)
