"""Versions and aliases during traffic, and after a restart or a kill."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from requests.exceptions import RequestException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from bootstrap import ROOT, import_paths
from cloud.probes import ECHO, Probes, gone_within, scf_client, zipped
from deployment.cloud_api import Account, CloudApi, CloudApiError
from localcloud.client import running
from localcloud.cloud import LocalCloud
from localcloud.mongod import Mongod
from localcloud.registry import Registry

pytestmark = pytest.mark.slow
UP = """
import sys, time
from pathlib import Path
from localcloud.cloud import LocalCloud
with LocalCloud(Path(sys.argv[1]), deploy=False, mongodb_uri=sys.argv[2]):
    print("up", flush=True)
    time.sleep(600)
"""


def says(word: str, sleep_s: float = 0) -> str:
    return (
        "import os, time\n"
        "def main_handler(event, context):\n"
        f"    time.sleep({sleep_s})\n"
        f"    return [{word!r}, context['function_version'], os.getpid(), event]\n"
    )


def test_changing_the_latest_does_not_change_a_numbered_version(probes: Probes) -> None:
    name = probes.create(says("one"))
    probes.point_default_to(name, probes.publish(name))
    first = probes.call(name).answer
    assert first[:2] == ["one", "1"]
    probes.update(name, says("two"))
    probes.api.scf("UpdateFunctionConfiguration", FunctionName=name, Timeout=7, MemorySize=256)
    assert probes.call(name).answer == first  # From the same process: it stayed warm.
    assert probes.call(name, qualifier="$LATEST").answer[:2] == ["two", "$LATEST"]
    assert probes.call(name, qualifier="1").answer == first
    default = probes.api.scf("GetFunction", FunctionName=name, Qualifier="$DEFAULT")
    assert (default["Timeout"], default["MemorySize"]) == (10, 128)


def test_a_refused_change_leaves_instances_warm(probes: Probes) -> None:
    name = probes.create(says("one"))
    pid = probes.call(name).answer[2]
    with pytest.raises(CloudApiError):
        probes.api.scf("CreateFunction", FunctionName=name, Runtime="Python3.11", Code={})
    with pytest.raises(CloudApiError):
        probes.api.scf("DeleteFunctionVersion", FunctionName=name, Qualifier="$LATEST")
    assert probes.call(name).answer[2] == pid


def test_moving_an_alias_during_traffic_loses_no_call(probes: Probes) -> None:
    name = probes.create(says("one", 0.02))
    probes.point_default_to(name, probes.publish(name))
    probes.update(name, says("two", 0.02))
    version = probes.publish(name)
    calls = itertools.count()

    def keep_calling(caller: int) -> list[list[object]]:
        answers = []
        for _ in range(4):
            mine = [caller, next(calls)]
            answer = probes.call(name, mine).answer
            assert answer[3] == mine
            answers.append(answer)
        return answers

    with ThreadPoolExecutor(50) as pool:
        under_way = [pool.submit(keep_calling, caller) for caller in range(50)]
        time.sleep(0.2)
        probes.point_default_to(name, version)
        moved = probes.call(name).answer
        answers = [answer for calling in under_way for answer in calling.result()]
    assert moved[:2] == ["two", "2"]
    assert len(answers) == 200
    assert {tuple(answer[:2]) for answer in answers} == {("one", "1"), ("two", "2")}
    probes.api.scf("DeleteFunctionVersion", FunctionName=name, Qualifier="1")
    assert all(pid in {a[2] for a in answers if a[0] == "two"} for pid in probes.pids(name))


def test_deleting_a_version_and_moving_an_alias_to_it_at_once_has_one_loser(
    probes: Probes,
) -> None:
    name = probes.create(says("one"))
    for _ in range(8):
        version = probes.publish(name)
        both = threading.Barrier(2)

        def point(version: str = version, both: threading.Barrier = both) -> None:
            both.wait()
            probes.point_default_to(name, version)

        def delete(version: str = version, both: threading.Barrier = both) -> None:
            both.wait()
            probes.api.scf("DeleteFunctionVersion", FunctionName=name, Qualifier=version)

        with ThreadPoolExecutor(2) as pool:
            racing = [pool.submit(work) for work in (point, delete)]
            ends = [work.exception() for work in racing]
        refused = [end.code for end in ends if isinstance(end, CloudApiError)]
        assert refused in (
            ["UnsupportedOperation.AliasBind"],
            ["ResourceNotFound.FunctionVersion"],
        )
        assert probes.call(name).status == 0
        probes.point_default_to(name, "$LATEST")


def test_all_simultaneous_changes_are_kept(probes: Probes) -> None:
    name = probes.create(ECHO)

    def change(number: int) -> None:
        trigger = {"TriggerName": f"t{number}", "Type": "timer", "TriggerDesc": "0 0 0 1 1 * 2099"}
        if number % 2:
            probes.api.scf("CreateTrigger", FunctionName=name, **trigger)
        else:  # The change itself was refused.
            with pytest.raises(CloudApiError):
                probes.api.scf("CreateFunction", FunctionName=name, Runtime="Python3.11", Code={})

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(change, range(20)))
    found = probes.api.scf("ListTriggers", FunctionName=name)["Triggers"]
    assert {trigger["TriggerName"] for trigger in found} == {f"t{n}" for n in range(1, 20, 2)}


def test_a_deleted_function_answers_earlier_calls_and_no_later_ones(
    probes: Probes,
) -> None:
    name = probes.create(says("one", 0.5))
    with ThreadPoolExecutor(8) as pool:
        calling = [pool.submit(probes.call, name, n) for n in range(8)]
        time.sleep(0.3)
        pids = probes.pids(name)
        probes.api.scf("DeleteFunction", FunctionName=name)
        with pytest.raises(Exception, match="ResourceNotFound"):
            probes.call(name)
        done = [call.result() for call in calling]
    assert [called.answer[3] for called in done] == list(range(8))
    assert pids
    assert all(gone_within(pid) for pid in {*pids, *(called.answer[2] for called in done)})


def test_a_restart_serves_the_same_versions_without_a_deployment(
    mongod: Mongod, tmp_path: Path
) -> None:
    with LocalCloud(tmp_path, deploy=False, mongodb_uri=mongod.uri) as cloud:
        probes = Probes(cloud)
        name = probes.create(says("one"), timeout_s=7)
        probes.point_default_to(name, probes.publish(name))
        probes.update(name, says("two"))
        probes.api.scf(
            "PutReservedConcurrencyConfig", FunctionName=name, ReservedConcurrencyMem=256
        )
        logged = probes.call(name)
        before = probes.api.scf("GetFunction", FunctionName=name, Qualifier="1")
    with LocalCloud(tmp_path, deploy=False, mongodb_uri=mongod.uri) as cloud:
        probes = Probes(cloud)
        assert probes.call(name).answer[:2] == ["one", "1"]
        assert probes.call(name, qualifier="$LATEST").answer[:2] == ["two", "$LATEST"]
        after = probes.api.scf("GetFunction", FunctionName=name, Qualifier="1")
        assert {**after, "RequestId": ""} == {**before, "RequestId": ""}
        assert (
            probes.api.scf("GetReservedConcurrencyConfig", FunctionName=name)["ReservedMem"] == 256
        )
        assert probes.log(name, logged.request_id) == ""
        assert probes.publish(name) == "2"


def up(data: Path, mongod: Mongod) -> subprocess.Popen[str]:
    """Start a local cloud in a separate process that the test can kill."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(data), mongod.uri],
        cwd=ROOT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(import_paths())},
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


