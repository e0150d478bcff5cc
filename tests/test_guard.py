"""All that a command has started ends when the command is killed: real MongoDBs and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrap import ROOT, import_paths

# Starts MongoDB as a benchmark does, and also a child that has left its session.
BENCHMARK = """
import subprocess, sys
from cli.bench import scratch_mongod
with scratch_mongod() as mongod:
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(mongod.pid, sleeper.pid, mongod.folder, flush=True)
    sys.stdin.read()
"""
# Starts MongoDB as a test does: pytest with our settings, and its own folder for files.
A_TEST = """
import subprocess, sys
def test_that_hangs(mongod):
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(mongod.pid, sleeper.pid, mongod.folder, file=sys.stderr, flush=True)
    sleeper.wait()
"""


def alive(pid: int) -> bool:
    """Tell whether a process runs; a process that has ended and isn't reaped yet doesn't run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually_gone(pids: list[int], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while any(map(alive, pids)) or folder.exists():
        assert time.monotonic() < deadline, [pid for pid in pids if alive(pid)] or folder
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("program", [BENCHMARK, A_TEST], ids=["a benchmark", "a test"])
def test_a_killed_command_leaves_nothing_behind(
    program: str, number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", program]
    if program is A_TEST:
        (tmp_path / "test_hangs.py").write_text(A_TEST)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-s",
            "-q",
            "-p",
            "conftest",
            "-c",
            "pyproject.toml",
            "--rootdir",
            ".",
            "--basetemp",
            str(tmp_path / "base"),
            str(tmp_path / "test_hangs.py"),
        ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*import_paths(), "tests"])}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout
        words = process.stdout.readline().split()
        assert len(words) == 3, words
        pids, folder = [int(words[0]), int(words[1])], Path(words[2])
        assert all(map(alive, pids))
        assert folder.exists()
        process.send_signal(number)
        assert process.wait() == -number
    eventually_gone(pids, folder)
