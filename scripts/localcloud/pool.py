"""The instances of one function: as many as it may have, the rest of its callers queue."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from localcloud.instances import Failure, Instance
from localcloud.registry import Revision

DEFAULT_INSTANCES = 4  # Of one function; this machine's cores are few.
STOPPED_WITHIN_S = 5.0  # Calls under way end with their process, at once.
STOPPING = Failure(439, "The local cloud is stopping")


@dataclass(frozen=True)
class Invocation:
    """How one call ended; `text` is the handler's answer as JSON where there is no failure."""

    request_id: str
    version: str
    text: str
    failure: Failure | None
    duration_ms: float
    memory_bytes: int
    cold: bool
    log: str

    @cached_property
    def result(self) -> Any:
        """The handler's answer; None where the call failed."""
        return None if self.failure else json.loads(self.text)


class Pool:
    """A function's instances, whatever their version: the last used first, a new one when busy.

    `is_deployed` says of a version whether it still is one; the instances of others end as soon
    as they are idle.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        namespace: str,
        is_deployed: Callable[[Revision], bool],
    ) -> None:
        self._variables = variables
        self._namespace = namespace
        self._is_deployed = is_deployed
        self._free = threading.Condition()
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._starting = 0
        self._stopped = False
        self._limit = DEFAULT_INSTANCES

    def invoke(
        self,
        revision: Revision,
        paths: list[Path],
        event: object,
        caller: Mapping[str, str],
        *,
        request_id: str,
        wait_s: float | None,
    ) -> Invocation:
        """Run one call on an instance of its own; an instance that fails is thrown away.

        While all instances are busy the call queues for `wait_s` (None: until one is free), then
        it is refused.
        """
        taken = self._take(revision, paths, wait_s)
        if isinstance(taken, Failure):
            return Invocation(request_id, revision.version, "", taken, 0.0, 0, False, "")
        instance, started = taken
        cold = instance.calls == 0
        payload = json.dumps([event, self._context(request_id, revision, caller)]).encode()
        try:
            text, failure = instance.call(payload)
            if failure is not None and not instance.usable:
                instance.end()  # At once: what timed out must not go on working.
            log = instance.printed()
        except BaseException:
            instance.end()
            raise
        finally:
            self._give_back(instance)
        duration_ms = (time.monotonic() - started) * 1000
        return Invocation(
            request_id, revision.version, text, failure, duration_ms, instance.peak_bytes, cold, log
        )

    def _take(
        self, revision: Revision, paths: list[Path], wait_s: float | None
    ) -> tuple[Instance, float] | Failure:
        with self._free:
            if not self._free.wait_for(self._may_go_on, wait_s) or self._limit < 1:
                return self._refusal(revision)
            if self._stopped:
                return STOPPING
            started = time.monotonic()
            for instance in reversed(self._idle):
                if instance.revision is revision and instance.usable:
                    self._idle.remove(instance)
                    self._busy.add(instance)
                    return instance, started
            surplus = self._surplus(self._limit - 1)
            self._starting += 1
        _stop_all(surplus)  # Of another version, or dead; their place is needed.
        instance_or_none: Instance | None = None
        try:
            instance_or_none = Instance(revision, paths, {**self._variables, **revision.variables})
        except OSError as error:
            return Failure(500, f"The platform could not start an instance: {error.strerror}")
        finally:
            with self._free:
                self._starting -= 1
                if instance_or_none is not None:
                    self._busy.add(instance_or_none)
                self._free.notify()
                stopped = self._stopped
        if stopped:
            self._give_back(instance_or_none)
            return STOPPING
        return instance_or_none, started

    def _refusal(self, revision: Revision) -> Failure:
        limit_mb = self._limit * revision.memory_mb
        return Failure(
            432,
            f"Function [ {revision.function} ] concurrency exceeded reserved quota {limit_mb} MB",
        )

    def _may_go_on(self) -> bool:
        """Whether there is room for one more call, or no use in waiting for it."""
        room = len(self._busy) + self._starting < self._limit
        return room or self._stopped or self._limit < 1

    def _surplus(self, limit: int) -> list[Instance]:
        """Take out of the idle instances what is dead, and the oldest of those over a limit."""
        dead = [instance for instance in self._idle if not instance.usable]
        live = [instance for instance in self._idle if instance not in dead]
        over = len(live) + len(self._busy) + self._starting - limit
        self._idle = live[max(0, over) :]
        return dead + live[: max(0, over)]

    def _give_back(self, instance: Instance) -> None:
        kept = instance.usable and self._is_deployed(instance.revision)
        with self._free:
            kept = kept and not self._stopped
            if kept:
                self._busy.discard(instance)
                self._idle.append(instance)
                surplus = self._surplus(self._limit)
                self._free.notify()
        if kept:
            _stop_all(surplus)
            return
        instance.stop()  # While it still counts: until it has ended there is no room for another.
        with self._free:
            self._busy.discard(instance)
            self._free.notify_all()

    def _context(
        self, request_id: str, revision: Revision, caller: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            "request_id": request_id,
            "function_name": revision.function,
            "function_version": revision.version,
            "namespace": self._namespace,
            "memory_limit_in_mb": revision.memory_mb,
            "time_limit_in_ms": revision.timeout_s * 1000,
            "environment": json.dumps({"TCB_ENV": self._namespace, **caller}),
        }

    def pids(self) -> list[int]:
        """The process ids of all instances, for tests that pull the plug."""
        with self._free:
            return [instance.pid for instance in (*self._idle, *self._busy)]

    def peak_bytes(self) -> int:
        """The most memory that any instance has held so far, calls under way included."""
        with self._free:
            return max((i.peak_bytes for i in (*self._idle, *self._busy)), default=0)

    def limit_to(self, instances: int) -> None:
        """Let there be so many at once: more callers get in, or idle instances over it end."""
        with self._free:
            if instances == self._limit:
                return
            self._limit = instances
            surplus = self._surplus(instances)
            self._free.notify_all()
        _stop_all(surplus)

    def let_go(self) -> None:
        """Stop idle instances of versions that are no more; busy ones end with their call."""
        with self._free:
            gone = [i for i in self._idle if not self._is_deployed(i.revision)]
            self._idle = [i for i in self._idle if i not in gone]
        _stop_all(gone)

    def stop(self) -> None:
        """End all instances; calls under way fail."""
        with self._free:
            self._stopped = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            self._free.notify_all()
        _stop_all(idle)
        for instance in busy:
            instance.end()  # Who called it lets go of the rest.
        with self._free:
            self._free.wait_for(lambda: not self._busy and not self._starting, STOPPED_WITHIN_S)


def _stop_all(instances: list[Instance]) -> None:
    for instance in instances:
        instance.stop()
