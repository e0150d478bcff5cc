"""The shape of a chain's day: how many orders come in each half-hour, against the mean of 24 h."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

SLOTS = 48  # Half-hours.
PEAK = 12.0  # At noon, times the mean.
# The half-hours that are fuller than the rest of the day, times the mean.
_FULL = {
    "11:30": 4.0, "12:00": PEAK, "12:30": 4.0, "15:00": 1.5, "17:30": 2.0, "18:00": 4.0,
    "18:30": 4.0, "19:00": 2.0,
}  # fmt: skip
_NIGHT = 0.1  # From 23:00 to 09:00.
_NIGHT_ENDS, _NIGHT_BEGINS = 18, 46


def name_of(slot: int) -> str:
    """Return when a slot begins."""
    return f"{slot // 2:02}:{slot % 2 * 30:02}"


def day_shape() -> list[float]:
    """Return the orders of each half-hour, times the mean; their mean is 1."""
    full = {slot: _FULL[name_of(slot)] for slot in range(SLOTS) if name_of(slot) in _FULL}
    night = [slot for slot in range(SLOTS) if not _NIGHT_ENDS <= slot < _NIGHT_BEGINS]
    calm = (SLOTS - sum(full.values()) - _NIGHT * len(night)) / (SLOTS - len(full) - len(night))
    return [full.get(slot, _NIGHT if slot in night else calm) for slot in range(SLOTS)]


def arrivals(peak_per_s: float, seconds: float) -> list[float]:
    """Return when guests come on a day that is played in so many seconds, in order.

    The day is pressed together without changing its shape, so that `peak_per_s` come at noon. At
    least one guest comes.
    """
    slot_s = seconds / SLOTS
    come_by = list(accumulate(peak_per_s / PEAK * share * slot_s for share in day_shape()))
    total = come_by[-1]
    count = max(1, round(total))
    moments = []
    for number in range(count):
        wanted = (number + 0.5) * total / count
        slot = bisect_left(come_by, wanted)
        before = come_by[slot - 1] if slot else 0.0
        moments.append(slot_s * (slot + (wanted - before) / (come_by[slot] - before)))
    return moments
