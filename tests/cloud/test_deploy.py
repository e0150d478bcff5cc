"""Deploying to the local cloud through Tencent's API: plans, changes, and going back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap import ROOT
from deployment.cloud_api import CloudApi, CloudApiError
from deployment.deploy import Deployment, prepare
from deployment.errors import DeploymentError
from deployment.found import look
from deployment.hosting import hosting
from deployment.packages import local_target
from deployment.plan import DEFAULT, LATEST, plan
from deployment.rollback import roll_back
from deployment.web import pages
from deployments import Recorder, changed, changes, deploy, emptied, facts, live, zip_of
from localcloud.cloud import LocalCloud
from localcloud.storage import STATIC_BUCKET

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(bare_cloud: LocalCloud) -> LocalCloud:
    return emptied(bare_cloud)


def test_the_first_run_creates_everything_and_the_second_has_nothing_to_do(
    cloud: LocalCloud,
) -> None:
    first = deploy(cloud.target)
    assert {step.action for step in first} == {"create", "update"}  # The cloud already has rules.
    stored = facts(cloud)
    assert len(stored["functions"]) == len(list(ROOT.glob("functions/*/index.py")))
    assert deploy(cloud.target) == []
    assert facts(cloud) == stored
    for name, function in cloud.registry.functions.items():
        assert function.aliases[DEFAULT] == "1", name
        assert all(t.qualifier == DEFAULT and t.message for t in function.triggers.values())
    answer = cloud.functions().call("maintenance", {"action": "health"})
    assert answer["data"]["dead_letters"] == 0


def test_a_deployment_applies_the_databases_declarations(cloud: LocalCloud) -> None:
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


def test_going_back_to_a_published_version_uploads_nothing(cloud: LocalCloud) -> None:
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


def test_a_new_function_is_closed_until_its_rule_opens_it(cloud: LocalCloud) -> None:
    recorder = Recorder(cloud.target)
    deploy(cloud.target, recorder)
    actions = recorder.actions
    assert actions.index("ModifyResourcePermission") < actions.index("CreateFunction")
    assert cloud.registry.security_rules["*"] == {"invoke": False}


def test_rollback_returns_to_the_earlier_live_version_and_deploy_goes_forward(
    cloud: LocalCloud,
) -> None:
    deploy(cloud.target)
    api = CloudApi(cloud.target.account)
    with pytest.raises(DeploymentError, match=r"no version is known to have been live before 1;"):
        roll_back(api, "pay")
    deploy(changed(cloud.target, HUITOU_BRAND_ID="second"))
    deploy(changed(cloud.target, HUITOU_BRAND_ID="third"))
    deploy(changed(cloud.target, HUITOU_BRAND_ID="second"))  # Live again: version 2, after 3.
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


def test_rollback_skips_a_version_that_was_never_live(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    second = changed(cloud.target, HUITOU_BRAND_ID="second")
    deploy(second)
    third = changed(cloud.target, HUITOU_BRAND_ID="third")
    with pytest.raises(KeyboardInterrupt):  # Published, and stopped before callers were switched.
        deploy(third, Recorder(third, before="UpdateAlias"))
    assert "3" in cloud.registry.function("maintenance").revisions
    deploy(changed(cloud.target, HUITOU_BRAND_ID="fourth"))
    assert roll_back(CloudApi(cloud.target.account), "maintenance") == ("4", "2")


def test_deploying_one_function_also_applies_rules_and_declarations(cloud: LocalCloud) -> None:
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


def test_old_versions_are_deleted_but_never_the_live_one(cloud: LocalCloud) -> None:
    for number in range(12):
        deploy(changed(cloud.target, HUITOU_PHONE_KEY=f"key-{number}"))
    versions = [int(v) for v in cloud.registry.function("member-profile").revisions if v != LATEST]
    assert sorted(versions) == list(range(5, 13))
    assert len(cloud.registry.function("pay").revisions) == 2


def test_functions_outside_the_file_are_reported_and_deleted_only_with_prune(
    cloud: LocalCloud,
) -> None:
    deploy(cloud.target)
    api = CloudApi(cloud.target.account)
    api.scf(
        "CreateFunction",
        FunctionName="forgotten",
        Runtime="Python3.11",
        Code={"ZipFile": zip_of(cloud)},
        Handler="index.main_handler",
    )
    api.scf(
        "CreateTrigger",
        FunctionName="pay",
        TriggerName="old",
        Type="timer",
        TriggerDesc="0 0 0 1 * * *",
        Qualifier=DEFAULT,
    )
    assert deploy(cloud.target) == []
    assert "forgotten" in cloud.registry.functions
    gone = deploy(cloud.target, prune=True)
    assert {(s.action, s.name) for s in gone} == {("delete", "forgotten"), ("delete", "pay/old")}
    assert "forgotten" not in cloud.registry.functions
    assert "old" not in cloud.registry.function("pay").triggers


def test_a_deployment_corrects_what_somebody_else_has_changed(cloud: LocalCloud) -> None:
    deploy(cloud.target)
    right = facts(cloud)
    api = CloudApi(cloud.target.account)
    api.scf("DeleteTrigger", FunctionName="pay", TriggerName="follow-up", Type="timer")
    api.scf(
        "UpdateTrigger",
        FunctionName="points-sync",
        TriggerName="settle",
        Type="timer",
        TriggerDesc="0 0 * * * * *",
        CustomArgument="no token",
    )
    api.tcb(
        "ModifyResourcePermission",
        ResourceType="function",
        Permission="CUSTOM",
        SecurityRule=json.dumps({"*": {"invoke": True}}),
    )
    api.scf("UpdateFunctionConfiguration", FunctionName="pay", Timeout=1)
    assert live(cloud).timeout_s == 120, "what is live can't be changed, only replaced"
    done = {(s.action, s.kind, s.name) for s in deploy(cloud.target)}
    assert done == {
        ("create", "timer", "pay/follow-up"),
        ("update", "timer", "points-sync/settle"),
        ("update", "security rules", "functions"),
    }
    assert facts(cloud) == right


def test_the_consoles_pages_are_uploaded_when_static_hosting_is_open(cloud: LocalCloud) -> None:
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
