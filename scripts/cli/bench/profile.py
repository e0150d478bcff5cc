"""`--profile` of a benchmark: the commands of an operation, and where its time goes."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from pymongo import monitoring

_SAMPLE_S = 0.001  # Of CPU time.
_PARTS = {"/pymongo/": "driver", "/bson/": "driver", "/pydantic/": "pydantic", "/huitou/": "ours"}


class _Commands(monitoring.CommandListener):
    """Counts the commands that are sent while it is on, by command and collection."""

    def __init__(self) -> None:
        self.on = False
        self.sent: Counter[str] = Counter()
        self.took_us: Counter[str] = Counter()
        self._names: dict[int, str] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.on:
            collection = event.command.get(event.command_name)
            on = f" {collection}" if isinstance(collection, str) else ""
            self._names[event.request_id] = event.command_name + on

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.request_id, event.duration_micros)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.request_id, event.duration_micros)

    def _ended(self, request_id: int, took_us: int) -> None:
        name = self._names.pop(request_id, None)
        if name is not None:
            self.sent[name] += 1
            self.took_us[name] += took_us


class Profile:
    """Watches work on the main thread: its commands, and what its time is spent in.

    The CPU time is sampled each millisecond. A sample belongs to the driver (pymongo, bson), to
    pydantic or to our layers, whichever called last; `waiting` is the time without CPU, which is
    MongoDB's. Standard libraries belong to their caller.
    """

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self._commands = _Commands()
        monitoring.register(self._commands)  # For all clients that are opened from now on.

    @contextmanager
    def watch(self, side: str, operations: int) -> Iterator[None]:
        """Watch so many operations of a side, and keep the figures of one operation."""
        samples: Counter[str] = Counter()

        def sample(_: int, frame: FrameType | None) -> None:
            samples[_part(frame)] += 1

        commands = self._commands
        commands.sent.clear()
        commands.took_us.clear()
        commands.on = True
        before = signal.signal(signal.SIGPROF, sample)
        started, cpu = time.perf_counter(), time.thread_time()
        signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            took_s, cpu_s = time.perf_counter() - started, time.thread_time() - cpu
            signal.signal(signal.SIGPROF, before)
            commands.on = False
        of_all = cpu_s / max(1, samples.total())
        parts = {part: count * of_all for part, count in samples.most_common()}
        self.figures[side] = {
            "commands": round(commands.sent.total() / operations, 2),
            "ms": {
                part: round(seconds / operations * 1_000, 3)
                for part, seconds in {"all": took_s, "waiting": took_s - cpu_s, **parts}.items()
            },
            "by_command": {
                name: {
                    "sent": round(sent / operations, 3),
                    "ms": round(commands.took_us[name] / operations / 1_000, 3),
                }
                for name, sent in commands.sent.most_common()
            },
        }


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        for folder, part in _PARTS.items():
            if folder in frame.f_code.co_filename:
                return part
        frame = frame.f_back
    return "other"


def _begin(_: click.Context, __: click.Parameter, wanted: bool) -> Profile | None:
    return Profile() if wanted else None


profile_option = click.option(
    "--profile",
    is_flag=True,
    is_eager=True,
    callback=_begin,
    help="Say also which commands an operation sends, and where its time goes (one thread).",
)
