"""Whom a day meets: a campaign's members of one day, page by page, by an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import day_bounds, shifted
from huitou.marketing.campaigns.models import Campaign
from huitou.marketing.deliveries.rules import Occasion
from huitou.marketing.runs.models import Run
from huitou.marketing.runs.repository import CampaignRunRepository, Range
from huitou.marketing.runs.rules import month_days_of, narrowed
from huitou.marketing.weather.service import WeatherBook
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

PAGE = 1_000
_END = timedelta(milliseconds=1)


class DayMembers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._weather = WeatherBook(database, clock)

    def page(self, campaign: Campaign, run: Run) -> tuple[list[Occasion], str | None]:
        """Return a run's next occasions and the cursor after them, None behind the last ones."""
        within, trigger = Range(run.cursor, run.low, run.high), campaign.trigger
        if trigger.kind == "coupon_expiring":
            return self._ending_coupons(campaign, run)
        if trigger.kind == "birthday":
            birthday = shifted(run.day, trigger.days or 0)
            ids = self._repository.by_birthday(month_days_of(birthday), within, PAGE)
            return _occasions(ids, birthday[:4])
        if trigger.kind in ("absent", "overdue"):
            where: dict[str, Any] = {"overdue_on": run.day}
            if trigger.kind == "absent":
                where = {"last_order_day": shifted(run.day, -(trigger.days or 0))}
            rows = self._repository.by_feature(where, within, PAGE)
            found = [Occasion(member_id, day or "") for member_id, day in rows]
            return found, rows[-1][0] if len(rows) == PAGE else None
        if trigger.kind == "weather":
            stores = self._weather.stores_with(trigger, run.day)
            where_at: dict[str, Any] = {"usual_store_id": {"$in": stores}}
            rows = self._repository.by_feature(where_at, within, PAGE) if stores else []
            return _occasions([member_id for member_id, _ in rows], run.day)
        name = "once" if trigger.kind == "segment" else run.day
        return _occasions(self._members_of(campaign, within), name)

    def _members_of(self, campaign: Campaign, within: Range) -> list[str]:
        narrow = narrowed(campaign)
        if narrow is None:
            return self._repository.everybody(within, PAGE)
        feature, words = narrow
        found: dict[str, dict[str, Any]] = {
            "usual_store": {"usual_store_id": {"$in": list(words)}},
            "tag": {"tags": {"$in": list(words)}},
            "night_guest": {"night_guest": True},
        }
        rows = self._repository.by_feature(found[feature], within, PAGE)
        return [member_id for member_id, _ in rows]

    def _ending_coupons(self, campaign: Campaign, run: Run) -> tuple[list[Occasion], str | None]:
        # Coupons end with a calendar day.
        day = shifted(run.day, campaign.trigger.days or 0)
        since, until = day_bounds(day, BRAND_ZONE, "00:00")
        moment, _, after = run.cursor.partition("|")
        # What ended before the timer came ends soon no more.
        first = datetime.fromisoformat(moment) if moment else max(since, self._clock.now())
        rows = self._repository.coupons_ending(first, until - _END, after, PAGE)
        found = [Occasion(event.member_id, event.occasion) for event in rows]
        last = rows[-1] if len(rows) == PAGE else None
        return found, f"{last.at.isoformat()}|{last.id}" if last else None


def _occasions(member_ids: Sequence[str], name: str) -> tuple[list[Occasion], str | None]:
    found = [Occasion(member_id, name) for member_id in member_ids]
    return found, member_ids[-1] if len(member_ids) == PAGE else None
