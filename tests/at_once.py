"""Do several things at the same moment, and see who wins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from huitou.runtime.errors import Refusal


def at_once(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all at a barrier; returns each result, or the Refusal it ended in."""
    barrier = threading.Barrier(len(work))

    def run(one: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return one()
        except Refusal as refused:
            return refused

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def winners(results: list[Any]) -> list[Any]:
    """Those that weren't refused."""
    return [result for result in results if not isinstance(result, Refusal)]
