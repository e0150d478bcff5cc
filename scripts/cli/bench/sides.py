"""Run ours and the floor in turn, since machines are noisy, and compare the medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cli.bench.profile import Profile

Work = Callable[[Any], object]
Cases = Callable[[str, int], Sequence[Any]]


def compare(
    sides: Mapping[str, Work],
    cases: Cases,
    *,
    rounds: int,
    threads: int,
    profile: Profile | None = None,
    before: str = "",
) -> dict[str, Any]:
    """Work on the cases of each round, `ours` and `floor` in turn; the first round warms up.

    `cases` makes a side's cases of a round before its clock starts. Returns operations a second of
    both sides and their ratio, medians of the rounds. The profile is one more round, on one thread.
    """
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        for side, work in sides.items():
            todo = cases(side, number)
            started = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, todo))
            if number:
                speeds[side].append(len(todo) / (time.perf_counter() - started))
    for side, work in sides.items() if profile else ():
        todo = cases(side, rounds + 1)
        with watching(profile, before + side, len(todo)):
            for case in todo:
                work(case)
    pairs = zip(speeds["ours"], speeds["floor"], strict=True)
    return {
        "per_s": round(statistics.median(speeds["ours"]), 1),
        "floor_per_s": round(statistics.median(speeds["floor"]), 1),
        "ratio": round(statistics.median(ours / floor for ours, floor in pairs), 3),
    }


def watching(profile: Profile | None, side: str, operations: int) -> AbstractContextManager[None]:
    """Watch these operations if a profile was asked for."""
    return profile.watch(side, operations) if profile else nullcontext()
