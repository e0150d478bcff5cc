"""Timers by 7-field cron, on the driven clock (the relay's on real time, like its lease)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from localcloud.clock import LocalClock
from localcloud.errors import PlatformError
from localcloud.platform import STANDING, timer_event
from localcloud.registry import Trigger

ZONE = ZoneInfo("Asia/Shanghai")  # The platform doesn't document its own.
TICK_S = 0.25
_log = logging.getLogger(__name__)


def last_firing(cron: str, at: datetime) -> datetime | None:
    """Return a cron's last firing at or before a moment; None for one that is yet to begin."""
    local = at.astimezone(ZONE).replace(tzinfo=None)
    # One second on, since what croniter calls previous is never the moment itself.
    after = local.replace(microsecond=0) + timedelta(seconds=1)
    past = croniter(cron, after, second_at_beginning=True)
    try:
        firing: datetime = past.get_prev(datetime)
    except CroniterBadDateError:
        return None
    return firing.replace(tzinfo=ZONE).astimezone(UTC)


def next_firing(cron: str, after: datetime) -> datetime | None:
    """Return a cron's first firing after a moment; None where its last year is over."""
    local = after.astimezone(ZONE).replace(tzinfo=None)
    try:
        firing: datetime = croniter(cron, local, second_at_beginning=True).get_next(datetime)
    except CroniterBadDateError:
        return None
    return firing.replace(tzinfo=ZONE).astimezone(UTC)


class Timers:
    """Fires every timer that is deployed and switched on.

    A clock that jumps over several firings of one timer fires it once, at the last of them,
    as a machine does that was asleep.
    """

    def __init__(
        self,
        triggers: Callable[[], Iterable[Trigger]],
        clock: LocalClock,
        start: Callable[[str, dict[str, Any], str], object],
    ) -> None:
        self._triggers = triggers
        self._clock = clock
        self._start = start
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._business_seen = clock.now()
        self._real_seen = datetime.now(UTC)

    def run(self) -> None:
        """Start the relay now and everything else when its time comes."""
        for timer in self._triggers():
            if timer.function in STANDING:
                self.fire(timer, datetime.now(UTC))
        threading.Thread(target=self._tick, daemon=True, name="timers").start()

    def stop(self) -> None:
        self._stop.set()

    def fire(self, timer: Trigger, at: datetime) -> None:
        """Start a timer's function as the platform does."""
        event = timer_event(timer.name, timer.message, at)
        try:
            self._start(timer.function, event, timer.qualifier)
        except PlatformError as error:  # Deleted a moment ago; the other timers go on.
            _log.info("%s: %s", timer.function, error)

    def fire_function(self, function: str) -> int:
        """Fire all timers of one function now; returns how many it has."""
        chosen = [timer for timer in self._triggers() if timer.function == function]
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
            for timer in self._triggers():
                standing = timer.function in STANDING
                seen, now = (self._real_seen, real) if standing else (self._business_seen, business)
                at = last_firing(timer.cron, now)
                if at is not None and at > seen:
                    self.fire(timer, at)
            self._business_seen, self._real_seen = business, real

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            self.catch_up()
