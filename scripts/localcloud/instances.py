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
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from localcloud.registry import Revision

DEFAULT_INSTANCES = 4  # Of one function; this machine's cores are few.
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # The platform's limit for a synchronous event and answer.
MAX_LOG_BYTES = 1024 * 1024  # Kept of what one call prints; its end, if it prints more.
WAIT_FOR_INSTANCE_S = 60.0  # How long a synchronous call queues before it is refused.
_LOOK_EVERY_S = 0.03  # At the memory of a call under way.
_LAST_OUTPUT_S = 0.3  # How long to wait for what a call printed, once it has answered.
_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Failure:
    """Why a call has no result: the platform's status code and its words for it.

    Codes as Tencent documents them for SCF (function status codes, read in 2026-11): 430 the code
    raised, 432 no instance, 433 too long, 434 too much memory, 439 the process ended, 407 the
    answer is too large.
    """

    status: int
    message: str


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


class _Output:
    """What an instance prints, read all the time so that printing never blocks it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._printed = bytearray()
        self._closed = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True, name="output")
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._pipe.fileno(), 65_536):
            with self._news:
                self._printed += chunk
                # Twice the limit, so that a long print isn't moved with every chunk.
                if len(self._printed) > 2 * MAX_LOG_BYTES:
                    del self._printed[:-MAX_LOG_BYTES]
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def up_to(self, mark: bytes) -> str:
        """Take what was printed before `mark`, or all there is if it doesn't come."""
        with self._news:
            self._news.wait_for(lambda: mark in self._printed or self._closed, _LAST_OUTPUT_S)
            text, _, rest = bytes(self._printed).partition(mark)
            self._printed[:] = rest
        return text[-MAX_LOG_BYTES:].decode(errors="replace")

    def close(self) -> None:
        self._thread.join(2)  # Ends by itself: the process is gone, so the pipe is at its end.
        self._pipe.close()


