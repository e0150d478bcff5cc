"""The next day on which a birthday falls."""

from __future__ import annotations

from calendar import isleap


def birthday_from(month_day: str, day: str) -> str:
    """Return the first birthday (MM-DD) from `day` on; 29 February is the 28th in other years."""
    for year in (int(day[:4]), int(day[:4]) + 1):
        short = month_day == "02-29" and not isleap(year)
        found = f"{year:04}-{'02-28' if short else month_day}"
        if found >= day:
            return found
    raise ValueError(month_day)
