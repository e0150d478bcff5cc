"""What a command starts ends with the command, also where that is killed (SIGTERM, SIGKILL).

A killed process can't tidy up after itself, so a guard does it: a small process that waits on a
pipe which only we hold open. When we are gone, the system closes the pipe. The guard then ends
every process that carries our mark, which all we start inherits in its environment, and removes
our scratch folders. Standard library only: the guard is this file on a bare interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "HUITOU_GUARD"  # The variable whose value says whose guard ends a process.
_ENDING_ROUNDS = 50  # Of looking for what was started, while it may go on starting.
# What was just being started shows its mark, and writes, a moment later: the guard looks for 5 s.
_LOOKS, _LOOK_EVERY_S = 100, 0.05
_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None


def stand() -> None:
    """From here on, whatever we start ends when we do; a second call does nothing."""
    global _guard
    with _lock:
        if _guard is not None:
            return
        mark = uuid.uuid4().hex
        os.environ[MARK] = mark
        # No mark of its own and no group with us: what ends us mustn't end the guard.
        _guard = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-I", "-S", "-X", "utf8",
             __file__, mark],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True,
        )  # fmt: skip
        atexit.register(_stand_down, _guard)


def _stand_down(guard: subprocess.Popen[bytes]) -> None:
    """Let the guard go: we end in order, so one look is enough."""
    _tell(".")
    guard.communicate()


def mark() -> dict[str, str]:
    """Return our mark, for processes that get an environment of their own."""
    return {MARK: os.environ[MARK]} if MARK in os.environ else {}


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a temporary folder that goes with us, also where we are killed."""
    with tempfile.TemporaryDirectory() as folder, removed_if_killed(Path(folder)):
        yield Path(folder)


@contextlib.contextmanager
def removed_if_killed(folder: Path) -> Iterator[None]:
    """Have the guard remove a folder if we are killed within the block."""
    stand()
    _tell(f"+{folder.resolve()}")
    try:
        yield
    finally:
        _tell(f"-{folder.resolve()}")


def _tell(line: str) -> None:
    if _guard is not None and _guard.stdin is not None:
        with _lock, contextlib.suppress(BrokenPipeError):  # Somebody has killed the guard.
            _guard.stdin.write(f"{line}\n".encode())
            _guard.stdin.flush()


def end_all_with(variable: str, value: str) -> None:
    """End every process that has this variable with this value from whoever started it."""
    wanted = f"{variable}={value}".encode()
    for _ in range(_ENDING_ROUNDS):
        found = [pid for name in os.listdir("/proc") if (pid := _carrying(name, wanted))]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _carrying(name: str, wanted: bytes) -> int | None:
    if not name.isdigit():
        return None
    try:
        with open(f"/proc/{name}/environ", "rb") as file:
            return int(name) if wanted in file.read() else None
    except OSError:  # Somebody else's, or gone.
        return None


def _wait_and_tidy_up(mark: str) -> None:
    """The guard's life: hear of folders until the pipe closes, then end and remove."""
    folders: list[Path] = []
    looks = _LOOKS
    for line in sys.stdin:
        folder = Path(line[1:].rstrip("\n"))
        if line[0] == "+":
            folders.append(folder)
        elif line[0] == "-":
            folders.remove(folder)
        else:
            looks = 1
    for _ in range(looks):
        end_all_with(MARK, mark)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_LOOK_EVERY_S if looks > 1 else 0)


if __name__ == "__main__":
    _wait_and_tidy_up(sys.argv[1])
