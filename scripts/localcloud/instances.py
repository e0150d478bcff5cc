"""Instances of functions: processes of their own, one call at a time, limits enforced."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import guard
from localcloud.registry import Revision

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # The platform's limit for a synchronous event and answer.
MAX_LOG_BYTES = 1024 * 1024  # Kept of what one call prints; its end, if it prints more.
_LOOK_EVERY_S = 0.03  # At the memory and the clock of a call under way.
_CHUNK_BYTES = 65_536
_MARK = "LOCALCLOUD_INSTANCE"  # Inherited by whatever an instance starts.
_WORKER = Path(__file__).with_name("worker.py")
_LENGTH = struct.Struct("!I")  # As in worker.py.
_PEAK = re.compile(rb"VmHWM:\s*(\d+) kB")


@dataclass(frozen=True)
class Failure:
    """Why a call has no result: the platform's status code and its words for it.

    Codes as Tencent documents them for SCF (function status codes, read in 2026-11): 430 the code
    raised, 432 no instance, 433 too long, 434 too much memory, 439 the process ended, 407 the
    answer is too large, 500 the platform itself failed.
    """

    status: int
    message: str


_EXITED = Failure(439, "The process exited while it was serving the call")
_OVERSIZE = Failure(407, "The size of response exceeds the upper limit (6MB)")


class Instance:
    """One process that serves one version of a function.

    The thread that makes a call also reads what the function prints, so that printing never
    blocks it and nothing is left to wait for once it has answered.
    """

    def __init__(self, revision: Revision, paths: list[Path], variables: Mapping[str, str]) -> None:
        self.revision = revision
        self.calls = 0
        self.peak_bytes = 0  # The most memory the process has been seen to have held.
        self._mark = uuid.uuid4().hex
        self._printed = bytearray()
        self._ending = threading.Lock()
        self._ended = self._failed = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = self._started(theirs.fileno(), paths, variables)
            except BaseException:
                self._socket.close()
                raise
        if self._process.stdout is None:
            raise RuntimeError("the instance has no output")
        self._pipe = self._process.stdout
        self._socket.setblocking(False)
        os.set_blocking(self._pipe.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        self._status: int | None = None
        with contextlib.suppress(OSError):  # A system without /proc tells no memory.
            self._status = os.open(f"/proc/{self.pid}/status", os.O_RDONLY)

    def _started(
        self, end: int, paths: list[Path], variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        # -S: no site-packages; what the function sees is its folder, its layers and the
        # standard library. -u: what it has printed is known even when it is killed.
        # sys._base_executable: the interpreter, not the developer's venv.
        command = [getattr(sys, "_base_executable", sys.executable), "-S", "-s", "-P", "-u"]
        worker = [str(_WORKER), str(end), self.revision.handler, str(MAX_PAYLOAD_BYTES)]
        return subprocess.Popen(
            [*command, *worker],
            pass_fds=[end],
            env={
                "PATH": os.environ.get("PATH", ""),
                "LANG": "C.UTF-8",
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "PYTHONDONTWRITEBYTECODE": "1",  # The platform's /opt and /var/user are read-only.
                **variables,
                **guard.mark(),
                _MARK: self._mark,
            },
            cwd=paths[0],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it may serve another call: nothing but its handler has failed, and it lives."""
        return not (self._ended or self._failed or self._exited())

    def _exited(self) -> bool:
        # Without reaping it: `end` still needs the process id to be ours.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    # --- one call ---------------------------------------------------------------------------

    def call(self, payload: bytes) -> tuple[str, Failure | None]:
        """Send one call; returns (the answer as JSON, None), or ("", what went wrong)."""
        if self.calls:  # Printed between two calls, so by none; a first call's is its loading.
            self._read_output()
            self._printed.clear()
        self.calls += 1
        try:
            outcome, text, failure = self._understood(self._exchange(payload))
        except OSError:
            outcome, text, failure = "", "", _EXITED
        self._failed = failure is not None and outcome != "raised"
        return text, failure

    def _understood(self, answered: bytes | Failure) -> tuple[str, str, Failure | None]:
        too_much = self._too_much_memory()
        if isinstance(answered, Failure) or too_much:
            return "", "", too_much or (answered if isinstance(answered, Failure) else None)
        outcome, _, text = answered.decode(errors="replace").partition(" ")
        if outcome == "returned":
            return outcome, text, None
        if outcome == "oversize":
            return outcome, "", _OVERSIZE
        return outcome, "", Failure(430, f"User code exception caught: {text}")

    def _exchange(self, payload: bytes) -> bytes | Failure:
        """Send a call and receive its answer, reading meanwhile what the function prints."""
        outgoing = memoryview(_LENGTH.pack(len(payload)) + payload)
        incoming = bytearray()
        started = time.monotonic()
        deadline = started + self.revision.timeout_s
        look_at = min(started + _LOOK_EVERY_S, deadline)
        while True:
            outgoing = outgoing[self._send(outgoing) :]
            self._poll.register(
                self._socket, select.POLLIN | (select.POLLOUT if len(outgoing) else 0)
            )
            now = time.monotonic()
            if now >= look_at:
                if failure := self._overstepped(now >= deadline):
                    return failure
                look_at = min(now + _LOOK_EVERY_S, deadline)
            for ready, event in self._poll.poll((look_at - now) * 1000):
                if ready == self._pipe.fileno():
                    self._read_output()
                elif event & ~select.POLLOUT and (answer := self._receive(incoming)) is not None:
                    return answer

    def _send(self, outgoing: memoryview) -> int:
        if not outgoing:
            return 0
        try:
            return self._socket.send(outgoing)
        except BlockingIOError:  # It reads slowly, or never will.
            return 0

    def _receive(self, incoming: bytearray) -> bytes | Failure | None:
        """Read on; None until the answer is whole."""
        chunk = self._socket.recv(MAX_PAYLOAD_BYTES if incoming else _CHUNK_BYTES)
        if not chunk:
            return _EXITED
        incoming += chunk
        if len(incoming) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(incoming)[0]
        # Our end of the worker never says that much; the function has written to what isn't its.
        if len(incoming) > end or end > MAX_PAYLOAD_BYTES + _CHUNK_BYTES:
            return _EXITED
        return bytes(incoming[_LENGTH.size :]) if len(incoming) == end else None

    def _overstepped(self, late: bool) -> Failure | None:
        if late:
            timeout_s = self.revision.timeout_s
            return Failure(433, f"Invoking task timed out after {timeout_s} seconds")
        # A child may hold the socket open, which then doesn't tell that the process has ended.
        if self._exited() and not self._poll.poll(0):
            return _EXITED
        return self._too_much_memory()

    def _too_much_memory(self) -> Failure | None:
        """Judge by the most it ever held at once, which a short peak can't hide from."""
        if self._status is not None:
            with contextlib.suppress(OSError):  # It has ended; what was seen before stays.
                peak = _PEAK.search(os.pread(self._status, _CHUNK_BYTES, 0))
                self.peak_bytes = int(peak[1]) * 1024 if peak else self.peak_bytes
        limit_mb = self.revision.memory_mb
        if self.peak_bytes <= limit_mb * 1024 * 1024:
            return None
        return Failure(434, f"Memory limit reached: the function may use {limit_mb} MB")

    # --- what it prints ---------------------------------------------------------------------

    def _read_output(self) -> None:
        """Read what lies in the pipe now, and not what is printed meanwhile, which may never end"""
        left = fcntl.fcntl(self._pipe, fcntl.F_GETPIPE_SZ)
        while left > 0:
            try:
                chunk = os.read(self._pipe.fileno(), _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:  # Closed by the function and whatever it has started.
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._pipe)
                return
            left -= len(chunk)
            self._printed += chunk
            # Twice the limit, so that a long print isn't moved with every chunk.
            if len(self._printed) > 2 * MAX_LOG_BYTES:
                del self._printed[:-MAX_LOG_BYTES]

    def printed(self) -> str:
        """Take what the call printed that has just ended."""
        self._read_output()
        text = self._printed[-MAX_LOG_BYTES:].decode(errors="replace")
        self._printed.clear()
        if len(text) * 4 > MAX_LOG_BYTES:  # What replaces a byte that is no text is longer.
            text = text.encode()[-MAX_LOG_BYTES:].decode(errors="ignore")
        return text

    # --- its end ----------------------------------------------------------------------------

    def end(self) -> None:
        """End the process and whatever it has started; a second call does nothing."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            # Not reaped before this line, so the id can't be somebody else's by now.
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            # What has left the process group (a daemon of its own session) inherited the mark.
            guard.end_all_with(_MARK, self._mark)

    def stop(self) -> None:
        """End it and let go of what belongs to it; for nobody to do who isn't its last user."""
        self.end()
        self._socket.close()
        self._pipe.close()
        if self._status is not None:
            os.close(self._status)
            self._status = None
