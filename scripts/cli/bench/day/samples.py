"""Looks at a local cloud again and again while a day is played."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.cloud import LocalCloud
from localcloud.platform import STANDING

_PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1024 * 1024
OF_DOCUMENTS = ("inserted", "updated", "deleted")


@dataclass(frozen=True)
class Sample:
    """One look: how many reads and writes there have been, what waits, MB of each function."""

    at: float
    reads: int
    writes: int
    waiting: int
    memory_mb: dict[str, float]


class Samples:
    """Takes samples in a thread of its own, as a context."""

    def __init__(self, cloud: LocalCloud, every_s: float) -> None:
        self._cloud = cloud
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="samples")
        self.taken: list[Sample] = []

    def __enter__(self) -> Samples:
        self.taken.append(self._sample())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.taken.append(self._sample())

    def _go_on(self) -> None:
        while not self._done.wait(self._every_s):
            self.taken.append(self._sample())

    def _sample(self) -> Sample:
        names = [name for name in self._cloud.registry.functions if name not in STANDING]
        reads, writes = read_and_written(self._cloud)
        return Sample(
            at=time.monotonic(),
            reads=reads,
            writes=writes,
            waiting=sum(self._cloud.platform.under_way(name) for name in names),
            memory_mb={name: mb for name in names if (mb := self._memory_mb(name))},
        )

    def _memory_mb(self, function: str) -> float:
        """Return the memory of a function's largest instance now; 0 without an instance."""
        found = [0.0]
        for pid in self._cloud.platform.pool(function).pids():
            with suppress(OSError, ValueError):  # It has just ended.
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                found.append(pages * _PAGE / MB)
        return max(found)

    def mean_per_s(self, name: str) -> float:
        """Return the `reads` or `writes` a second, over all the time."""
        first, last = self.taken[0], self.taken[-1]
        done = getattr(last, name) - getattr(first, name)
        return float(done / (last.at - first.at))

    def peak_per_s(self, name: str, over: int = 3) -> float:
        """Return the most `reads` or `writes` a second, over the time of a few samples."""
        pairs = list(zip(self.taken, self.taken[over:], strict=False)) or [
            (self.taken[0], self.taken[-1])
        ]
        speeds = ((getattr(b, name) - getattr(a, name)) / (b.at - a.at) for a, b in pairs)
        return float(max(speeds))

    def most_waiting(self) -> int:
        """Return the most asynchronous calls that were under way at once."""
        return max(sample.waiting for sample in self.taken)

    def memory_by_third(self) -> list[float]:
        """Return the MB of the largest instances, summed over functions, in each third of the time.

        Only functions that have an instance in each third count, so that a late one isn't growth.
        """
        third = max(1, len(self.taken) // 3)
        parts = [self.taken[:third], self.taken[third:-third] or self.taken, self.taken[-third:]]
        by_function: dict[str, list[float]] = defaultdict(list)
        for part in parts:
            for name in {name for sample in part for name in sample.memory_mb}:
                seen = [s.memory_mb[name] for s in part if name in s.memory_mb]
                by_function[name].append(statistics.median(seen))
        whole = [medians for medians in by_function.values() if len(medians) == len(parts)]
        return [round(sum(medians[n] for medians in whole), 1) for n in range(len(parts))]


def read_and_written(cloud: LocalCloud) -> tuple[int, int]:
    """Return how many commands read, and how many documents were written, since MongoDB started.

    An aggregate counts as a command, so commands count as reads; commits and hellos are few.
    """
    status: dict[str, Any] = cloud.database.client.admin.command("serverStatus")
    commands = status["metrics"]["commands"]
    reads = sum(int(commands[name]["total"]) for name in ("find", "aggregate", "getMore"))
    documents = status["metrics"]["document"]
    return reads, sum(int(documents[name]) for name in OF_DOCUMENTS)
