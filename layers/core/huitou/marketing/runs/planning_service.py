"""Plan the runs of campaigns day by day, and drop the work that ended campaigns have left."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.service import Stores
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.marketing.runs.rules import last_planned, resumed_at, runs_due
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class Planning:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._stores = Stores(database, clock)

    def plan_runs(self) -> int:
        """Plan the runs of every day that has come due since the last call; returns how many."""
        now, planned = self._clock.now(), 0
        self._campaigns.end_finished_campaigns()
        for campaign_id in self._repository.unfinished():
            if self._campaigns.is_over(campaign_id):
                self._repository.drop(campaign_id)
        today = now.astimezone(ZoneInfo(BRAND_ZONE)).date().isoformat()
        members = self._repository.members_in_all()
        zones = {*self._stores.zones(), BRAND_ZONE}
        for state, campaign in self._campaigns.running_campaigns():
            if TRIGGERS[campaign.trigger.kind].met != "day" or state.started_at is None:
                continue
            since = resumed_at(state)
            runs = runs_due(campaign, state.planned_to, since, now, today, members, zones)
            self._repository.put(runs)
            # Written after the runs: if the worker is killed in between, they are planned again.
            self._campaigns.note_days_planned(campaign.id, last_planned(campaign, now, today))
            planned += len(runs)
        return planned

    def count_due_runs(self) -> int:
        """Return how many runs wait for a worker."""
        return self._repository.count_due()
