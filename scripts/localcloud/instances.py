"""Instances of functions: processes of their own, one call at a time, limits enforced."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from localcloud.bundle import FunctionConfig

MAX_INSTANCES = 4  # Of one function; this machine's cores are few.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # The platform's limit for a synchronous event and answer.
WAIT_FOR_INSTANCE_S = 60.0
_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Invocation:
    """How one call ended: `error` is the platform's word for it, None when it answered."""

    request_id: str
    result: Any
    error: str | None
    ms: float
    cold: bool


class Instance:
    """One process that serves one function."""

    def __init__(self, config: FunctionConfig, layers: list[Path], log: Path) -> None:
        ours, theirs = multiprocessing.Pipe()
        path = os.pathsep.join(str(folder) for folder in (config.folder, *layers))
        # -S: no site-packages; what the function sees is its folder, its layers and the
        # standard library. sys._base_executable: the interpreter, not the developer's venv.
        command = [getattr(sys, "_base_executable", sys.executable), "-S", "-s", "-P"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, str(_WORKER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONPATH": path,
                     **config.variables},
                cwd=config.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )  # fmt: skip
        theirs.close()
        self._connection: Connection = ours
        self.calls = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, payload: bytes, timeout_s: float) -> tuple[Any, str | None]:
        """Send one call; returns (result, None), or (None, what went wrong)."""
        self.calls += 1
        try:
            self._connection.send_bytes(payload)
            if not self._connection.poll(timeout_s):
                return None, f"Invoking task timed out after {timeout_s:g} seconds"
            raw = self._connection.recv_bytes()
        except (EOFError, OSError):
            return None, "The instance exited while it was serving the call"
        if len(raw) > MAX_PAYLOAD_BYTES:
            return None, "The answer is over 6 MB"
        answer = json.loads(raw)
        if "error" in answer:
            return None, f"The handler raised {answer['error']['type']}"
        return answer["result"], None

    def stop(self) -> None:
        self._connection.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Pool:
    """A function's instances: the last used first, a new one when all are busy."""

    def __init__(
        self,
        config: FunctionConfig,
        layers: list[Path],
        logs: Path,
        platform_variables: Mapping[str, str],
        namespace: str,
    ) -> None:
        variables = {**platform_variables, **config.variables}
        self.config = FunctionConfig(**{**vars(config), "variables": variables})
        self._layers = layers
        self._log = logs / f"{config.name}.log"
        self._namespace = namespace
        self._free = threading.BoundedSemaphore(MAX_INSTANCES)
        self._lock = threading.Lock()
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._stopped = False

    def invoke(self, event: object, caller: Mapping[str, str]) -> Invocation:
        """Run one call on an instance of its own; an instance that fails is thrown away."""
        request_id = str(uuid.uuid4())
        started = time.monotonic()
        if not self._free.acquire(timeout=WAIT_FOR_INSTANCE_S):
            return Invocation(request_id, None, "No instance became free", 0.0, False)
        try:
            return self._run(request_id, started, event, caller)
        finally:
            self._free.release()

    def _run(
        self, request_id: str, started: float, event: object, caller: Mapping[str, str]
    ) -> Invocation:
        if self._stopped:
            return Invocation(request_id, None, "The local cloud is stopping", 0.0, False)
        instance, cold = self._take()
        payload = json.dumps([event, self._context(request_id, caller)])
        error: str | None = "The local cloud is stopping"
        try:
            result, error = instance.call(payload.encode(), self.config.timeout_s)
        finally:
            with self._lock:
                self._busy.discard(instance)
                if error is None or error.startswith("The handler raised"):
                    self._idle.append(instance)
                else:
                    instance.stop()
        ms = (time.monotonic() - started) * 1000
        return Invocation(request_id, result, error, ms, cold)

    def _take(self) -> tuple[Instance, bool]:
        with self._lock:
            self._idle = [instance for instance in self._idle if instance.alive]
            if self._idle:
                instance, cold = self._idle.pop(), False
            else:
                instance, cold = Instance(self.config, self._layers, self._log), True
            self._busy.add(instance)
        return instance, cold

    def _context(self, request_id: str, caller: Mapping[str, str]) -> dict[str, Any]:
        return {
            "request_id": request_id,
            "function_name": self.config.name,
            "namespace": self._namespace,
            "memory_limit_in_mb": self.config.memory_mb,
            "time_limit_in_ms": self.config.timeout_s * 1000,
            "environment": json.dumps({"TCB_ENV": self._namespace, **caller}),
        }

    def pids(self) -> list[int]:
        """The process ids of all instances, for tests that pull the plug."""
        with self._lock:
            return [instance.pid for instance in (*self._idle, *self._busy)]

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            instances = [*self._idle, *self._busy]
            self._idle.clear()
        for instance in instances:
            instance.stop()
