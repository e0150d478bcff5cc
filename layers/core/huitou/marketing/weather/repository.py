"""Every query on `weather_days`."""

from __future__ import annotations

from huitou.marketing.weather.models import WeatherDay
from huitou.runtime.database import Database

MOST_STORES = 5_000


class WeatherRepository:
    def __init__(self, database: Database) -> None:
        self._days = database.collection("weather_days")

    def on(self, day: str) -> list[WeatherDay]:
        """Return the forecasts for a day, one for each store that has one."""
        found = self._days.find({"day": day}).limit(MOST_STORES)
        return [WeatherDay.model_validate(row) for row in found]

    def put(self, found: WeatherDay) -> None:
        """Keep a forecast. The first one of a day stays, since messages were sent because of it."""
        document = found.document()
        self._days.update_one({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True)
