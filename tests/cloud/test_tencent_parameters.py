"""Tencent's API here reads each parameter it takes, and refuses by name what it doesn't read."""

from __future__ import annotations

import json

import pytest
from tencentcloud.scf.v20180416.models import InvokeFunctionRequest, InvokeRequest

from cloud.probes import Probes, zipped
from cloud.test_tencent_api import refused
from deployment.cloud_api import CloudApiError
from localcloud.errors import PlatformError
from localcloud.tencent.api import VERSIONS
from localcloud.tencent.requests import Request

pytestmark = pytest.mark.slow
PRINTS = "def main_handler(event, context):\n    print('做好了 ' * event)\n    return event\n"


def _kinds(kind: type[Request]) -> list[type[Request]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _kinds(below))]


@pytest.mark.parametrize("kind", _kinds(Request), ids=lambda kind: kind.__name__)
def test_no_part_of_a_request_lets_a_parameter_through_unread(kind: type[Request]) -> None:
    assert kind.model_config["extra"] == "forbid"


def test_every_action_refuses_an_unknown_parameter_by_its_name(probes: Probes) -> None:
    api = probes.cloud.api
    for service, actions in api._actions.items():
        assert actions
        for action in actions:
            headers = {"x-tc-action": action, "x-tc-version": VERSIONS[service]}
            with pytest.raises(PlatformError) as error:
                api._act(service, headers, json.dumps({"Unheard": 1}).encode())
            assert (error.value.code, "Unheard" in str(error.value)) == ("UnknownParameter", True)


def test_a_parameter_within_a_parameter_is_refused_as_well(probes: Probes) -> None:
    name = probes.create(PRINTS)
    for fields in (
        {"Code": {"CosBucketName": "bucket"}},
        {"Code": {"ZipFile": "", "ImageConfig": {}}},
        {"Publish": "TRUE"},  # A known one, with a value that isn't done here.
    ):
        code, _ = refused(probes.api.scf, "UpdateFunctionCode", FunctionName=name, **fields)
        assert code in ("UnknownParameter", "InvalidParameterValue.Publish")
    bad = {"FunctionName": name, "Filter": {"RetCode": "not0", "Word": "x"}}
    assert "Filter.Word" in refused(probes.api.scf, "GetFunctionLogs", **bad)[1]


def test_deleting_a_function_with_a_qualifier_deletes_that_version_only(probes: Probes) -> None:
    name = probes.create(PRINTS)
    first, second = probes.publish(name), probes.publish(name)
    probes.point_default_to(name, second)
    probes.api.scf("DeleteFunction", FunctionName=name, Qualifier=first)
    versions = probes.api.scf("ListVersionByFunction", FunctionName=name)["FunctionVersion"]
    assert versions == ["$LATEST", second]
    for kept, code in {
        second: "UnsupportedOperation.AliasBind",
        "$LATEST": "UnsupportedOperation.AliasBind",
        "$DEFAULT": "ResourceNotFound.Qualifier",
        first: "ResourceNotFound.Qualifier",
    }.items():
        got, _ = refused(probes.api.scf, "DeleteFunction", FunctionName=name, Qualifier=kept)
        assert got == code
    assert probes.call(name, 1).answer == 1
    probes.api.scf("DeleteFunction", FunctionName=name)
    with pytest.raises(CloudApiError, match="ResourceNotFound"):
        probes.api.scf("GetFunction", FunctionName=name)


def test_a_list_of_functions_is_searched_ordered_and_counted(probes: Probes) -> None:
    names = sorted(probes.create(PRINTS) for _ in range(3))
    key = names[0][len("pro") :]  # From the middle of a name.
    found = probes.api.scf("ListFunctions", SearchKey=key)
    assert names[0] in [one["FunctionName"] for one in found["Functions"]]
    assert found["TotalCount"] == len(found["Functions"])
    assert all(key in one["FunctionName"] for one in found["Functions"])
    assert probes.api.scf("ListFunctions", SearchKey="nobody")["TotalCount"] == 0
    ways = [
        [
            one["FunctionName"]
            for one in probes.api.scf("ListFunctions", Order=way, Limit=100)["Functions"]
        ]
        for way in ("asc", "DESC")
    ]
    assert ways[0] == ways[1][::-1] == sorted(ways[0])


def test_a_list_of_layers_is_searched(probes: Probes) -> None:
    for name in ("searched-one", "searched-two"):
        code = {"ZipFile": zipped({"module.py": ""})}
        probes.api.layers(
            "PublishLayerVersion", LayerName=name, Content=code, CompatibleRuntimes=["Python3.11"]
        )
    found = probes.api.layers("ListLayers", SearchKey="searched-t")
    assert [layer["LayerName"] for layer in found["Layers"]] == ["searched-two"]
    assert probes.api.layers("ListLayers", SearchKey="searched", Limit=1)["TotalCount"] == 2


def test_a_timer_is_deleted_only_at_the_qualifier_it_has(probes: Probes) -> None:
    name = probes.create(PRINTS)
    timer = {"FunctionName": name, "TriggerName": "tick", "Type": "timer"}
    cron = "0 0 3 * * * *"
    probes.api.scf("CreateTrigger", TriggerDesc=cron, Qualifier="$DEFAULT", **timer)
    code, _ = refused(probes.api.scf, "DeleteTrigger", Qualifier="$LATEST", **timer)
    assert code == "ResourceNotFound.Trigger"
    probes.api.scf("DeleteTrigger", Qualifier="$DEFAULT", **timer)
    assert probes.api.scf("ListTriggers", FunctionName=name)["TotalCount"] == 0


def test_the_log_in_a_calls_answer_is_text_its_last_part(probes: Probes) -> None:
    name = probes.create(PRINTS)
    newer, older = InvokeFunctionRequest(), InvokeRequest()
    for request in (newer, older):
        request.FunctionName, request.Namespace, request.LogType = name, probes.namespace, "Tail"
    newer.Event, older.ClientContext = "2", "5000"
    assert "做好了 做好了" in probes.scf.InvokeFunction(newer).Result.Log
    long = probes.scf.Invoke(older).Result.Log
    assert "做好了" in long
    assert len(long) <= 4_096
    older.LogType = "None"
    assert probes.scf.Invoke(older).Result.Log == ""
