"""Keep each day's forecast at each store, and say at which stores it sets off a campaign."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.service import Stores
from huitou.integrations.weather import Forecast
from huitou.marketing.campaigns.models import Trigger
from huitou.marketing.weather.models import WeatherDay
from huitou.marketing.weather.repository import WeatherRepository
from huitou.marketing.weather.rules import is_met
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable


class WeatherBook:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = WeatherRepository(database)
        self._stores = Stores(database, clock)

    def record_forecasts(self, forecast: Callable[[float, float], list[Forecast]]) -> int:
        """Ask for today's forecast at each store that has none yet; returns how many came.

        If the weather service fails, the next call asks again.
        """
        today = self._today()
        known = {found.store_id for found in self._repository.on(today)}
        missing = [(name, place) for name, place in self._stores.places() if name not in known]
        asked = 0
        for store_id, place in missing:
            try:
                days = forecast(place.lat, place.lng)
            except Unavailable:
                break
            for found in days:
                if found.day == today:
                    self._repository.put(
                        WeatherDay(
                            id=f"{today}:{store_id}",
                            store_id=store_id,
                            at=self._clock.now(),
                            **found._asdict(),
                        )
                    )
                    asked += 1
        return asked

    def knows_forecast(self, day: str) -> bool:
        """Tell whether a day's forecast is known for every store that has a place on the map."""
        known = {found.store_id for found in self._repository.on(day)}
        return known >= {store_id for store_id, _ in self._stores.places()}

    def stores_with_weather(self, trigger: Trigger, day: str) -> list[str]:
        """Return the ids of the stores where a day's forecast meets a campaign's trigger."""
        return [found.store_id for found in self._repository.on(day) if is_met(trigger, found)]

    def _today(self) -> str:
        return self._clock.now().astimezone(ZoneInfo(BRAND_ZONE)).date().isoformat()
