"""The work of campaign-run's timer: features first, then what is due, then the pushes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from huitou.integrations.weather import Forecast
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.push_service import Post, Pushes
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.runs.planning_service import Planning
from huitou.marketing.runs.service import CampaignRuns
from huitou.marketing.weather.service import WeatherBook
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable

FEATURES_SHARE = 0.4  # Features may use this share of a tick's time.
WORK_SHARE = 0.8  # Messages may use this share of what is left; the rest is for pushes.
MOST_WORKERS = 3  # One tick starts up to so many further workers.


class Tick:
    """One call by the timer (`run`), or one further worker that it has started (`work`)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        post: Post,
        openid: Callable[[str], str | None],
        forecast: Callable[[float, float], list[Forecast]],
        start: Callable[[dict[str, Any]], None],
    ) -> None:
        self._features = FeatureBook(database, clock)
        self._planning = Planning(database, clock)
        self._runs = CampaignRuns(database, clock)
        self._campaigns = Campaigns(database, clock)
        self._weather = WeatherBook(database, clock)
        self._pushes = Pushes(database, clock, post, openid)
        self._forecast = forecast
        self._start = start

    def run_tick(self, seconds: float) -> dict[str, Any]:
        """Plan what has come due, start further workers if there is much to do, and work.

        Takes so many seconds at most. Returns the fields of `WorkAnswer`.
        """
        ends = time.monotonic() + seconds
        # Orders are counted first: a guest who has just ordered must not read that we miss them.
        features = self._features.count_due_orders(seconds * FEATURES_SHARE)
        running = self._campaigns.end_finished_campaigns()
        self._planning.drop_ended(running)
        if any(TRIGGERS[campaign.trigger.kind].forecast for _, campaign in running):
            self._weather.record_forecasts(self._forecast)
        planned = self._planning.plan_runs(running)
        with suppress(Unavailable):  # Without further workers it only takes longer.
            for _ in range(min(self._planning.count_due_runs() - 1, MOST_WORKERS)):
                self._start({"action": "work", "seconds": max(1.0, seconds)})
        done = self.work_on_due_runs(ends - time.monotonic())
        return done | {"features": done["features"] + features, "planned": planned}

    def work_on_due_runs(self, seconds: float) -> dict[str, Any]:
        """Work on what is planned, for so many seconds at most. Returns fields of `WorkAnswer`."""
        ends = time.monotonic() + seconds
        works_until = time.monotonic() + seconds * WORK_SHARE
        counts, complete = self._runs.work_on_campaigns(lambda: time.monotonic() < works_until)
        pushes = self._pushes.send_due_pushes(lambda: time.monotonic() < ends)
        return {
            "features": 0,
            "planned": 0,
            "counts": dict(counts),
            "pushes": dict(pushes),
            "rest": not complete,
        }
