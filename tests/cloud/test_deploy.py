"""Deploying to the local cloud through Tencent's API: plan, repetition, interruption, rollback."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from bootstrap import ROOT
from deployment.cloud_api import CloudApi, CloudApiError
from deployment.deploy import Deployment, prepare
from deployment.errors import DeploymentError
from deployment.found import look
from deployment.hosting import hosting
from deployment.packages import local_target
from deployment.plan import DEFAULT, LATEST, Step, plan
from deployment.rollback import roll_back
from deployment.target import Target
from deployment.web import pages
from localcloud.cloud import LocalCloud
from localcloud.registry import Function
from localcloud.storage import STATIC_BUCKET
from test_readme import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with its database, and nothing deployed to it."""
    with LocalCloud(tmp_path_factory.mktemp("bare"), relay=False, deploy=False) as cloud:
        yield cloud


@pytest.fixture
def cloud(bare: LocalCloud) -> LocalCloud:
    """The bare cloud, emptied."""
    with bare.registry.changing():
        bare.registry.functions.clear()
        bare.registry.layers.clear()
        bare.registry.routes.clear()
        bare.registry.static = None
        bare.registry.security_rules = {"*": {"invoke": "auth != null"}}
    bare.platform.changed()
    for name in bare.database.mongo.list_collection_names():
        bare.database.mongo.drop_collection(name)
    return bare


def changes(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.action in ("create", "update", "delete")]


def deploy(target: Target, api: CloudApi | None = None, *, prune: bool = False) -> list[Step]:
    """Deploy everything; returns what had to be done."""
    own, wanted = prepare(target, local_target())
    api = api or own
    found = look(api, wanted)
    steps = plan(wanted, found)
    if prune:
        steps = [
            dataclasses.replace(s, action="delete") if s.action == "extra" else s for s in steps
        ]
    Deployment(api, wanted, found, lambda _: None).run(steps)
    return changes(steps)


def changed(target: Target, **variables: str) -> Target:
    return dataclasses.replace(target, variables={**target.variables, **variables})


def live(cloud: LocalCloud, name: str = "pay") -> Any:
    return cloud.registry.function(name).revision(DEFAULT)


def facts(cloud: LocalCloud) -> dict[str, Any]:
    """What callers of the environment get: versions aside, two deployments must not differ."""

    def shown(function: Function) -> dict[str, Any]:
        revision = function.revision(DEFAULT).model_dump(exclude={"version", "modified_at"})
        revision["layers"] = [
            (name, cloud.registry.layer(name, number).sha256) for name, number in revision["layers"]
        ]
        triggers = {
            name: trigger.model_dump(exclude={"added_at"})
            for name, trigger in function.triggers.items()
        }
        return {"revision": revision, "triggers": triggers, "retries": function.retries}

    return {
        "functions": {name: shown(f) for name, f in sorted(cloud.registry.functions.items())},
        "routes": dict(cloud.registry.routes),
        "rules": cloud.registry.security_rules,
    }


def test_the_first_run_creates_everything_and_the_second_has_nothing_to_do(
    cloud: LocalCloud,
) -> None:
    first = deploy(cloud.target)
    assert {step.action for step in first} == {"create", "update"}  # The rules were there.
    stored = facts(cloud)
    assert len(stored["functions"]) == len(list(ROOT.glob("functions/*/index.py")))
    assert deploy(cloud.target) == []
    assert facts(cloud) == stored
    for name, function in cloud.registry.functions.items():
        assert function.aliases[DEFAULT] == "1", name
        assert all(t.qualifier == DEFAULT and t.message for t in function.triggers.values())
    answer = cloud.functions().call("maintenance", {"action": "health"})
    assert answer["data"]["dead_letters"] == 0


