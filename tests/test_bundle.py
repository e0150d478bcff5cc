"""cloudbaserc.json agrees with the functions' folders, the trigger table and the README."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootstrap import ROOT
from deployment.bundle import Bundle, BundleError, read_bundle
from huitou.runtime.declarations import declarations
from huitou.runtime.triggers import TRIGGERS

DECLARED: dict[str, Any] = json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))
FUNCTIONS = {function["name"]: function for function in DECLARED["functions"]}
VARIABLES = dict.fromkeys(
    re.findall(r"\{\{env\.(\w+)\}\}", (ROOT / "cloudbaserc.json").read_text(encoding="utf-8")), "x1"
)


def test_the_file_is_sound() -> None:
    bundle = read_bundle(VARIABLES)
    assert {function.name for function in bundle.functions} == set(FUNCTIONS)
    for function in bundle.functions:
        assert function.runtime == "Python3.11"
        assert [layer.source for layer in function.layers][:: len(function.layers) - 1] == [
            "deps",
            "core",
        ]
        assert function.vpc.vpcId == "x1"


def test_every_folder_is_declared_and_every_declared_function_has_a_folder() -> None:
    assert set(FUNCTIONS) == {path.parent.name for path in ROOT.glob("functions/*/index.py")}


def opens_to_members(name: str) -> bool:
    """Tell whether the function's code opens a door to members: `serve(…, member=…)`."""
    tree = ast.parse((ROOT / "functions" / name / "index.py").read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "serve"
        and any(keyword.arg == "member" for keyword in node.keywords)
        for node in ast.walk(tree)
    )


def test_members_may_call_exactly_the_functions_that_have_a_door_for_them() -> None:
    rules = read_bundle(VARIABLES).security_rules
    assert rules["*"] == {"invoke": False}
    opened = {name for name, rule in rules.items() if rule["invoke"] is not False}
    assert opened == {name for name in FUNCTIONS if opens_to_members(name)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_secret_stands_in_the_file(name: str) -> None:
    for value in FUNCTIONS[name]["envVariables"].values():
        assert re.fullmatch(r"\{\{env\.\w+\}\}", value)


def test_every_trigger_names_a_function_with_a_timer_and_a_declared_marker_index() -> None:
    collections = {declaration.name: declaration for declaration in declarations()}
    for trigger in TRIGGERS:
        assert FUNCTIONS[trigger.function]["triggers"], "a lost event needs a timer"
        names = [index.document["name"] for index in collections[trigger.collection].indexes]
        assert f"{trigger.marker}_due" in names


def broken(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> list[str]:
    """Change a copy of the bundle and read it; returns the faults that reading reports."""
    shutil.copytree(ROOT / "functions", tmp_path / "functions")
    declared = json.loads(json.dumps(DECLARED))
    change(declared)
    path = tmp_path / "cloudbaserc.json"
    path.write_text(json.dumps(declared), encoding="utf-8")
    with pytest.raises(BundleError) as failed:
        read_bundle(VARIABLES, path)
    return str(failed.value).splitlines()


def _put(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda declared: declared["functions"][0].__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        (_put("timeout", 0), "pay.timeout", "greater than or equal to 1"),
        (_put("timeout", 901), "pay.timeout", "less than or equal to 900"),
        (_put("timeout", "60"), "pay.timeout", "integer"),
        (_put("memorySize", 200), "pay.memorySize", "multiple of 128"),
        (_put("memorySize", 3200), "pay.memorySize", "multiple of 128"),
        (_put("runtime", "Python3.8"), "pay.runtime", "one of"),
        (_put("handler", "index.gone"), "pay.handler", "index.py defines no gone"),
        (_put("handler", "other.main_handler"), "pay.handler", "no functions/pay/other.py"),
        (_put("name", "nowhere"), "nowhere.handler", "no functions/nowhere/index.py"),
        (_put("envVariables", {"AB": "x" * 4_096}), "pay.envVariables", "4098 bytes, 4096 at most"),
        (_put("description", ""), "pay.description", "at least 1 character"),
        (_put("description", "each day's"), "pay.description", "pattern"),
        (_put("envVariables", {"A-B": "x"}), "pay.envVariables", "letters, digits and _"),
        (_put("envVariables", {"AB": ""}), "pay.envVariables", "AB is empty"),
        (_put("envVariables", {"SCF_X": "x"}), "pay.envVariables", "reserved"),
        (_put("layers", [{"name": "core_other", "version": 1}]), "file", "must be core_x1"),
        (_put("layers", [{"name": "core_x1", "version": 1}] * 2), "pay.layers", "each layer once"),
        (_put("layers", []), "pay.layers", "at least 1 item"),
        (_put("layers", [{"name": "numpy_x", "version": 1}]), "pay.layers.numpy_x.name", "core_"),
        (_put("cpu", 2), "pay.cpu", "not permitted"),
        (
            _put("triggers", [{"name": "t", "type": "timer", "config": "0 * * * *"}]),
            "pay.triggers.t.config", "7 fields",
        ),
        (
            _put("triggers", [{"name": "t", "type": "timer", "config": "0 * * 99 * * *"}]),
            "pay.triggers.t.config", "not a cron",
        ),
        (
            _put("triggers", [{"name": "t", "type": "timer", "config": "0 0 0 L * * *"}]),
            "pay.triggers.t.config", "not a cron",
        ),
        (
            _put("triggers", [{"name": "t", "type": "timer", "config": "0 0 0 1 1 * 2020"}]),
            "pay.triggers.t.config", "never fires",
        ),
        (
            _put("triggers", [{"name": "t", "type": "cos", "config": "0 * * * * * *"}]),
            "pay.triggers.t.type", "timer",
        ),
        (
            lambda d: d["gateway"]["routes"].append({"path": "/x", "target": "function:no"}),
            "file", "/x: no function no",
        ),
        (
            lambda d: d["securityRules"]["function"].__setitem__("gone", {"invoke": False}),
            "file", "no function gone",
        ),
        (
            lambda d: d["securityRules"]["function"].__setitem__("*", {"invoke": "auth != null"}),
            "securityRules.function", "starts shut",
        ),
        (
            lambda d: d["gateway"]["routes"].append(d["gateway"]["routes"][0]),
            "gateway.routes", "must differ",
        ),
        (lambda d: d.__setitem__("region", "ap-london"), "region", "ap-shanghai"),
        (lambda d: d.__setitem__("asyncInvok", {}), "asyncInvok", "not a key"),
        (lambda d: d.__setitem__("path", "x"), "path", "not a key"),
        (lambda d: d.__setitem__("functionDefaultConfig", []), "functionDefaultConfig", "object"),
        (lambda d: d.pop("envId"), "envId", "required"),
        (lambda d: d.__setitem__("functions", {}), "functions", "list"),
        (lambda d: d["asyncInvoke"].__setitem__("retries", 3), "asyncInvoke.retries", "2"),
    ],
)  # fmt: skip
def test_a_value_that_the_platform_refuses_is_reported_with_its_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], place: str, problem: str
) -> None:
    faults = broken(tmp_path, change)
    assert any(f.startswith(f"cloudbaserc.json: {place}: ") and problem in f for f in faults), (
        faults
    )


