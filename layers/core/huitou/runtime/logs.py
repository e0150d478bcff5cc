"""The log: one JSON line for each event. It never has phone numbers, OpenIDs, places or events."""

from __future__ import annotations

import json
import sys


def log(event: str, **facts: str | int | float | bool | None) -> None:
    """Print one structured line; facts are only opaque ids, counts, codes and durations."""
    line = json.dumps({"log": event, **facts}, separators=(",", ":"))
    print(line, file=sys.stdout, flush=True)
