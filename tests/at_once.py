"""Call several functions at the same moment, and see which calls win."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from huitou.runtime.errors import Refusal


def at_once(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all calls at a barrier; returns each call's result, or the Refusal it raised."""
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
    """Return the results of the calls that weren't refused."""
    return [result for result in results if not isinstance(result, Refusal)]
