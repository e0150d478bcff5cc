"""Reference data kept for a second in a warm instance: stores, dishes, rules.

What changes seldom and is read by every quote. A change is seen everywhere within
`SECONDS`; what must be seen at once (估清, balances, coupons) never comes from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

SECONDS = 1.0
MOST_KEPT = 5_000


class Recent:
    """Answers of the last second, by key."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """Return the kept answer for `key`, or read it now."""
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < SECONDS:
            value: Value = kept[1]
            return value
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        value = read()
        if value is not None:  # What isn't there yet may be there in a moment.
            self._kept[key] = (now, value)
        return value
