"""`bench invoke`: the time that the local cloud adds to a call, without the function's own."""

from __future__ import annotations

import base64
import io
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli.bench import json_option, report
from cli.bench.coldstart import calls
from deployment.cloud_api import CloudApi
from guard import scratch_folder
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.pool import Invocation, Pool
from localcloud.registry import DEFAULT
from simulation.play import load

EMPTY = "empty"
_SOURCE = "def main_handler(event, context):\n    return event\n"
_EVENT = {"action": "nothing", "items": [{"dish_id": "milk-tea", "quantity": 2}]}
# The relay answers only after 15 minutes; a position that is told again is refused.
NOT_AGAIN = ("trigger-relay", "geofence-check")
# Echoes the same JSON through a plain pipe, in a process that does nothing else.
_PEER = (
    "import json, sys\n"
    "from multiprocessing.connection import Connection\n"
    "pipe = Connection(int(sys.argv[1]))\n"
    "while True: pipe.send_bytes(json.dumps(json.loads(pipe.recv_bytes())).encode())\n"
)


@click.command()
@click.option("--runs", default=300, show_default=True, help="Warm calls of each kind.")
@click.option("--starts", default=15, show_default=True, help="New instances.")
@json_option
def invoke(runs: int, starts: int, as_json: bool) -> None:
    """Time calls of an empty function, cold and warm, by each door; then each function's own.

    There are two floors, measured in turn with the calls: sending a JSON through a plain pipe to a
    Python process and back (`ratio`: the warm call against it), and starting the interpreter
    (`cold_ratio`). A function's own time is its warm call's less the empty function's.
    """
    with scratch_folder() as data, LocalCloud(data) as cloud:
        client = LocalCloudClient(cloud.url, cloud.vendor_url, data)
        load(client)
        client.member_call("member-profile", "bench", {"action": "login"})
        _deploy_empty(cloud)
        cold = _in_turn(
            {"cold_floor": _interpreter, "cold": lambda: _cold(cloud)}, starts, warm_up=1
        )
        with _pipe_floor() as peer:
            warm = _in_turn({"floor": peer, **_doors(cloud, client)}, runs, warm_up=20)
        own = _in_turn(_functions(cloud), max(1, runs // 5), warm_up=2)
    report(_figures(cold, warm, own), as_json=as_json)


def _in_turn(
    work: dict[str, Callable[[], object]], runs: int, *, warm_up: int
) -> dict[str, list[float]]:
    """Call all in turn, several times; returns the sorted durations of each, in milliseconds."""
    took: dict[str, list[float]] = {name: [] for name in work}
    for number in range(warm_up + runs):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            if number >= warm_up:
                took[name].append((time.perf_counter() - started) * 1000)
    return {name: sorted(times) for name, times in took.items()}


def _figures(
    cold: dict[str, list[float]], warm: dict[str, list[float]], own: dict[str, list[float]]
) -> dict[str, Any]:
    medians = {name: statistics.median(times) for name, times in (cold | warm | own).items()}
    figures: dict[str, Any] = {
        "ratio": round(medians["pool"] / medians["floor"], 2),
        "cold_ratio": round(medians["cold"] / medians["cold_floor"], 2),
    }
    for name, times in (cold | warm).items():
        figures[f"{name}_ms"] = round(medians[name], 3)
        figures[f"{name}_p99_ms"] = round(times[int(len(times) * 0.99)], 3)
    for name in own:
        figures[f"{name}_warm_ms"] = round(medians[name], 2)
        figures[f"{name}_own_ms"] = round(medians[name] - medians["pool"], 2)
    return figures


# --- the empty function ---------------------------------------------------------------------


def _deploy_empty(cloud: LocalCloud) -> None:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), _SOURCE)
    api = CloudApi(cloud.target.account)
    code = {"ZipFile": base64.b64encode(into.getvalue()).decode()}
    api.scf("CreateFunction", FunctionName=EMPTY, Runtime="Python3.11", Code=code)
    api.wait_until_active(EMPTY, "$LATEST")
    rules = {**cloud.registry.security_rules, EMPTY: {"invoke": True}}
    api.tcb(
        "ModifyResourcePermission",
        ResourceType="function",
        Permission="CUSTOM",
        SecurityRule=json.dumps(rules),
    )


def _cold(cloud: LocalCloud) -> None:
    pool = Pool(cloud.platform.variables, "bench", lambda _: False)  # It keeps no instances.
    _call(cloud, pool, EMPTY, _EVENT, {})


def _doors(cloud: LocalCloud, client: LocalCloudClient) -> dict[str, Callable[[], object]]:
    """Return a warm call of the empty function through each door."""
    api = CloudApi(cloud.target.account)
    text = json.dumps(_EVENT)

    def sdk() -> None:
        done = api.scf("Invoke", FunctionName=EMPTY, ClientContext=text, Qualifier=DEFAULT)
        if json.loads(done["Result"]["RetMsg"]) != _EVENT:
            sys.exit(f"{EMPTY}: {done}")

    return {
        "pool": lambda: _call(cloud, cloud.platform.pool(EMPTY), EMPTY, _EVENT, {}),
        "sdk": sdk,
        "call_function": lambda: client.member_call(EMPTY, "bench", _EVENT),
    }


def _call(
    cloud: LocalCloud, pool: Pool, name: str, event: dict[str, Any], caller: dict[str, str]
) -> Invocation:
    revision = cloud.registry.function(name).revision(DEFAULT)
    paths = cloud.registry.paths(revision)
    done = pool.invoke(revision, paths, event, caller, request_id="bench", wait_s=None)
    if done.failure or (name != EMPTY and not done.result["ok"]):
        sys.exit(f"{name}: {done.failure or done.result}")
    return done


def _functions(cloud: LocalCloud) -> dict[str, Callable[[], object]]:
    """Return a real call for each function that answers at once."""

    def bound(name: str, event: dict[str, Any], caller: dict[str, str]) -> Callable[[], Invocation]:
        return lambda: _call(cloud, cloud.platform.pool(name), name, event, caller)

    return {
        name: bound(name, *call) for name, call in calls(cloud).items() if name not in NOT_AGAIN
    }


# --- floors ---------------------------------------------------------------------------------


def _python() -> list[str]:
    return [getattr(sys, "_base_executable", sys.executable), "-S", "-s"]


def _interpreter() -> None:
    subprocess.run([*_python(), "-c", "pass"], check=True, stdin=subprocess.DEVNULL)


@contextmanager
def _pipe_floor() -> Iterator[Callable[[], object]]:
    ours, theirs = multiprocessing.Pipe()
    with subprocess.Popen(
        [*_python(), "-c", _PEER, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={"PATH": os.environ.get("PATH", "")},
    ) as process:
        theirs.close()

        def echo() -> object:
            ours.send_bytes(json.dumps(_EVENT).encode())
            return json.loads(ours.recv_bytes())

        try:
            yield echo
        finally:
            process.kill()
            ours.close()
