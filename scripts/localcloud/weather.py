"""A strict stand-in for QWeather's forecast: three days from the driven clock's today on."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

MILD = {"precip": "0.0", "tempMax": "24", "tempMin": "16"}
_LOCATION = re.compile(r"(-?\d{1,3}(?:\.\d{1,2})?),(-?\d{1,2}(?:\.\d{1,2})?)")


class Clock(Protocol):
    """Whatever says what time it is."""

    def now(self) -> datetime: ...


class WeatherStandIn:
    """Answers as QWeather: HTTP 200 with a `code` in text, every value a string."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._days: dict[str, dict[str, str]] = {}

    def set_day(self, day: str, values: dict[str, str]) -> dict[str, str]:
        """Say what the weather of a day will be, everywhere."""
        self._days[day] = MILD | values
        return self._days[day]

    def forget_everything(self) -> None:
        """All days are mild again."""
        self._days.clear()

    def forecast(self, key: str, location: str) -> dict[str, Any]:
        """Answer `/v7/weather/3d`; longitude comes first, at most two decimals."""
        if key != self._key:
            return {"code": "401"}
        found = _LOCATION.fullmatch(location)
        if found is None or abs(float(found[1])) > 180 or abs(float(found[2])) > 90:
            return {"code": "400"}
        today = self._clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
        days = [(today + timedelta(days=ahead)).isoformat() for ahead in range(3)]
        daily = [{"fxDate": day} | self._days.get(day, MILD) for day in days]
        return {"code": "200", "daily": daily}
