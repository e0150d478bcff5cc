"""The local cloud's timers: 7-field cron on a clock that is driven."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.clock import LocalClock
from localcloud.registry import Trigger
from localcloud.timers import Timers, last_firing, next_firing

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "minutes_ago"),
    [
        ("0 * * * * * *", 0),
        ("0 2-59/10 * * * * *", 8),
        ("0 30 3 * * * *", 8 * 60 + 30),
        ("0 0 0 1 * * *", 36 * 60),
    ],
)
def test_the_last_firing_is_told_in_the_clouds_zone(cron: str, minutes_ago: int) -> None:
    assert last_firing(cron, NOON) == NOON - timedelta(minutes=minutes_ago)


def test_a_cron_of_other_years_has_no_last_or_next_firing() -> None:
    assert last_firing("0 0 0 1 1 * 2099", NOON) is None
    assert next_firing("0 0 0 1 1 * 2020", NOON) is None


def test_a_firing_is_never_told_before_its_second_has_come() -> None:
    almost = NOON - timedelta(milliseconds=250)
    assert last_firing("0 * * * * * *", almost) == NOON - timedelta(minutes=1)
    assert last_firing("0 * * * * * *", NOON + timedelta(milliseconds=250)) == NOON


class Fired:
    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, function: str, event: dict[str, Any], qualifier: str) -> None:
        self.events.append(f"{function}:{qualifier} {event['Time']} {event['Message']}")


def timer(function: str) -> Trigger:
    return Trigger(
        function=function,
        name="x",
        cron="0 * * * * * *",
        message=f"t-{function}",
        qualifier="$DEFAULT",
        enabled=True,
        added_at="",
    )


@pytest.fixture
def clock(tmp_path: Path) -> LocalClock:
    found = LocalClock(tmp_path / "clock.json")
    found.stand_at(NOON)
    return found


def test_a_jump_over_many_firings_fires_once_at_the_last(clock: LocalClock) -> None:
    fired = Fired()
    timers = Timers(lambda: [timer("pay")], clock, fired)
    timers.catch_up()
    clock.stand_at(NOON + timedelta(hours=3, seconds=30))
    timers.catch_up()
    timers.catch_up()
    assert fired.events == ["pay:$DEFAULT 2026-03-02T07:00:00Z t-pay"]


def test_a_clock_that_is_set_back_goes_on_firing(clock: LocalClock) -> None:
    fired = Fired()
    timers = Timers(lambda: [timer("pay")], clock, fired)
    clock.stand_at(NOON - timedelta(days=30))
    timers.clock_was_set()
    clock.stand_at(NOON - timedelta(days=30) + timedelta(minutes=1))
    timers.catch_up()
    assert len(fired.events) == 1