class Instance:
    """One process that serves one version of a function."""

    def __init__(self, revision: Revision, paths: list[Path], variables: Mapping[str, str]) -> None:
        self.revision = revision
        ours, theirs = multiprocessing.Pipe()
        # -S: no site-packages; what the function sees is its folder, its layers and the
        # standard library. sys._base_executable: the interpreter, not the developer's venv.
        command = [getattr(sys, "_base_executable", sys.executable), "-S", "-s", "-P"]
        self._process = subprocess.Popen(
            [*command, str(_WORKER), str(theirs.fileno()), revision.handler],
            pass_fds=[theirs.fileno()],
            env={
                "PATH": os.environ.get("PATH", ""),
                "LANG": "C.UTF-8",
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "PYTHONDONTWRITEBYTECODE": "1",  # The platform's /opt and /var/user are read-only.
                **variables,
            },
            cwd=paths[0],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        theirs.close()
        self._connection: Connection = ours
        if self._process.stdout is None:
            raise RuntimeError("the instance has no output")
        self._output = _Output(self._process.stdout)
        self._ending = threading.Lock()
        self._ended = self._failed = False
        self.calls = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it may serve another call: nothing but its handler has failed, and it lives."""
        if self._ended or self._failed:
            return False
        # Without reaping it: `stop` still needs the process id to be ours.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def call(self, payload: bytes) -> tuple[str, Failure | None]:
        """Send one call; returns (the answer as JSON, None), or ("", what went wrong)."""
        self.calls += 1
        outcome, text, failure = self._exchange(payload)
        self._failed = failure is not None and outcome != "raised"
        return text, failure

    def _exchange(self, payload: bytes) -> tuple[str, str, Failure | None]:
        timeout_s, limit_mb = self.revision.timeout_s, self.revision.memory_mb
        too_much = Failure(434, f"Memory limit reached: the function may use {limit_mb} MB")
        deadline = time.monotonic() + timeout_s
        try:
            self._connection.send_bytes(payload)
            while not self._connection.poll(min(_LOOK_EVERY_S, deadline - time.monotonic())):
                if self.memory_bytes() > limit_mb * 1024 * 1024:
                    return "", "", too_much
                if time.monotonic() >= deadline:
                    late = f"Invoking task timed out after {timeout_s} seconds"
                    return "", "", Failure(433, late)
            raw = self._connection.recv_bytes()
        except (EOFError, OSError):
            return "", "", Failure(439, "The process exited while it was serving the call")
        if self.memory_bytes() > limit_mb * 1024 * 1024:
            return "", "", too_much
        if len(raw) > MAX_PAYLOAD_BYTES:
            return "", "", Failure(407, "The size of response exceeds the upper limit (6MB)")
        outcome, _, text = raw.decode().partition(" ")
        if outcome != "returned":
            return outcome, "", Failure(430, f"User code exception caught: {text}")
        return outcome, text, None

    def memory_bytes(self) -> int:
        """The most memory the process has held at once; 0 where the system doesn't tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
        return int(peak.split()[1]) * 1024 if peak else 0

    def printed_by(self, request_id: str) -> str:
        """Take what a call printed."""
        return self._output.up_to(f"\0{request_id}\n".encode())

    def stop(self) -> None:
        """End the process and whatever it has started; a second call does nothing."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            # Not reaped before this line, so the id can't be somebody else's by now.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._connection.close()
            self._output.close()


class Pool:
    """A function's instances, whatever their version: the last used first, a new one when busy."""

    def __init__(self, variables: Mapping[str, str], namespace: str) -> None:
        self._variables = variables
        self._namespace = namespace
        self._free = threading.Condition()
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._starting = 0
        self._stopped = False
        self.limit = DEFAULT_INSTANCES

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
            memory_bytes = instance.memory_bytes()
        except BaseException:
            instance.stop()
            raise
        finally:
            if not instance.usable:
                instance.stop()  # At once: what timed out must not go on working.
            log = instance.printed_by(request_id)
            self._give_back(instance)
        duration_ms = (time.monotonic() - started) * 1000
        return Invocation(
            request_id, revision.version, text, failure, duration_ms, memory_bytes, cold, log
        )

    def _take(
        self, revision: Revision, paths: list[Path], wait_s: float | None
    ) -> tuple[Instance, float] | Failure:
        with self._free:
            if not self._free.wait_for(self._has_room, wait_s):
                limit_mb = self.limit * revision.memory_mb
                return Failure(
                    432,
                    f"Function [ {revision.function} ] concurrency exceeded reserved quota "
                    f"{limit_mb} MB",
                )
            if self._stopped:
                return STOPPING
            started = time.monotonic()
            for instance in reversed(self._idle):
                if instance.revision is revision and instance.usable:
                    self._idle.remove(instance)
                    self._busy.add(instance)
                    return instance, started
            surplus = self._idle[: max(0, self._running() + 1 - self.limit)]
            self._idle = self._idle[len(surplus) :]
            self._starting += 1
        for instance in surplus:  # Of another version, or dead; their place is needed.
            instance.stop()
        try:
            instance = Instance(revision, paths, {**self._variables, **revision.variables})
        finally:
            with self._free:
                self._starting -= 1
        with self._free:
            if not self._stopped:
                self._busy.add(instance)
                return instance, started
        instance.stop()
        return STOPPING

    def _has_room(self) -> bool:
        return self._stopped or len(self._busy) + self._starting < self.limit

    def _running(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _give_back(self, instance: Instance) -> None:
        with self._free:
            self._busy.discard(instance)
            if instance.usable and not self._stopped:
                self._idle.append(instance)
            self._free.notify()

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
        """The most memory one of the instances has held, calls still under way included."""
        with self._free:
            instances = (*self._idle, *self._busy)
        return max((instance.memory_bytes() for instance in instances), default=0)

    def forget(self, *, keep: list[Revision]) -> None:
        """Stop idle instances of versions that are no more; busy ones end with their call."""
        with self._free:
            gone = [i for i in self._idle if not any(i.revision is kept for kept in keep)]
            self._idle = [i for i in self._idle if i not in gone]
        for instance in gone:
            instance.stop()

    def stop(self) -> None:
        with self._free:
            self._stopped = True
            instances = [*self._idle, *self._busy]
            self._idle.clear()
            self._free.notify_all()
        for instance in instances:
            instance.stop()
