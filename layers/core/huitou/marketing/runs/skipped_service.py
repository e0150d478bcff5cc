"""Report to operators what campaigns didn't send because the timer came too late."""

from __future__ import annotations

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.marketing.runs.models import LATE, SkippedDay
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

SHOWN_DAYS = 30
MOST_SHOWN = 200


class Skipped:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)

    def skipped_days(self, campaign_id: str) -> list[SkippedDay]:
        """Return a campaign's days in the last 30 on which something was too late, newest first."""
        found = self._repository.skipped(campaign_id, self._since(SHOWN_DAYS), MOST_SHOWN)
        days = {run.day for run in found if run.part != LATE}
        late = {run.day: run.counts.get("stale", 0) for run in found if run.part == LATE}
        begun = self._repository.done_days(campaign_id, sorted(days))
        return [
            SkippedDay(day=day, whole=day in days - begun, occasions=late.get(day, 0))
            for day in sorted({*days, *late}, reverse=True)
        ]

    def count_skipped_days(self, days: int, limit: int) -> int:
        """Return how many days of campaigns, within the last `days`, had something too late.

        Each campaign's day counts by itself, up to `limit`.
        """
        return self._repository.skipped_days(self._since(days), limit)

    def _since(self, days: int) -> str:
        return shifted(brand_day(self._clock.now()), 1 - days)
