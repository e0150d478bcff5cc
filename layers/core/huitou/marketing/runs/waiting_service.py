"""Waiting occasions when two members are merged."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.runtime.database import Database


class WaitingOccasions:
    def __init__(self, database: Database) -> None:
        self._repository = CampaignRunRepository(database)

    def hand_over_occasions(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give a merged member's waiting occasions to the member they were merged into."""
        self._repository.hand_over(source_id, into_id, session)
