"""Find the members whom a campaign may write to on a day, page by page, by an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import by_day_clock, day_bounds, shifted
from huitou.marketing.campaigns.models import Campaign
from huitou.marketing.campaigns.triggers import Kind
from huitou.marketing.deliveries.rules import Occasion
from huitou.marketing.runs.models import Run
from huitou.marketing.runs.repository import CampaignRunRepository, Range
from huitou.marketing.runs.rules import month_days_of, narrowed
from huitou.marketing.weather.service import WeatherBook
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

PAGE = 1_000
Page = tuple[list[Occasion], str | None]  # Whom a run meets next, and the cursor after them.
_END = timedelta(milliseconds=1)


class DayMembers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._weather = WeatherBook(database, clock)

    def next_occasions(self, campaign: Campaign, run: Run) -> Page:
        """Return a run's next occasions and the cursor behind them; None after the last page."""
        return self.PAGES[campaign.trigger.kind](self, campaign, run)

    def _absent(self, campaign: Campaign, run: Run) -> Page:
        return self._left({"last_order_day": shifted(run.day, -(campaign.trigger.days or 0))}, run)

    def _overdue(self, _campaign: Campaign, run: Run) -> Page:
        return self._left({"overdue_on": run.day}, run)

    def _left(self, where: dict[str, Any], run: Run) -> Page:
        """Return members by a feature; their occasion is the day of their last order."""
        rows = self._repository.by_feature(where, _within(run), PAGE)
        found = [Occasion(member_id, day or "") for member_id, day in rows]
        return found, rows[-1][0] if len(rows) == PAGE else None

    def _birthdays(self, campaign: Campaign, run: Run) -> Page:
        birthday = shifted(run.day, campaign.trigger.days or 0)
        ids = self._repository.by_birthday(month_days_of(birthday), _within(run), PAGE)
        return _occasions(ids, birthday[:4])

    def _where_weather_is(self, campaign: Campaign, run: Run) -> Page:
        stores = self._weather.stores_with_weather(campaign.trigger, run.day)
        where: dict[str, Any] = {"usual_store_id": {"$in": stores}}
        rows = self._repository.by_feature(where, _within(run), PAGE) if stores else []
        return _occasions([member_id for member_id, _ in rows], run.day)

    def _each_day(self, campaign: Campaign, run: Run) -> Page:
        return _occasions(self._members_of(campaign, _within(run)), run.day)

    def _once(self, campaign: Campaign, run: Run) -> Page:
        return _occasions(self._members_of(campaign, _within(run)), "once")

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

    def _ending_coupons(self, campaign: Campaign, run: Run) -> Page:
        # The end of a coupon's last day is stored as the end of a calendar day.
        day = shifted(run.day, campaign.trigger.days or 0)
        since, until = day_bounds(day, BRAND_ZONE, "00:00")
        moment, _, after = run.cursor.partition("|")
        # A coupon that is over already doesn't end soon.
        first = (
            datetime.fromisoformat(moment)
            if moment
            else max(since, by_day_clock(self._clock.now()))
        )
        rows = self._repository.coupons_ending(first, until - _END, after, PAGE)
        found = [Occasion(event.member_id, event.occasion) for event in rows]
        last = rows[-1] if len(rows) == PAGE else None
        return found, f"{last.at.isoformat()}|{last.id}" if last else None

    PAGES: ClassVar[Mapping[Kind, Callable[[DayMembers, Campaign, Run], Page]]] = {
        "absent": _absent,
        "overdue": _overdue,
        "birthday": _birthdays,
        "weather": _where_weather_is,
        "daily": _each_day,
        "segment": _once,
        "coupon_expiring": _ending_coupons,
    }


def _within(run: Run) -> Range:
    return Range(run.cursor, run.low, run.high)


def _occasions(member_ids: Sequence[str], name: str) -> Page:
    found = [Occasion(member_id, name) for member_id in member_ids]
    return found, member_ids[-1] if len(member_ids) == PAGE else None
