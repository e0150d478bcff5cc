"""`bench coldstart`: a new instance's first answer, against importing pymongo and connecting."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from cli.bench import json_option, report
from guard import scratch_folder
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.platform import timer_event
from localcloud.pool import Invocation, Pool
from localcloud.registry import DEFAULT
from simulation.play import load

_FLOOR = "import os; from pymongo import MongoClient; MongoClient(os.environ['U']).admin.command('ping'); print(1, flush=True); input(); os._exit(0)"  # noqa: E501
MEMBER = "bench"  # The OpenID of the member who calls.
CART = {"store_id": "jingan", "items": [{"dish_id": "milk-tea", "sku_id": "l", "quantity": 2}]}
GIVE_UP_AFTER_S = 30.0
APART = ("pay", "trigger-relay")  # WeChat Pay's models; and the relay answers late.


@click.command()
@click.option("--runs", default=7, show_default=True, help="New instances per function.")
@json_option
def coldstart(runs: int, as_json: bool) -> None:
    """Time a new instance until its first answer, function by function; medians.

    The floor is a process of the same interpreter that imports pymongo from the same layer and
    gets one answer from the same MongoDB. Floor and functions are measured in turn. `cpu_ratio`
    compares the processors' time, which other work on this machine changes less.
    """
    with scratch_folder() as data, LocalCloud(data) as cloud:
        client = LocalCloudClient(cloud.url, cloud.vendor_url, data)
        load(client)
        make_member(client)
        times: dict[str, list[float]] = {name: [] for name in ("floor", *calls(cloud))}
        cpu: dict[str, list[float]] = {name: [] for name in times}
        for _ in range(runs):
            took = {"floor": _floor(cloud)}
            for name, (event, caller) in calls(cloud).items():
                took[name] = _first_answer(cloud, name, event, caller)
            for name, (whole_s, cpu_s) in took.items():
                times[name].append(whole_s)
                cpu[name].append(cpu_s)
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratios = {name: round(medians[name] / medians["floor"], 2) for name in medians}
    least = {name: min(found) for name, found in cpu.items()}
    common = [ratio for name, ratio in ratios.items() if name not in (*APART, "floor")]
    report(
        {
            "floor_ms": round(medians["floor"] * 1000),
            "ratio": max(common),
            **{f"{name}_ms": round(medians[name] * 1000) for name in medians if name != "floor"},
            **{f"{name}_ratio": ratios[name] for name in ratios if name != "floor"},
            **{
                f"{name}_cpu_ratio": round(least[name] / least["floor"], 2)
                for name in least
                if name != "floor"
            },
        },
        as_json=as_json,
    )


def make_member(client: LocalCloudClient) -> None:
    """Register the member of `calls`, who lets the chain use their position."""
    consent = {"purpose": "precise_location", "given": True, "text_version": "1"}
    for asked in ({"action": "login"}, {"action": "consent", **consent}):
        client.member_call("member-profile", MEMBER, asked)


def calls(cloud: LocalCloud) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    """Return a real first call for each function but the console, as (event, who calls)."""
    member = {"WX_OPENID": MEMBER, "WX_APPID": cloud.keys.appid}
    now = cloud.clock.now()

    def timer(function: str) -> tuple[dict[str, Any], dict[str, str]]:
        return dict(timer_event("bench", cloud.token(function), now)), {}

    letters = {"action": "dead_letters", "token": cloud.token("maintenance")}
    position = {"lat": 31.2243, "lng": 121.4468, "system": "GCJ-02", "accuracy_m": 20}
    return {
        "member-profile": ({"action": "login"}, member),
        "store-menu": ({"action": "stores"}, member),
        "geofence-check": ({"action": "check", **position, "at": now.isoformat()}, member),
        "referral-settle": ({"action": "mine"}, member),
        "points-sync": timer("points-sync"),
        "tier-evaluate": timer("tier-evaluate"),
        "coupon-issue": timer("coupon-issue"),
        "kpi-rollup": timer("kpi-rollup"),
        "campaign-run": timer("campaign-run"),
        "maintenance": (letters, {}),
        "pay": ({"action": "quote", **CART}, member),
        "trigger-relay": timer("trigger-relay"),
    }


def _first_answer(
    cloud: LocalCloud, name: str, event: dict[str, Any], caller: dict[str, str]
) -> tuple[float, float]:
    """Return the seconds until a new instance's first answer, and those of a processor."""
    pool = Pool(cloud.platform.variables, "bench", lambda _: True)
    revision = cloud.registry.function(name).revision(DEFAULT)

    def call() -> Invocation:
        paths = cloud.registry.paths(revision)
        return pool.invoke(revision, paths, event, caller, request_id="bench", wait_s=None)

    if name == "trigger-relay":
        return _relay_begins(cloud, pool, call)
    try:
        done = call()
        if done.failure or not done.result["ok"]:
            sys.exit(f"{name}: {done.failure or done.result}")
        return done.duration_ms / 1000, _cpu_s(*pool.pids())
    finally:
        pool.stop()


def _relay_begins(
    cloud: LocalCloud, pool: Pool, call: Callable[[], Invocation]
) -> tuple[float, float]:
    """Time the relay until it begins to listen, because it answers only after 15 minutes."""
    state = cloud.database.collection("relay_state")
    for name in ("leases", "relay_state"):
        cloud.database.collection(name).delete_many({})
    started = time.perf_counter()
    threading.Thread(target=call, daemon=True).start()
    while state.find_one({"_id": "trigger-relay"}) is None:
        if time.perf_counter() - started > GIVE_UP_AFTER_S:
            sys.exit("the relay did not begin")
        time.sleep(0.002)
    took, cpu_s = time.perf_counter() - started, _cpu_s(*pool.pids())
    pool.stop()
    return took, cpu_s


def _cpu_s(pid: int) -> float:
    """Return how long a living process and its threads have used a processor, in seconds."""
    used_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # It has ended since it was listed.
            used_ns += int((thread / "schedstat").read_text().split()[0])
    return used_ns / 1e9


def _floor(cloud: LocalCloud) -> tuple[float, float]:
    interpreter = getattr(sys, "_base_executable", sys.executable)
    layers = cloud.registry.paths(cloud.registry.function("pay").revision(DEFAULT))[1:]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, layers)), "U": cloud.mongodb_uri}
    command = [interpreter, "-S", "-s", "-P", "-c", _FLOOR]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdout is None or process.stdout.readline() != b"1\n":
            sys.exit("the floor could not connect")
        took, cpu_s = time.perf_counter() - started, _cpu_s(process.pid)
        process.communicate(b"\n")
    return took, cpu_s
