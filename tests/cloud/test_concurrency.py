"""Many calls at once: they use all allowed instances, the rest waits, and no call is lost."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cloud.probes import ECHO, Called, Probes, alive
from localcloud.pool import DEFAULT_INSTANCES

pytestmark = pytest.mark.slow
AT_ONCE = 200
# Keeps its caller's data in a global while it sleeps, so two calls in one process would mix it.
SLOW_ECHO = """
import os, time
mine = None
def main_handler(event, context):
    global mine
    mine = event["data"]
    time.sleep(event["sleep_s"])
    return {"data": mine, "pid": os.getpid()}
"""


class Watch:
    """Records the largest number of instances that a function has at once."""

    def __init__(self, probes: Probes, name: str) -> None:
        self._probes, self._name = probes, name
        self.most = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._count_instances)

    def _count_instances(self) -> None:
        while not self._done.is_set():
            self.most = max(self.most, sum(map(alive, self._probes.pids(self._name))))
            time.sleep(0.002)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def call_all(probes: Probes, name: str, count: int = AT_ONCE) -> list[tuple[int, Called]]:
    """Make `count` calls at the same moment, each with its own data."""
    barrier = threading.Barrier(count)
    sleeps = random.Random(1)
    events = [{"data": n, "sleep_s": sleeps.uniform(0.001, 0.01)} for n in range(count)]

    def one(event: dict[str, Any]) -> tuple[int, Called]:
        barrier.wait()
        return int(event["data"]), probes.call(name, event)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, events))


@pytest.mark.parametrize("reserved_mb", [None, 2 * 128])
def test_calls_at_once_share_the_allowed_instances_and_get_their_own_answers(
    probes: Probes, reserved_mb: int | None
) -> None:
    name = probes.create(SLOW_ECHO)
    limit = DEFAULT_INSTANCES
    if reserved_mb is not None:
        limit = reserved_mb // 128
        probes.api.scf(
            "PutReservedConcurrencyConfig", FunctionName=name, ReservedConcurrencyMem=reserved_mb
        )
    with Watch(probes, name) as watch:
        done = call_all(probes, name)
    assert [called.answer["data"] for _, called in done] == [mine for mine, _ in done]
    assert watch.most == limit
    assert len({called.answer["pid"] for _, called in done}) == limit


def test_all_asynchronous_calls_run(probes: Probes, tmp_path: Path) -> None:
    name = probes.create(
        "def main_handler(event, context):\n"
        "    with open(event['file'], 'a') as file:\n"
        "        file.write(f\"{event['data']}\\n\")\n"
    )
    file = tmp_path / "ran"
    events = [{"file": str(file), "data": n} for n in range(AT_ONCE)]
    with Watch(probes, name) as watch, ThreadPoolExecutor(AT_ONCE) as pool:
        ids = list(pool.map(lambda event: probes.start(name, event), events))
        deadline = time.monotonic() + 30
        while probes.cloud.platform.under_way(name):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert len(set(ids)) == AT_ONCE
    assert {int(line) for line in file.read_text().split()} == set(range(AT_ONCE))
    assert watch.most <= DEFAULT_INSTANCES


def test_a_call_that_waits_too_long_is_refused_and_no_call_is_lost(
    probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = probes.create(SLOW_ECHO)
    monkeypatch.setattr(probes.cloud.platform, "wait_s", 0.05)
    done = call_all(probes, name)
    answered = [called for mine, called in done if called.answer and called.answer["data"] == mine]
    refused = [called for _, called in done if called.status == 432]
    assert len(answered) + len(refused) == AT_ONCE
    assert answered
    assert refused
    assert "concurrency exceeded" in refused[0].message


def test_a_raised_limit_lets_waiting_calls_run(probes: Probes) -> None:
    name = probes.create(SLOW_ECHO)
    limit = {"FunctionName": name, "ReservedConcurrencyMem": 128}
    probes.api.scf("PutReservedConcurrencyConfig", **limit)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(probes.call, name, {"data": 1, "sleep_s": 1.5})
        time.sleep(0.3)
        second = pool.submit(probes.call, name, {"data": 2, "sleep_s": 0})
        time.sleep(0.2)
        assert not second.done()
        probes.api.scf("PutReservedConcurrencyConfig", **{**limit, "ReservedConcurrencyMem": 256})
        assert second.result(30).answer["data"] == 2
        assert not first.done()
        assert first.result(30).answer["data"] == 1


def test_a_lowered_limit_ends_surplus_instances(probes: Probes) -> None:
    name = probes.create(SLOW_ECHO)
    call_all(probes, name, 8)
    before = probes.pids(name)
    assert len(before) > 1
    probes.api.scf("PutReservedConcurrencyConfig", FunctionName=name, ReservedConcurrencyMem=128)
    assert len(probes.pids(name)) == 1
    assert sum(map(alive, before)) == 1


def test_a_function_that_may_have_no_instance_refuses_calls_at_once(probes: Probes) -> None:
    name = probes.create(ECHO)
    probes.api.scf("PutReservedConcurrencyConfig", FunctionName=name, ReservedConcurrencyMem=0)
    started = time.monotonic()
    assert probes.call(name).status == 432
    assert time.monotonic() - started < 5
    probes.api.scf("DeleteReservedConcurrencyConfig", FunctionName=name)
    assert probes.call(name, 7).answer == 7
