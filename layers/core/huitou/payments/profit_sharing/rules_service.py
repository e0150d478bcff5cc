"""The rules of 分账: who shares in which store's orders."""

from __future__ import annotations

from huitou.payments.profit_sharing.models import ShareRules
from huitou.payments.profit_sharing.repository import ShareRepository
from huitou.payments.profit_sharing.rules import check_rules
from huitou.runtime.database import Database


class ShareRuleBook:
    """The rules of 分账, checked and stored."""

    def __init__(self, database: Database) -> None:
        self._shares = ShareRepository(database)

    def put_rules(self, rules: ShareRules) -> None:
        """Store a later revision of a store's or the chain's rules.

        Raises Refusal INVALID_REQUEST naming the field that is wrong.
        """
        check_rules(rules)
        self._shares.put_rules(rules)