def test_the_databases_declarations_come_with_it(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    indexes = cloud.database.collection("orders").index_information()
    assert "settlement_due" in indexes


def test_a_changed_variable_updates_only_the_functions_that_have_it(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    before = {name: live(cloud, name).version for name in cloud.registry.functions}
    done = deploy(changed(cloud.target, HUITOU_PHONE_KEY="another-key"))
    having = ["coupon-issue", "member-profile"]
    assert [(s.action, s.kind, s.name) for s in done] == [("update", "function", n) for n in having]
    assert done[0].detail == "variables HUITOU_PHONE_KEY"  # The name, never the value.
    after = {name: live(cloud, name).version for name in cloud.registry.functions}
    assert {name for name in after if after[name] != before[name]} == set(having)
    assert live(cloud, "member-profile").variables["HUITOU_PHONE_KEY"] == "another-key"


def test_going_back_to_what_was_published_before_uploads_nothing(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    deploy(changed(cloud.target, HUITOU_BRAND_ID="other"))
    assert live(cloud).version == "2"
    recorder = Recorder(cloud.target)
    back = deploy(cloud.target, recorder)
    assert all(step.detail == "version 1, published before" for step in back)
    assert live(cloud).version == "1"
    assert not {"UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion"} & set(
        recorder.actions
    )


class Recorder(CloudApi):
    """Notes every call, and breaks off before the one numbered `stop_at`, or the first `before`."""

    def __init__(
        self, target: Target, stop_at: int | None = None, before: str | None = None
    ) -> None:
        super().__init__(target.account)
        self.actions: list[str] = []
        self._stop_at = stop_at
        self._before = before

    def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
        if len(self.actions) == self._stop_at or action == self._before:
            raise KeyboardInterrupt
        self.actions.append(action)
        return super()._call(client, action, fields)


def test_an_interruption_anywhere_leaves_whole_versions_and_the_next_run_goes_on(
    cloud: LocalCloud,
) -> None:
    """Two deployments, each stopped before every single call that changes something."""
    other = changed(cloud.target, HUITOU_BRAND_ID="other")
    deploy(cloud.target)
    old = facts(cloud)
    deploy(other)
    new = facts(cloud)
    deploy(cloud.target)
    for stop_at in itertools.count(60, 29):
        for target, before, after in ((other, old, new), (cloud.target, new, old)):
            for name in cloud.registry.functions:  # So that each run has everything to do.
                _forget_published(cloud, name)
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


def _forget_published(cloud: LocalCloud, name: str) -> None:
    """Make versions that aren't live unknown to the next deployment."""
    with cloud.registry.changing():
        function = cloud.registry.function(name)
        for number in list(function.revisions):
            if number not in (LATEST, function.aliases[DEFAULT]):
                del function.revisions[number]


def test_a_first_deployment_that_stops_anywhere_is_finished_by_the_next(cloud: LocalCloud) -> None:
    recorder = Recorder(cloud.target)
    deploy(cloud.target, recorder)
    whole, calls = facts(cloud), len(recorder.actions)
    for stop_at in range(3, calls, 23):
        with cloud.registry.changing():
            cloud.registry.functions.clear()
            cloud.registry.layers.clear()
            cloud.registry.routes.clear()
        with pytest.raises(KeyboardInterrupt):
            deploy(cloud.target, Recorder(cloud.target, stop_at))
        deploy(cloud.target)
        assert facts(cloud) == whole
        assert {len(versions) for versions in cloud.registry.layers.values()} == {1}


def test_a_deployer_killed_in_the_middle_is_followed_by_one_that_finishes(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    environment = {
        **os.environ, **cloud.target.variables,
        "TENCENTCLOUD_SECRET_ID": cloud.keys.secret_id,
        "TENCENTCLOUD_SECRET_KEY": cloud.keys.secret_key,
        "HUITOU_API_ENDPOINT": f"127.0.0.1:{cloud.port}", "HUITOU_API_PROTOCOL": "http",
    }  # fmt: skip
    command = ["scripts/huitou", "deploy", "--env", cloud.target.account.env_id]
    for seconds in (0.2, 0.4):
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
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


def test_a_function_that_is_new_is_never_open_before_its_rule_says_so(cloud: LocalCloud) -> None:
    recorder = Recorder(cloud.target)
    deploy(cloud.target, recorder)
    actions = recorder.actions
    assert actions.index("ModifyResourcePermission") < actions.index("CreateFunction")
    assert cloud.registry.security_rules["*"] == {"invoke": False}


def test_declarations_that_fail_switch_nobody(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    before = facts(cloud)
    broken = changed(cloud.target, HUITOU_INTERNAL_SECRET="too-short")
    with pytest.raises(DeploymentError, match="maintenance could not apply"):
        deploy(broken)
    assert facts(cloud) == before


def test_rollback_goes_to_what_was_live_before_and_deploy_forward_again(
    cloud: LocalCloud,
) -> None:
    deploy(cloud.target)
    api = CloudApi(cloud.target.account)
    with pytest.raises(DeploymentError, match=r"no version is known to have been live before 1;"):
        roll_back(api, "pay")
    deploy(changed(cloud.target, HUITOU_BRAND_ID="second"))
    deploy(changed(cloud.target, HUITOU_BRAND_ID="third"))
    deploy(changed(cloud.target, HUITOU_BRAND_ID="second"))  # Version 2 once more, after 3.
    assert live(cloud).version == "2"
    assert roll_back(api, "pay") == ("2", "3")
    assert live(cloud).variables["HUITOU_BRAND_ID"] == "third"
    assert live(cloud, "points-sync").version == "2", "only the one that was named"
    assert roll_back(api, "pay", to="1") == ("3", "1")
    assert roll_back(api, "pay") == ("1", "3")
    with pytest.raises(DeploymentError, match=r"has no version 9; there are: 1 \(20"):
        roll_back(api, "pay", to="9")
    with pytest.raises(CloudApiError, match=r"ResourceNotFound\.Function"):
        roll_back(api, "nothing")
    done = deploy(changed(cloud.target, HUITOU_BRAND_ID="second"))
    assert [(s.name, s.detail) for s in done] == [("pay", "version 2, published before")]


def test_rollback_never_goes_to_what_was_published_but_never_live(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    second = changed(cloud.target, HUITOU_BRAND_ID="second")
    deploy(second)
    third = changed(cloud.target, HUITOU_BRAND_ID="third")
    with pytest.raises(KeyboardInterrupt):  # Published, and stopped before anybody was switched.
        deploy(third, Recorder(third, before="UpdateAlias"))
    assert "3" in cloud.registry.function("maintenance").revisions
    deploy(changed(cloud.target, HUITOU_BRAND_ID="fourth"))
    assert roll_back(CloudApi(cloud.target.account), "maintenance") == ("4", "2")


def test_a_call_that_was_throttled_is_made_once_more_and_only_once(cloud: LocalCloud) -> None:
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
def test_what_may_have_been_done_is_never_done_again_after_a_broken_connection(
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


def test_a_version_that_another_deployment_got_mixed_into_is_taken_back(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    """Somebody uploads other code between our upload and our publishing."""
    deploy(cloud.target)
    other = _zip_of(cloud, "store-menu")

    class Meddled(Recorder):
        def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
            if action == "PublishVersion" and fields["FunctionName"] == "points-sync":
                CloudApi(self.account).scf(
                    "UpdateFunctionCode", FunctionName="points-sync", Code={"ZipFile": other}
                )
                CloudApi(self.account).wait_until_active("points-sync", LATEST)
            return super()._call(client, action, fields)

    target = changed(cloud.target, HUITOU_BRAND_ID="second")
    with pytest.raises(DeploymentError, match="points-sync: somebody else deploys at the same"):
        deploy(target, Meddled(target))
    assert live(cloud, "points-sync").version == "1"
    assert "2" not in cloud.registry.function("points-sync").revisions
    deploy(target)
    stored = live(cloud, "points-sync")
    assert stored.version == "3"
    assert stored.code_sha256 != live(cloud, "store-menu").code_sha256


def test_deployments_that_keep_failing_never_use_up_the_versions(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    for number in range(12):
        target = changed(
            cloud.target, HUITOU_INTERNAL_SECRET="short", HUITOU_BRAND_ID=f"brand{number}"
        )
        with pytest.raises(DeploymentError, match="could not apply"):
            deploy(target)
    assert len(cloud.registry.function("maintenance").revisions) <= 10
    deploy(changed(cloud.target, HUITOU_BRAND_ID="good"))
    assert live(cloud, "maintenance").variables["HUITOU_BRAND_ID"] == "good"


def test_one_function_brings_rules_and_declarations_along(cloud: LocalCloud) -> None:
    api, wanted = prepare(cloud.target, local_target())
    only = frozenset({"store-menu"})
    found = look(api, wanted, only)
    steps = plan(wanted, found, only)
    assert [s.name for s in steps if s.kind == "function"] == ["store-menu", "maintenance"]
    Deployment(api, wanted, found, lambda _: None).run(steps)
    assert set(cloud.registry.functions) == {"store-menu", "maintenance"}
    assert cloud.registry.security_rules["*"] == {"invoke": False}
    assert "settlement_due" in cloud.database.collection("orders").index_information()
    steps = plan(wanted, look(api, wanted, only), only)
    assert {s.name for s in steps if s.kind == "function"} == {"store-menu"}
    assert changes(steps) == []


def test_a_function_whose_creation_or_change_failed_is_deployed_all_the_same(
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


def test_old_versions_go_but_never_the_live_one(cloud: LocalCloud) -> None:
    for number in range(12):
        deploy(changed(cloud.target, HUITOU_PHONE_KEY=f"key-{number}"))
    versions = [int(v) for v in cloud.registry.function("member-profile").revisions if v != LATEST]
    assert sorted(versions) == list(range(5, 13))
    assert len(cloud.registry.function("pay").revisions) == 2


def test_what_is_not_in_the_file_is_told_and_goes_only_with_prune(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    api = CloudApi(cloud.target.account)
    api.scf(
        "CreateFunction", FunctionName="forgotten", Runtime="Python3.11",
        Code={"ZipFile": _zip_of(cloud)}, Handler="index.main_handler",
    )  # fmt: skip
    api.scf(
        "CreateTrigger", FunctionName="pay", TriggerName="old", Type="timer",
        TriggerDesc="0 0 0 1 * * *", Qualifier=DEFAULT,
    )  # fmt: skip
    assert deploy(cloud.target) == []
    assert "forgotten" in cloud.registry.functions
    gone = deploy(cloud.target, prune=True)
    assert {(s.action, s.name) for s in gone} == {("delete", "forgotten"), ("delete", "pay/old")}
    assert "forgotten" not in cloud.registry.functions
    assert "old" not in cloud.registry.function("pay").triggers


def _zip_of(cloud: LocalCloud, name: str = "store-menu") -> str:
    _, wanted = prepare(cloud.target, local_target())
    content = wanted.functions[name].package.path.read_bytes()
    return base64.b64encode(content).decode()


def test_what_somebody_else_changed_is_put_right(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    right = facts(cloud)
    api = CloudApi(cloud.target.account)
    api.scf("DeleteTrigger", FunctionName="pay", TriggerName="follow-up", Type="timer")
    api.scf(
        "UpdateTrigger", FunctionName="points-sync", TriggerName="settle", Type="timer",
        TriggerDesc="0 0 * * * * *", CustomArgument="no token",
    )  # fmt: skip
    api.tcb(
        "ModifyResourcePermission", ResourceType="function", Permission="CUSTOM",
        SecurityRule=json.dumps({"*": {"invoke": True}}),
    )  # fmt: skip
    api.scf("UpdateFunctionConfiguration", FunctionName="pay", Timeout=1)
    assert live(cloud).timeout_s == 120, "what is live can't be changed, only replaced"
    done = {(s.action, s.kind, s.name) for s in deploy(cloud.target)}
    assert done == {
        ("create", "timer", "pay/follow-up"),
        ("update", "timer", "points-sync/settle"),
        ("update", "security rules", "functions"),
    }
    assert facts(cloud) == right


def test_the_consoles_pages_go_to_static_hosting_once_that_is_open(cloud: LocalCloud) -> None:
    api, wanted = prepare(cloud.target, local_target())
    url = cloud.target.variables["STORAGE_URL"]

    def again() -> list[tuple[str, str]]:
        found = look(api, wanted, storage_url=url)
        steps = plan(wanted, found)
        Deployment(api, wanted, found, lambda _: None, url).run(steps)
        return [(s.action, s.name) for s in steps if s.kind == "pages"]

    assert again() == [("waits", "/console")]
    api.tcb("CreateStaticStore")
    assert again() == [("create", "/console")]
    there = hosting(api, url)
    assert there is not None
    built = pages()
    for path in filter(Path.is_file, built.rglob("*")):
        name = f"console/{path.relative_to(built).as_posix()}"
        assert cloud.storage.storage_of(STATIC_BUCKET).get(name) == path.read_bytes(), name
    assert cloud.registry.static == ["/console"]
    assert again() == [("unchanged", "/console")]
    cloud.storage.storage_of(STATIC_BUCKET).put("console/index.html", b"older", "text/html")
    assert again() == [("update", "/console")]
    assert there.state(built) == "same"


def test_the_commands_tell_plan_and_result(cloud: LocalCloud, tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as up:
        again = run("scripts/huitou deploy", tmp_path)
        assert again.returncode == 0, again.stderr
        assert "nothing to do: 44 things unchanged" in again.stdout
        shown = run("scripts/huitou status --json", tmp_path)
        report = json.loads(shown.stdout)
        assert {f["name"] for f in report["functions"]} == set(up.registry.functions)
        assert report["relay"]["alive"]
        assert report["dead_letters"] == 0
        run('scripts/huitou invoke store-menu \'{"action": "stores"}\' --as bob', tmp_path)
        logs = run("scripts/huitou logs store-menu --json", tmp_path)
        [call] = [json.loads(line) for line in logs.stdout.splitlines()]
        assert call["RetCode"] == 0
        assert '"outcome":"ok"' in call["LogJson"]
        assert f'"request_id":"{call["RequestId"]}"' in call["LogJson"]
        unknown = run("scripts/huitou deploy --only pay,nothing", tmp_path)
        assert unknown.returncode == 2
        assert "no function nothing" in unknown.stderr
        up.database.collection("dead_letters").insert_one(
            {"_id": "points-sync:o1", "function": "points-sync", "document_id": "o1",
             "reason": "TEST", "times": 1, "schema": 1, "last_at": up.clock.now()}
        )  # fmt: skip
        assert "points-sync:o1" in run("scripts/huitou dead-letters list", tmp_path).stdout
        replayed = run("scripts/huitou dead-letters replay --all", tmp_path)
        assert replayed.stdout == "points-sync:o1: started again by points-sync\n"


def test_looking_at_a_cloud_that_is_not_up_changes_nothing(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    """Without `up` a command starts the cloud for itself; only some of them deploy to it."""
    dry = run("scripts/huitou deploy --dry-run", tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "would do:" in dry.stdout
    shown = run("scripts/huitou status", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "maintenance does not answer" in shown.stdout
    letters = run("scripts/huitou dead-letters list", tmp_path)
    assert letters.stdout == "no dead letters\n"
    assert "nothing to do" in run("scripts/huitou deploy", tmp_path).stdout


def test_a_target_that_lacks_something_says_what(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TENCENTCLOUD")}
    profile = tmp_path / "profile"

    def told(*options: str) -> str:
        done = subprocess.run(
            ["scripts/huitou", "deploy", "--env", "e1", "--profile", str(profile), *options],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        return done.stderr

    assert "there is no profile file" in told()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\n")
    profile.chmod(0o644)
    assert "chmod 600" in told()
    profile.chmod(0o600)
    assert "TENCENTCLOUD_SECRET_KEY not set" in told()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\nTENCENTCLOUD_SECRET_KEY=b\n")
    assert "cloudbaserc.json: pay.envVariables.MONGODB_URI: {{env.MONGODB_URI}}" in told()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\nTENCENTCLOUD_SECRET_KEY=b\nMONGODB_URI=theirs\n")
    environment["MONGODB_URI"] = "mine"
    assert "MONGODB_URI: set in this shell and, differently, in" in told()
