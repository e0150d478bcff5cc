"""The day that `bench day` plays has the shape of a real one, whatever its length."""

from __future__ import annotations

import pytest

from cli.bench.day.shape import PEAK, SLOTS, arrivals, day_shape, name_of


def test_noon_is_the_peak_and_all_half_hours_together_are_a_day() -> None:
    shape = day_shape()
    assert len(shape) == SLOTS
    assert sum(shape) == pytest.approx(SLOTS)  # So the mean is 1.
    assert max(shape) == shape[24] == PEAK
    assert name_of(24) == "12:00"
    evening = {name_of(slot): share for slot, share in enumerate(shape)}
    assert 1 < evening["18:30"] < PEAK  # Dinner is the other peak.
    assert all(share > 0 for share in shape)


@pytest.mark.parametrize(("peak_per_s", "seconds"), [(2.0, 600.0), (8.0, 60.0), (0.5, 10_000.0)])
def test_the_peak_is_reached_and_the_mean_is_a_twelfth_of_it(
    peak_per_s: float, seconds: float
) -> None:
    moments = arrivals(peak_per_s, seconds)
    assert moments == sorted(moments)
    assert 0 <= moments[0] <= moments[-1] <= seconds
    assert len(moments) == pytest.approx(peak_per_s / PEAK * seconds, abs=1)
    slot_s = seconds / SLOTS
    at_noon = [moment for moment in moments if 24 * slot_s <= moment < 25 * slot_s]
    assert len(at_noon) == pytest.approx(peak_per_s * slot_s, abs=1)


def test_on_the_shortest_day_one_guest_comes_about_noon() -> None:
    [moment] = arrivals(0.1, 3.0)
    assert 24 <= moment / (3.0 / SLOTS) < 26
