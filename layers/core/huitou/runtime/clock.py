"""Business time. Every service gets a clock; only leases, signatures and retries use real time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from huitou.runtime.settings import Settings


class Clock(Protocol):
    """Anything that tells the business time."""

    def now(self) -> datetime:
        """Return the present moment: aware, in UTC, exact to the millisecond as BSON keeps it."""


class RealClock:
    """The machine's time."""

    def now(self) -> datetime:
        return milliseconds(datetime.now(UTC))


class DrivenClock:
    """The local cloud's time: it starts at the moment in its file, and runs or stands still.

    The file holds `{"at": iso, "since": epoch seconds or null}`. If `since` is a real moment,
    the clock showed `at` at that moment and has run since then. If it is null, the clock stands
    still at `at`.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def now(self) -> datetime:
        state = json.loads(self._path.read_text())
        moment = datetime.fromisoformat(state["at"])
        if state["since"] is not None:
            moment += datetime.now(UTC) - datetime.fromtimestamp(state["since"], UTC)
        return milliseconds(moment.astimezone(UTC))


def milliseconds(moment: datetime) -> datetime:
    """Drop the microseconds, which BSON doesn't keep: a stored moment then reads back equal."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def clock_for(settings: Settings) -> Clock:
    """Return the driven clock if the local cloud has set one, otherwise the real one."""
    path = settings.clock_file
    return DrivenClock(path) if path else RealClock()
