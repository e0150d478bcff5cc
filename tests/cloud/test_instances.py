"""A function misbehaves; its callers, its log and its next call see the right results."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cloud.probes import ECHO, Probes, gone_within
from localcloud.instances import MAX_LOG_BYTES

pytestmark = pytest.mark.slow
MB = 1024 * 1024
# The event says what to do, so the next call of the same instance does no harm.
UNRULY = """
import ctypes, os, signal, subprocess, sys, threading, time
calls = 0

def grow_slowly():
    held = []
    while True:
        held.append(bytearray(4 << 20))
        time.sleep(0.01)

def spike():
    bytearray(300 << 20)

def deep(n):
    return [deep(n + 1)] * 2

def main_handler(event, context):
    global calls
    calls += 1
    exec(event.get("do", ""), globals())
    return {"calls": calls, "pid": os.getpid()}
"""


@pytest.fixture(scope="module")
def unruly(probes: Probes) -> str:
    """Create a function that runs the code it is sent, within a second and 128 MB."""
    return probes.create(UNRULY, timeout_s=1)


@pytest.fixture(scope="module")
def patient(probes: Probes) -> str:
    """Create the same function with ten seconds: memory fills slowly on a busy machine."""
    return probes.create(UNRULY, timeout_s=10)


# --- what one call may do -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "status", "says"),
    [
        ("time.sleep(60)", 433, "timed out after 1 seconds"),
        ("while True: pass", 433, "timed out after 1 seconds"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", 433, "timed out"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", 433, "timed out"),
        ("grow_slowly()", 434, "Memory limit reached"),
        ("spike()", 434, "Memory limit reached"),
        ("os._exit(0)", 439, "exited"),
        ("sys.exit(3)", 439, "exited"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 439, "exited"),
        ("ctypes.string_at(0)", 439, "exited"),
        ("sys.setrecursionlimit(10**9); deep(0)", None, ""),  # The stack or the memory ends first.
        ("deep(0)", 430, "RecursionError"),
        ("1 / 0", 430, "ZeroDivisionError"),
        ("input()", 430, "EOFError"),
        ("raise type('Odd name\\n', (Exception,), {})", 430, "Odd name"),
        ("for fd in range(3, 1024):\n try: os.close(fd)\n except OSError: pass", 439, "exited"),
        ("for fd in range(3, 1024):\n try: os.write(fd, b'junk')\n except OSError: pass", 439, ""),
        ("if not os.fork(): time.sleep(60)\nos._exit(1)", 439, "exited"),
    ],
)
def test_a_failure_has_its_status_and_the_next_call_succeeds(
    probes: Probes, unruly: str, patient: str, do: str, status: int | None, says: str
) -> None:
    name = unruly if status in (433, None) else patient
    started = time.monotonic()
    done = probes.call(name, {"do": do})
    assert done.status == status or (status is None and done.status in (433, 434, 439))
    assert says in done.message
    assert time.monotonic() - started < 30, "the call went on after its time"
    assert probes.call(name, {}).answer["calls"] >= 1


@pytest.mark.parametrize(
    ("gives", "status"),
    [
        ("object()", 430),
        ("float('nan')", 430),
        ("b'bytes'", 430),
        ("{1, 2}", 430),
        ("{(1, 2): 3}", 430),
        ("[]; answer.append(answer)", 430),
        ("'x' * (6 << 20)", 407),
        ("'x' * ((6 << 20) - 10)", 0),
        ("'\\ud800'", 0),
        ("None", 0),
    ],
)
def test_only_json_of_at_most_6_mb_is_an_answer(probes: Probes, gives: str, status: int) -> None:
    name = probes.create(
        "def main_handler(event, context):\n"
        f"    if event: return 'fine'\n    answer = {gives}\n    return answer\n",
        memory_mb=256,
    )
    assert probes.call(name, {}).status == status
    assert probes.call(name, {"next": True}).answer == "fine"


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("import nothing_of_this_name\n", 430),
        ("def main_handler(event, context:\n", 430),
        ("handler = None\n", 430),
        ("main_handler = None\n", 430),
        ("raise ValueError('no')\n", 430),
        ("import os; os._exit(1)\n", 439),
        ("import sys; sys.exit(1)\n", 439),
        ("import time; time.sleep(60)\n", 433),
    ],
)
def test_each_caller_of_code_that_cannot_be_loaded_gets_an_error(
    probes: Probes, source: str, status: int
) -> None:
    name = probes.create(source, timeout_s=1)
    assert [probes.call(name).status for _ in range(2)] == [status] * 2
    probes.update(name, ECHO)
    assert probes.call(name, 7).answer == 7


def test_a_call_whose_large_event_is_never_read_times_out(
    probes: Probes,
) -> None:
    name = probes.create("import time; time.sleep(60)\n", timeout_s=1)
    started = time.monotonic()
    assert probes.call(name, "x" * 5 * MB).status == 433
    assert time.monotonic() - started < 5


def test_a_timeout_ends_the_function_and_its_children(
    probes: Probes, unruly: str, tmp_path: Path
) -> None:
    written = [tmp_path / name for name in ("self", "child", "daemon")]
    for path in written:
        path.touch()
    work = "def work(path):\n while True: open(path, 'a').write('x'); time.sleep(0.01)\n"
    do = (
        f"{work}"
        f"if not os.fork(): work({str(written[1])!r})\n"
        "if not os.fork():\n"  # A daemon without parent, session, terminal or pipe.
        " os.setsid()\n"
        " if os.fork(): os._exit(0)\n"
        " for fd in range(99):\n"
        "  try: os.close(fd)\n"
        "  except OSError: pass\n"
        f" work({str(written[2])!r})\n"
        f"work({str(written[0])!r})"
    )
    assert probes.call(unruly, {"do": do}).status == 433
    sizes = [path.stat().st_size for path in written]
    assert all(sizes)
    time.sleep(0.3)
    assert [path.stat().st_size for path in written] == sizes


def test_a_child_that_keeps_all_pipes_open_delays_no_call(probes: Probes, unruly: str) -> None:
    do = "child = os.fork()\nif not child: time.sleep(60); os._exit(0)\nprint(child)"
    started = time.monotonic()
    done = probes.call(unruly, {"do": do})
    assert done.answer
    child = int(probes.log(unruly, done.request_id))
    assert time.monotonic() - started < 0.9
    pid = done.answer["pid"]
    os.kill(pid, 9)
    assert gone_within(pid)
    started = time.monotonic()
    assert probes.call(unruly, {}).answer["pid"] != pid
    assert time.monotonic() - started < 0.9
    assert gone_within(child)


@pytest.mark.parametrize(
    "do",
    [
        "sys.stdout.close()",
        "os.close(1)",
        "os.close(1); os.close(2); sys.stdout = sys.stderr = None",
        "os.close(0)",
        "os.chdir('/')",
        "os.set_blocking(1, False); print('x' * 300_000)",
        "for _ in range(20): threading.Thread(target=time.sleep, args=(60,)).start()",
        "sys.modules.clear()",
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
        "os.umask(0o777)",
    ],
)
def test_an_instance_survives_harmless_changes_to_its_process(probes: Probes, do: str) -> None:
    name = probes.create(UNRULY, timeout_s=5)
    first = probes.call(name, {"do": do})
    assert first.status == 0, first
    second = probes.call(name, {})
    assert second.status == 0, second
    assert second.answer == {"calls": 2, "pid": first.answer["pid"]}


def test_the_reported_memory_is_the_peak_of_the_call(probes: Probes) -> None:
    name = probes.create(
        "def main_handler(event, context):\n    bytearray(100 << 20)\n", memory_mb=256
    )
    done = probes.call(name)
    assert 100 * MB < done.memory_bytes < 256 * MB


# --- what it prints -------------------------------------------------------------------------


def test_each_call_has_its_own_log(probes: Probes, unruly: str) -> None:
    prints = [
        ("print('first')", "first\n"),
        ("print('no end', end='')", "no end"),
        ("print('err', file=sys.stderr)", "err\n"),
        ("subprocess.run(['echo', 'of a child'])", "of a child\n"),
        ("sys.stdout.buffer.write(b'\\0\\xff\\n\\0')", "\0\ufffd\n\0"),
        ("print('a\\u2028b\\x85c\\r\\n你好')", "a\u2028b\x85c\r\n你好\n"),
        ("", ""),
    ]
    for do, log in prints:
        done = probes.call(unruly, {"do": do})
        assert done.status == 0
        assert probes.log(unruly, done.request_id) == log


@pytest.mark.parametrize(
    "do", ["time.sleep(60)", "os._exit(1)", "ctypes.string_at(0)", "spike()", "grow_slowly()"]
)
def test_the_log_keeps_the_output_of_a_failed_call(probes: Probes, unruly: str, do: str) -> None:
    done = probes.call(unruly, {"do": f"print('line')\nprint('open', end='')\n{do}"})
    assert done.status in (433, 434, 439)
    assert probes.log(unruly, done.request_id) == "line\nopen"
    done = probes.call(unruly, {"do": "print('next')"})
    assert probes.log(unruly, done.request_id) == "next\n"


def test_the_log_holds_the_traceback_of_an_error(probes: Probes, unruly: str) -> None:
    log = probes.log(unruly, probes.call(unruly, {"do": "1 / 0"}).request_id)
    assert log.startswith("Traceback")
    assert log.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("megabytes", [1, 10])
@pytest.mark.parametrize("how", ["print('x' * {size}, end='')", "os.write(1, b'\\xff' * {size})"])
def test_the_log_keeps_the_last_megabyte_of_output(
    probes: Probes, megabytes: int, how: str
) -> None:
    name = probes.create(UNRULY, timeout_s=20, memory_mb=512)
    done = probes.call(name, {"do": how.format(size=megabytes * MB) + "; print('end')"})
    assert done.status == 0
    log = probes.log(name, done.request_id)
    assert log.endswith("end\n")
    assert MAX_LOG_BYTES - 4 <= len(log.encode()) <= MAX_LOG_BYTES
    done = probes.call(name, {"do": "print('next')"})
    assert probes.log(name, done.request_id) == "next\n"


def test_output_between_two_calls_is_in_neither_log(probes: Probes, unruly: str) -> None:
    late = "threading.Timer(0.2, lambda: print('x' * 200_000)).start(); print('mine')"
    done = probes.call(unruly, {"do": late})
    assert probes.log(unruly, done.request_id) == "mine\n"
    time.sleep(0.4)
    # The pipe filled up and printing stopped. The rest is printed during the next call.
    done = probes.call(unruly, {"do": "time.sleep(0.2); print('mine')"})
    assert len(probes.log(unruly, done.request_id)) < 150_000
    done = probes.call(unruly, {"do": "print('mine')"})
    assert probes.log(unruly, done.request_id) == "mine\n"
