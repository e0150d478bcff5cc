"""Calling functions as the platform does: at once, or later with retries and a dead-letter list."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.bundle import Bundle
from localcloud.instances import MAX_PAYLOAD_BYTES, Invocation, Pool

MAX_ASYNC_BYTES = 128 * 1024
# The platform waits 60 s and 120 s; here nobody wants to, and the driven clock doesn't care.
RETRY_AFTER_S = (0.5, 1.0)
STANDING = frozenset({"trigger-relay"})  # Runs until its time is over, so nobody waits for it.
_log = logging.getLogger(__name__)


class PlatformError(Exception):
    """The platform refuses a call before it reaches a function; `code` is its word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Platform:
    """All functions of one environment."""

    def __init__(
        self,
        bundle: Bundle,
        layers: list[Path],
        logs: Path,
        platform_variables: Mapping[str, str],
        namespace: str,
    ) -> None:
        self.namespace = namespace
        self._pools = {
            name: Pool(config, layers, logs, platform_variables, namespace)
            for name, config in bundle.functions.items()
        }
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._stopping = False
        self.undelivered: deque[dict[str, str]] = deque(maxlen=1_000)

    def pool(self, function: str) -> Pool:
        """Return a function's instances; PlatformError if there is no such function."""
        try:
            return self._pools[function]
        except KeyError:
            raise PlatformError("ResourceNotFound.Function", f"no function {function}") from None

    @property
    def functions(self) -> list[str]:
        return sorted(self._pools)

    def call(self, function: str, event: object, caller: Mapping[str, str]) -> Invocation:
        """Call and wait; refuses events over 6 MB."""
        if _size(event) > MAX_PAYLOAD_BYTES:
            raise PlatformError("RequestTooLarge", "an event may be 6 MB at most")
        return self.pool(function).invoke(event, caller)

    def start(self, function: str, event: object) -> None:
        """Accept an asynchronous call: tried three times at the most, then a dead letter."""
        if _size(event) > MAX_ASYNC_BYTES:
            raise PlatformError("RequestTooLarge", "an asynchronous event may be 128 KB at most")
        pool = self.pool(function)
        with self._lock:
            self._under_way[function] += 1
        threading.Thread(
            target=self._deliver,
            args=(function, pool, event),
            daemon=True,
            name=f"async-{function}",
        ).start()

    def _deliver(self, function: str, pool: Pool, event: object) -> None:
        try:
            for wait_s in (*RETRY_AFTER_S, None):
                outcome = pool.invoke(event, {})
                if outcome.error is None or self._stopping:
                    return
                _log.info("%s: %s", function, outcome.error)
                if wait_s is not None:
                    time.sleep(wait_s)
            self.undelivered.append({"function": function, "error": str(outcome.error)})
        finally:
            with self._lock:
                self._under_way[function] -= 1

    def busy(self) -> bool:
        """Whether asynchronous calls are under way, the standing ones aside."""
        with self._lock:
            return any(n for name, n in self._under_way.items() if n and name not in STANDING)

    def under_way(self, function: str) -> int:
        """How many asynchronous calls of one function are under way."""
        with self._lock:
            return self._under_way[function]

    def stop(self) -> None:
        self._stopping = True
        for pool in self._pools.values():
            pool.stop()


def timer_event(name: str, message: str, at: Any) -> dict[str, str]:
    """Build the platform's timer event; `at` is UTC."""
    return {
        "Type": "Timer",
        "TriggerName": name,
        "Time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Message": message,
    }


def _size(event: object) -> int:
    return len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass"))
