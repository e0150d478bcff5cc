"""The weather forecast of QWeather (和风天气), `/v7/weather/3d`, by longitude and latitude."""

from __future__ import annotations

from typing import Any, NamedTuple

from huitou.runtime.errors import Unavailable
from huitou.runtime.settings import Settings

TIMEOUT_S = (2, 4)


class Forecast(NamedTuple):
    """The forecast of one day: rain in millimetres, highest and lowest temperature in Celsius."""

    day: str
    rain_mm: float
    high_c: float
    low_c: float


class WeatherService:
    """QWeather. Raises Unavailable if it doesn't answer, or if its code is not "200"."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def forecast(self, lat: float, lng: float) -> list[Forecast]:
        """Return the forecast of a place for three days, today first."""
        answer = self._get("/v7/weather/3d", {"location": f"{lng:.2f},{lat:.2f}"})
        return [
            Forecast(
                day["fxDate"], float(day["precip"]), float(day["tempMax"]), float(day["tempMin"])
            )
            for day in answer["daily"]
        ]

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        import requests  # Imported late, as most calls need no weather.

        key = {"X-QW-Api-Key": self._settings.weather_key}
        try:
            response = requests.get(
                self._settings.weather_url + path,
                params=parameters,
                headers=key,
                timeout=TIMEOUT_S,
            )
            response.raise_for_status()
            answer = dict(response.json())
        except (requests.RequestException, ValueError) as error:
            raise Unavailable(detail=type(error).__name__) from None
        if answer.get("code") != "200":
            raise Unavailable(detail=f"weather {answer.get('code')}")
        return answer
