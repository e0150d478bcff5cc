"""Ends all that a command has started when the command ends, also by SIGTERM or SIGKILL.

A killed process can't clean up, so a guard does it: a small process that waits on a pipe which
only we hold open. When we end, the system closes the pipe. The guard then ends every process
that carries our mark, and removes our scratch folders. Processes inherit the mark, a variable in
the environment, from us. Standard library only: the guard runs this file on a bare interpreter.
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

MARK = "HUITOU_GUARD"  # The variable's value says which guard ends a process.
_ENDING_ROUNDS = 50  # The guard looks repeatedly, as processes may start others.
# A process that has just started shows its mark a moment later, so the guard looks for 5 s.
_LOOKS, _LOOK_EVERY_S = 100, 0.05
_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None


def stand() -> None:
    """Start the guard: all that we start from now on ends with us. A second call does nothing."""
    global _guard
    with _lock:
        if _guard is not None:
            return
        mark = uuid.uuid4().hex
        os.environ[MARK] = mark
        # The guard has no mark and its own process group, so that it isn't ended together with us.
        _guard = subprocess.Popen(
            [
                getattr(sys, "_base_executable", sys.executable),
                "-I",
                "-S",
                "-X",
                "utf8",
                __file__,
                mark,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        atexit.register(_stand_down, _guard)


def _stand_down(guard: subprocess.Popen[bytes]) -> None:
    """Dismiss the guard: we end normally, so it needs to look only once."""
    _tell(".")
    guard.communicate()


def mark() -> dict[str, str]:
    """Return our mark, for processes that don't inherit our environment."""
    return {MARK: os.environ[MARK]} if MARK in os.environ else {}


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a temporary folder that is removed when we end, even if we are killed."""
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
        with _lock, contextlib.suppress(BrokenPipeError):  # The guard was killed.
            _guard.stdin.write(f"{line}\n".encode())
            _guard.stdin.flush()


def end_all_with(variable: str, value: str) -> None:
    """End every process whose environment has this variable with this value."""
    wanted = f"{variable}={value}".encode()
    for _ in range(_ENDING_ROUNDS):
        found = [pid for name in os.listdir("/proc") if (pid := _pid_with_mark(name, wanted))]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _pid_with_mark(name: str, wanted: bytes) -> int | None:
    if not name.isdigit():
        return None
    try:
        with open(f"/proc/{name}/environ", "rb") as file:
            return int(name) if wanted in file.read() else None
    except OSError:  # Another user's process, or one that has ended.
        return None


def _wait_and_tidy_up(mark: str) -> None:
    """Run the guard: read folders from the pipe until it closes, then end processes and remove."""
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