@pytest.mark.parametrize("source", [b"def main_handler(:", b"\xff\xfe"], ids=["syntax", "bytes"])
def test_code_that_cannot_be_read_is_reported(tmp_path: Path, source: bytes) -> None:
    faults = broken(
        tmp_path, lambda _: (tmp_path / "functions" / "pay" / "index.py").write_bytes(source)
    )
    assert any("pay.handler: index.py can't be read" in fault for fault in faults), faults


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    def change(declared: dict[str, Any]) -> None:
        declared["functions"][0]["timeout"] = 0
        declared["functions"][1]["memorySize"] = 1
        declared["functions"][2]["handler"] = "index.gone"
        declared["functions"][3]["envVariables"]["XY"] = "{{env.NOT_SET}}"

    faults = broken(tmp_path, change)
    assert len(faults) == 4
    assert "cloudbaserc.json: coupon-issue.envVariables.XY: {{env.NOT_SET}} is not set" in faults


def test_an_empty_variable_counts_as_missing() -> None:
    # The client of CloudBase itself would render it as nothing, and deploy that.
    with pytest.raises(BundleError) as failed:
        read_bundle({**VARIABLES, "MONGODB_URI": ""})
    faults = str(failed.value).splitlines()
    assert (
        "cloudbaserc.json: pay.envVariables.MONGODB_URI: {{env.MONGODB_URI}} is not set" in faults
    )
    assert len(faults) == len(FUNCTIONS)


def test_a_missing_file_and_broken_json_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "cloudbaserc.json"
    with pytest.raises(BundleError, match="No such file"):
        read_bundle(VARIABLES, path)
    for text in ("{", "[]", '"x"'):
        path.write_text(text)
        with pytest.raises(BundleError, match=r"cloudbaserc\.json: "):
            read_bundle(VARIABLES, path)


def test_values_that_look_like_templates_are_left_alone() -> None:
    bundle: Bundle = read_bundle({**VARIABLES, "HUITOU_DATABASE": "{{env.MONGODB_URI}}"})
    assert bundle.functions[0].envVariables["HUITOU_DATABASE"] == "{{env.MONGODB_URI}}"


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_tables_name_every_function_and_trigger(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    for name in FUNCTIONS:
        assert f"| `{name}` |" in text
    for trigger in TRIGGERS:
        assert f"`{trigger.collection}.{trigger.marker}`" in text
