"""Which weather sets off a campaign."""

from __future__ import annotations

from huitou.marketing.campaigns.models import Trigger
from huitou.marketing.weather.models import WeatherDay

# Rain of 10 mm a day is what China's weather service calls moderate; 35 °C is its heat warning.
USUAL_THRESHOLD = {"rain": 10, "heat": 35, "cold": 5}


def is_met(trigger: Trigger, found: WeatherDay) -> bool:
    """Tell whether a day's forecast meets a campaign's trigger."""
    kind = trigger.weather or "rain"
    limit = trigger.threshold if trigger.threshold is not None else USUAL_THRESHOLD[kind]
    if kind == "rain":
        return found.rain_mm >= limit
    return found.high_c >= limit if kind == "heat" else found.low_c <= limit
