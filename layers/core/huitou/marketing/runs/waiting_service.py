"""Occasions that wait, where members turn out to be one."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.runtime.database import Database


class WaitingOccasions:
    def __init__(self, database: Database) -> None:
        self._repository = CampaignRunRepository(database)

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Let what waits for one member wait for another they turned out to be."""
        self._repository.hand_over(source_id, into_id, session)