def write_until_it_is_gone(account: Account, name: str) -> list[str]:
    """Change a function repeatedly until the cloud is gone; returns the confirmed changes."""
    client, confirmed = scf_client(account), []
    for number in itertools.count():
        change = {"Description": f"{number}-{'x' * 900}", "FunctionName": name}
        try:
            client.call_json("UpdateFunctionConfiguration", {"Namespace": account.env_id, **change})
        except TencentCloudSDKException as error:
            if error.code == "FailedOperation.FunctionStatusError":  # Still busy.
                continue
            break
        except RequestException:  # Killed between the head and the body of its answer.
            break
        confirmed.append(str(number))
    return confirmed


def test_a_kill_during_a_write_keeps_every_confirmed_change(mongod: Mongod, tmp_path: Path) -> None:
    for round_ in range(3):
        with up(tmp_path, mongod) as process:
            client = running(tmp_path)
            assert client
            api = CloudApi(client.target.account)
            name = f"probe-of-round-{round_}"
            for number in range(4):
                api.scf(
                    "CreateFunction",
                    FunctionName=f"{name}-{number}",
                    Runtime="Python3.11",
                    Code={"ZipFile": zipped({"index.py": ECHO})},
                )
            with ThreadPoolExecutor(4) as pool:
                writing = [
                    pool.submit(write_until_it_is_gone, client.target.account, f"{name}-{number}")
                    for number in range(4)
                ]
                time.sleep(1.0 + round_ * 0.037)
                process.send_signal(signal.SIGKILL)
                sure = [written.result(60) for written in writing]
            process.wait()
        registry = Registry(tmp_path / "deployed.json")
        for number, confirmed in enumerate(sure):
            assert len(confirmed) > 3
            found = registry.function(f"{name}-{number}").revisions["$LATEST"].description
            # Perhaps one more change was stored before the kill and not confirmed.
            assert int(found.partition("-")[0]) >= int(confirmed[-1])
    with LocalCloud(tmp_path, deploy=False, mongodb_uri=mongod.uri) as cloud:
        assert Probes(cloud).call("probe-of-round-0-0", 7).answer == 7
