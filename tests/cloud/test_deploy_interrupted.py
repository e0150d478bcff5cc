"""Stopped, killed, throttled and mixed deployments: callers always see a complete version."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from bootstrap import ROOT
from deployment.cloud_api import CloudApi, CloudApiError
from deployment.errors import DeploymentError
from deployment.plan import LATEST
from deployments import Recorder, changed, deploy, emptied, facts, forget_published, live, zip_of
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(bare_cloud: LocalCloud) -> LocalCloud:
    return emptied(bare_cloud)


def test_a_stopped_deployment_leaves_whole_versions_and_the_next_run_finishes(
    cloud: LocalCloud,
) -> None:
    """Two deployments are stopped before many different calls, until one isn't stopped any more."""
    other = changed(cloud.target, HUITOU_BRAND_ID="other")
    deploy(cloud.target)
    old = facts(cloud)
    deploy(other)
    new = facts(cloud)
    deploy(cloud.target)
    for stop_at in itertools.count(60, 29):
        for target, before, after in ((other, old, new), (cloud.target, new, old)):
            for name in cloud.registry.functions:  # So that each run has everything to do.
                forget_published(cloud, name)
            finished = True
            try:
                deploy(target, Recorder(target, stop_at))
            except KeyboardInterrupt:
                finished = False
            for name, shown in facts(cloud)["functions"].items():
                assert shown["revision"] in (
                    before["functions"][name]["revision"],
                    after["functions"][name]["revision"],
                ), "a caller sees the old version or the new one, whole"
            deploy(target)
            assert facts(cloud) == after
            assert deploy(target) == []
        if finished:
            assert stop_at > 100
            return


