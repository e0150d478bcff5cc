"""The forecast of a day's weather at a store, kept to explain later why members got messages."""

from datetime import datetime

from huitou.runtime.documents import Stored


class WeatherDay(Stored):
    """The forecast for one day at one store; `id` is `<day>:<store>`.

    `rain_mm` is millimetres of rain in the whole day; `high_c` and `low_c` are degrees Celsius.
    `at` is when it was asked for.
    """

    store_id: str
    day: str
    rain_mm: float
    high_c: float
    low_c: float
    at: datetime
