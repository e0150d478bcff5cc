"""One JSON line per call: what happened; opaque ids, never phones, OpenIDs, places or events."""

from __future__ import annotations

import json
import sys


def log(event: str, **facts: str | int | float | bool | None) -> None:
    """Print one structured line; facts are ids, counts, codes and durations only."""
    line = json.dumps({"log": event, **facts}, separators=(",", ":"))
    print(line, file=sys.stdout, flush=True)
