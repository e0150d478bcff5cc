"""A cache in a warm instance for reference data: stores, dishes, rules.

These change seldom, and every quote reads them. A change is seen everywhere within `SECONDS`.
Data whose changes must be seen at once (估清, balances, coupons) never comes from here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_NONE: tuple[float, Any] = (-math.inf, None)  # Older than any moment; a machine starts at 0.

SECONDS = 1.0
MOST_KEPT = 2_000


class Cache:
    """Answers that were read a short time ago, by key."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, read: Callable[[], Value], seconds: float = SECONDS) -> Value:
        """Return the kept answer for `key`, or read it now."""
        return self.get_many([key], lambda _: {key: read()}, seconds)[key]

    def get_many(
        self,
        keys: Iterable[Key],
        read: Callable[[list[Key]], Mapping[Key, Value]],
        seconds: float = SECONDS,
    ) -> dict[Key, Value]:
        """Return the kept answers; those that are missing are read together, in one call.

        `seconds` is how old an answer may be.
        """
        now = time.monotonic()
        oldest = now - seconds
        found = {key: kept[1] for key in keys if (kept := self._kept.get(key, _NONE))[0] > oldest}
        missing = [key for key in keys if key not in found]
        if missing:
            if len(self._kept) + len(missing) > MOST_KEPT:
                self._kept.clear()
            for key, value in read(missing).items():
                found[key] = value
                if value is not None:  # Don't keep "not found": it may exist a moment later.
                    self._kept[key] = (now, value)
        return found

    def clear(self) -> None:
        """Forget every answer, as if all of them were too old."""
        self._kept.clear()
