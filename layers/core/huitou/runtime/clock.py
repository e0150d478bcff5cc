"""Business time, passed in everywhere; only leases, signatures and retries use real time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from huitou.runtime.settings import Settings


class Clock(Protocol):
    """Anything that says what time the business thinks it is."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC, to the millisecond (as BSON keeps it)."""


class RealClock:
    """The machine's time."""

    def now(self) -> datetime:
        return milliseconds(datetime.now(UTC))


class DrivenClock:
    """The local cloud's time: stands still or runs on from the moment its file names.

    The file holds `{"at": iso, "since": epoch seconds or null}`: with `since`, the clock has
    run on from `at` since that real moment; with null it stands at `at`.
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
    """Cut off what BSON would not keep, so that a stored moment equals the one in hand."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def clock_for(settings: Settings) -> Clock:
    """Return the driven clock where the local cloud set one, the real one elsewhere."""
    path = settings.clock_file
    return DrivenClock(path) if path else RealClock()
