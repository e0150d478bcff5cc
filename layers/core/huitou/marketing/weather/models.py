"""The weather of a day at a store, as it was forecast: kept, so that what followed can be told."""

from __future__ import annotations

from datetime import datetime

from huitou.runtime.documents import Stored


class WeatherDay(Stored):
    """What was forecast for a store's day; `id` is `<day>:<store>`."""

    store_id: str
    day: str
    rain_mm: float
    high_c: float
    low_c: float
    at: datetime
