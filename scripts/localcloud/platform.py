"""Calling functions as the platform does: at once, or later with retries and a dead-letter list."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.call_log import CallLog
from localcloud.errors import PlatformError
from localcloud.instances import MAX_PAYLOAD_BYTES
from localcloud.pool import DEFAULT_INSTANCES, Invocation, Pool
from localcloud.registry import DEFAULT, Function, Registry, Revision

MAX_ASYNC_BYTES = 128 * 1024
WAIT_FOR_INSTANCE_S = 60.0  # How long a synchronous call queues before it is refused.
# The platform waits 60 s and 120 s; here nobody wants to, and the driven clock doesn't care.
RETRY_AFTER_S = (0.5, 1.0)
STANDING = frozenset({"trigger-relay"})  # Runs until its time is over, so nobody waits for it.
_log = logging.getLogger(__name__)


class Platform:
    """All functions of one environment, as the registry has them."""

    def __init__(
        self, registry: Registry, logs: Path, variables: Mapping[str, str], namespace: str
    ) -> None:
        self.registry = registry
        self.namespace = namespace
        self.log = CallLog(logs)
        self.variables = variables
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._stopping = False
        self.wait_s = WAIT_FOR_INSTANCE_S
        self.undelivered: deque[dict[str, str]] = deque(maxlen=1_000)

    def check_namespace(self, namespace: str) -> None:
        """There is one environment here; PlatformError for any other."""
        if namespace != self.namespace:
            raise PlatformError("ResourceNotFound.Namespace", f"Namespace: {namespace}")

    def check_members_may_call(self, function: str) -> None:
        """Judge by the security rules, as the platform does before a member's call gets in."""
        self.registry.function(function)
        rules = self.registry.security_rules
        rule = rules.get(function, rules.get("*", {"invoke": False}))
        if rule["invoke"] is False:
            raise PlatformError("PERMISSION_DENIED", f"members may not call {function}")

    def pool(self, function: str) -> Pool:
        """Return a function's instances; PlatformError if there is no such function."""
        deployed = self.registry.function(function)
        with self._lock:
            pool = self._pools.get(function)
            if pool is None:
                pool = Pool(self.variables, self.namespace, self._is_deployed)
                self._pools[function] = pool
            if self._stopping:
                pool.stop()
        pool.limit_to(_instances(deployed))
        return pool

    def _is_deployed(self, revision: Revision) -> bool:
        function = self.registry.functions.get(revision.function)
        return function is not None and any(r is revision for r in function.revisions.values())

    def call(
        self, function: str, event: object, caller: Mapping[str, str], qualifier: str = DEFAULT
    ) -> Invocation:
        """Call and wait; refuses events over 6 MB."""
        if _size(event) > MAX_PAYLOAD_BYTES:
            raise PlatformError("InvalidParameter.RequestTooLarge", "an event may be 6 MB at most")
        request_id = str(uuid.uuid4())
        return self._invoke(function, event, caller, qualifier, request_id, wait_s=self.wait_s)

    def _invoke(
        self,
        function: str,
        event: object,
        caller: Mapping[str, str],
        qualifier: str,
        request_id: str,
        *,
        wait_s: float | None,
        retry: int = 0,
    ) -> Invocation:
        revision = self.registry.function(function).revision(qualifier)
        paths = self.registry.paths(revision)
        started_at = datetime.now(UTC)
        done = self.pool(function).invoke(
            revision, paths, event, caller, request_id=request_id, wait_s=wait_s
        )
        self.log.write(function, started_at, done, retry)
        return done

    def start(self, function: str, event: object, qualifier: str = DEFAULT) -> str:
        """Accept an asynchronous call and return its request id.

        It is tried as often again as the function is configured for, then it is a dead letter.
        """
        if _size(event) > MAX_ASYNC_BYTES:
            raise PlatformError(
                "InvalidParameter.RequestTooLarge", "an asynchronous event may be 128 KB at most"
            )
        self.registry.function(function).revision(qualifier)
        with self._lock:
            self._under_way[function] += 1
        request_id = str(uuid.uuid4())
        threading.Thread(
            target=self._deliver,
            args=(function, event, qualifier, request_id),
            daemon=True,
            name=f"async-{function}",
        ).start()
        return request_id

    def _deliver(self, function: str, event: object, qualifier: str, request_id: str) -> None:
        try:
            retries = self.registry.function(function).retries
            for attempt in range(retries + 1):
                done = self._invoke(
                    function, event, {}, qualifier, request_id, wait_s=None, retry=attempt
                )
                if done.failure is None or self._stopping:
                    return
                _log.info("%s: %s", function, done.failure.message)
                if attempt < retries:
                    time.sleep(RETRY_AFTER_S[attempt])
            if done.failure is not None:
                self._give_up(function, done.failure.message)
        except PlatformError as error:  # It was deleted while the call waited.
            self._give_up(function, str(error))
        finally:
            with self._lock:
                self._under_way[function] -= 1

    def _give_up(self, function: str, message: str) -> None:
        self.undelivered.append({"function": function, "error": message})

    def busy(self) -> bool:
        """Whether asynchronous calls are under way, the standing ones aside."""
        with self._lock:
            return any(n for name, n in self._under_way.items() if n and name not in STANDING)

    def under_way(self, function: str) -> int:
        """How many asynchronous calls of one function are under way."""
        with self._lock:
            return self._under_way[function]

    def changed(self) -> None:
        """Bring all instances in line with what is deployed now."""
        functions = self.registry.functions
        with self._lock:
            pools = dict(self._pools)
        for name, pool in pools.items():
            pool.let_go()
            if name in functions:
                pool.limit_to(_instances(functions[name]))

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.stop()


def _instances(function: Function) -> int:
    """How many instances a function may have: as many as fit into what is reserved for it."""
    if function.reserved_mb is None:
        return DEFAULT_INSTANCES
    return function.reserved_mb // function.revision(DEFAULT).memory_mb


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