def test_the_next_run_finishes_a_first_deployment_that_was_stopped(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    whole = facts(cloud)
    for stop_at in itertools.count(3, 23):  # How often it asks whether a step is done differs.
        with cloud.registry.changing():
            cloud.registry.functions.clear()
            cloud.registry.layers.clear()
            cloud.registry.routes.clear()
        finished = True
        try:
            deploy(cloud.target, Recorder(cloud.target, stop_at))
        except KeyboardInterrupt:
            finished = False
        deploy(cloud.target)
        assert facts(cloud) == whole
        assert {len(versions) for versions in cloud.registry.layers.values()} == {1}
        if finished:
            assert stop_at > 100
            return


def test_the_next_run_finishes_after_a_deployment_was_killed(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        **cloud.target.variables,
        "TENCENTCLOUD_SECRET_ID": cloud.keys.secret_id,
        "TENCENTCLOUD_SECRET_KEY": cloud.keys.secret_key,
        "HUITOU_API_ENDPOINT": f"127.0.0.1:{cloud.port}",
        "HUITOU_API_PROTOCOL": "http",
    }
    command = ["scripts/huitou", "deploy", "--env", cloud.target.account.env_id]
    for seconds in (0.2, 0.4):
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            deadline = time.monotonic() + 30
            while not cloud.registry.layers and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(
        [*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert deploy(cloud.target) == []
    for secret in (cloud.keys.secret_key, cloud.keys.internal_secret, cloud.keys.app_secret):
        assert secret not in done.stdout + done.stderr


def test_failed_declarations_leave_all_callers_on_the_old_version(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    before = facts(cloud)
    broken = changed(cloud.target, HUITOU_INTERNAL_SECRET="too-short")
    with pytest.raises(DeploymentError, match="maintenance could not apply"):
        deploy(broken)
    assert facts(cloud) == before


def test_a_throttled_call_is_repeated_exactly_once(cloud: LocalCloud) -> None:
    """The SDK's own retryer would publish it five times and then report that it failed."""
    deploy(cloud.target)
    api = CloudApi(cloud.target.account)
    real, answers = api._scf.call_json, []

    def throttled_first(action: str, fields: dict[str, Any]) -> Any:
        answers.append(action)
        if len(answers) == 1:
            raise TencentCloudSDKException("RequestLimitExceeded", "20 a second")
        return real(action, fields)

    api._scf.call_json = throttled_first
    published = api.scf("PublishVersion", FunctionName="pay", Description="x")
    assert published["FunctionVersion"] == "2"
    assert answers == ["PublishVersion", "PublishVersion"]
    assert cloud.registry.function("pay").last_version == 2


@pytest.mark.parametrize(
    ("action", "calls"), [("PublishVersion", 1), ("Invoke", 1), ("GetFunction", 6)]
)
def test_after_a_broken_connection_only_reading_calls_are_repeated(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, action: str, calls: int
) -> None:
    monkeypatch.setattr("deployment.cloud_api.AGAIN_AFTER_S", (0.0,) * 5)
    api, made = CloudApi(cloud.target.account), []

    def broken(action: str, _: dict[str, Any]) -> Any:
        made.append(action)
        raise TencentCloudSDKException("ClientNetworkError", "gone")

    api._scf.call_json = broken
    with pytest.raises(CloudApiError, match="ClientNetworkError"):
        api.scf(action, FunctionName="pay")
    assert made == [action] * calls


def test_a_version_with_another_deployments_code_is_deleted(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    """Somebody uploads other code after we upload and before we publish."""
    deploy(cloud.target)
    other = zip_of(cloud, "store-menu")

    class MixedUpload(Recorder):
        def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
            if action == "PublishVersion" and fields["FunctionName"] == "points-sync":
                CloudApi(self.account).scf(
                    "UpdateFunctionCode", FunctionName="points-sync", Code={"ZipFile": other}
                )
                CloudApi(self.account).wait_until_active("points-sync", LATEST)
            return super()._call(client, action, fields)

    target = changed(cloud.target, HUITOU_BRAND_ID="second")
    with pytest.raises(DeploymentError, match="points-sync: somebody else deploys at the same"):
        deploy(target, MixedUpload(target))
    assert live(cloud, "points-sync").version == "1"
    assert "2" not in cloud.registry.function("points-sync").revisions
    deploy(target)
    stored = live(cloud, "points-sync")
    assert stored.version == "3"
    assert stored.code_sha256 != live(cloud, "store-menu").code_sha256


def test_repeated_failed_deployments_keep_few_versions(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    for number in range(12):
        target = changed(
            cloud.target, HUITOU_INTERNAL_SECRET="short", HUITOU_BRAND_ID=f"brand{number}"
        )
        with pytest.raises(DeploymentError, match="could not apply"):
            deploy(target, only=frozenset({"store-menu"}))  # Also deploys `maintenance`.
    assert 9 <= len(cloud.registry.function("maintenance").revisions) <= 10
    deploy(changed(cloud.target, HUITOU_BRAND_ID="good"))
    assert live(cloud, "maintenance").variables["HUITOU_BRAND_ID"] == "good"


def test_a_function_whose_creation_or_change_failed_is_deployed_again(
    cloud: LocalCloud,
) -> None:
    deploy(cloud.target)

    class Failed(Recorder):
        def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
            answer = super()._call(client, action, fields)
            changed_yet = {"UpdateFunctionCode", "DeleteFunction"} & set(self.actions)
            if action == "GetFunction" and not changed_yet:
                answer["Status"] = "UpdateFailed"
            if action == "ListFunctions":
                for function in answer["Functions"]:
                    if function["FunctionName"] == "pay" and self.created_badly:
                        function["Status"] = "CreateFailed"
            return answer

        created_badly = False

    target = changed(cloud.target, WECHAT_APP_SECRET="second")
    deploy(target, Failed(target))
    assert live(cloud, "member-profile").variables["WECHAT_APP_SECRET"] == "second"
    badly = Failed(target)
    badly.created_badly = True
    done = deploy(target, badly)
    assert ("create", "function", "pay") in {(s.action, s.kind, s.name) for s in done}
    assert badly.actions.index("DeleteFunction") < badly.actions.index("CreateFunction")
