"""The driven clock: business time that developers, tests and the simulation move."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from huitou.runtime.clock import DrivenClock


class LocalClock:
    """Writes the clock's file, which every function reads; starts as real time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            self.run_from(datetime.now(UTC))
        self._reader = DrivenClock(str(path))

    def now(self) -> datetime:
        return self._reader.now()

    @property
    def stands(self) -> bool:
        """Whether the clock stands still until it is moved."""
        return json.loads(self.path.read_text())["since"] is None

    def stand_at(self, moment: datetime) -> None:
        """Stop at a moment."""
        self._write(moment, None)

    def run_from(self, moment: datetime) -> None:
        """Run on from a moment at real speed."""
        self._write(moment, time.time())

    def _write(self, moment: datetime, since: float | None) -> None:
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps({"at": moment.astimezone(UTC).isoformat(), "since": since}))
        os.replace(scratch, self.path)  # Readers see the old file or the new one, never half.
