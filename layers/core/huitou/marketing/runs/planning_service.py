"""Plan the runs of campaigns day by day, and drop the work that ended campaigns have left."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.service import Stores
from huitou.marketing.campaigns.models import Campaign, CampaignState
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.marketing.runs.rules import last_planned, resumed_at, runs_due
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

Running = Sequence[tuple[CampaignState, Campaign]]


class Planning:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._stores = Stores(database, clock)

    def drop_ended(self, running: Running) -> None:
        """Drop the work that campaigns have left which have ended; the `running` ones haven't."""
        known = {state.id for state, _ in running}
        for campaign_id in self._repository.unfinished() - known:
            if self._campaigns.is_over(campaign_id):
                self._repository.drop(campaign_id)

    def plan_runs(self, running: Running) -> int:
        """Plan the runs of every day that has come due since the last call; returns how many."""
        now, planned = self._clock.now(), 0
        today = now.astimezone(ZoneInfo(BRAND_ZONE)).date().isoformat()
        unplanned = [
            (state, campaign, last)
            for state, campaign in running
            if TRIGGERS[campaign.trigger.kind].met == "day"
            and state.started_at is not None
            and (last := last_planned(campaign, now, today)) > (state.planned_to or "")
        ]
        if not unplanned:
            return 0
        members, zones = self._repository.members_in_all(), self._stores.zones()
        for state, campaign, last in unplanned:
            since = resumed_at(state)
            runs = runs_due(campaign, state.planned_to, since, now, today, members, zones)
            self._repository.put(runs)
            # Written after the runs: if the worker is killed in between, they are planned again.
            self._campaigns.note_days_planned(campaign.id, last)
            planned += len(runs)
        return planned

    def count_due_runs(self) -> int:
        """Return how many runs wait for a worker."""
        return self._repository.count_due()
