"""What history makes of many members' tiers."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.loyalty.tiers.models import TierChange
from huitou.runtime.database import Database


class HistoryRepository:
    """Tiers of many members in a few writes, inside the importer's transaction."""

    def __init__(self, database: Database) -> None:
        self._changes = database.collection("tier_changes")

    def append(self, changes: list[TierChange], session: ClientSession) -> None:
        """Note the moves of tiers in the members' histories."""
        if changes:
            self._changes.insert_many([c.document() for c in changes], session=session)
