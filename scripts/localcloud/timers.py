"""Timers by 7-field cron, on the driven clock (the relay's on real time, like its lease)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from localcloud.bundle import TimerTrigger
from localcloud.clock import LocalClock
from localcloud.platform import STANDING, timer_event

ZONE = ZoneInfo("Asia/Shanghai")  # The platform doesn't document its own.
TICK_S = 0.25


def last_firing(cron: str, at: datetime) -> datetime:
    """Return a cron's last firing at or before a moment."""
    local = at.astimezone(ZONE).replace(tzinfo=None)
    past = croniter(cron, local + timedelta(seconds=1), second_at_beginning=True)
    firing: datetime = past.get_prev(datetime)
    return firing.replace(tzinfo=ZONE).astimezone(UTC)


class Timers:
    """Fires every timer of the bundle.

    A clock that jumps over several firings of one timer fires it once, at the last of them,
    as a machine does that was asleep.
    """

    def __init__(
        self,
        timers: Iterable[TimerTrigger],
        clock: LocalClock,
        start: Callable[[str, dict[str, Any]], None],
        token: Callable[[str], str],
    ) -> None:
        self._timers = list(timers)
        self._clock = clock
        self._start = start
        self._token = token
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._business_seen = clock.now()
        self._real_seen = datetime.now(UTC)

    def run(self) -> None:
        """Start the relay now and everything else when its time comes."""
        for timer in self._timers:
            if timer.function in STANDING:
                self.fire(timer, datetime.now(UTC))
        threading.Thread(target=self._tick, daemon=True, name="timers").start()

    def stop(self) -> None:
        self._stop.set()

    def fire(self, timer: TimerTrigger, at: datetime) -> None:
        """Start a timer's function as the platform does."""
        self._start(timer.function, timer_event(timer.name, self._token(timer.function), at))

    def fire_function(self, function: str) -> int:
        """Fire all timers of one function now; returns how many it has."""
        chosen = [timer for timer in self._timers if timer.function == function]
        for timer in chosen:
            self.fire(timer, self._clock.now())
        return len(chosen)

    def clock_was_set(self) -> None:
        """Count firings from the clock's new moment on, whether it went ahead or back."""
        with self._lock:
            self._business_seen = self._clock.now()

    def catch_up(self) -> None:
        """Fire what has come due since the last look, on each timer's own clock."""
        with self._lock:
            business, real = self._clock.now(), datetime.now(UTC)
            for timer in self._timers:
                standing = timer.function in STANDING
                seen, now = (self._real_seen, real) if standing else (self._business_seen, business)
                at = last_firing(timer.cron, now)
                if at > seen:
                    self.fire(timer, at)
            self._business_seen, self._real_seen = business, real

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            self.catch_up()
