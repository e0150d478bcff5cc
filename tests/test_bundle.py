"""cloudbaserc.json, the functions' folders, the trigger table and the README say the same."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from croniter import croniter

from bootstrap import ROOT
from deployment.bundle import BundleError, read_bundle
from huitou.runtime.declarations import DECLARATIONS
from huitou.runtime.triggers import TRIGGERS

DECLARED: dict[str, Any] = json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))
FUNCTIONS = {function["name"]: function for function in DECLARED["functions"]}


def test_every_folder_is_declared_and_every_declared_function_has_a_folder() -> None:
    assert set(FUNCTIONS) == {path.parent.name for path in ROOT.glob("functions/*/index.py")}


def test_the_handler_and_runtime_are_what_the_platform_needs() -> None:
    assert DECLARED["functionDefaultConfig"]["handler"] == "index.main_handler"
    assert DECLARED["functionDefaultConfig"]["runtime"] == "Python3.11"
    for name in FUNCTIONS:
        source = (ROOT / "functions" / name / "index.py").read_text(encoding="utf-8")
        assert "def main_handler(" in source


@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits_are_the_platforms(name: str) -> None:
    function = FUNCTIONS[name]
    assert 1 <= function["timeout"] <= 900
    assert function["memorySize"] == 64 or function["memorySize"] % 128 == 0
    for timer in function.get("triggers", []):
        assert len(timer["config"].split()) == 7
        assert croniter.is_valid(timer["config"], second_at_beginning=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_secret_stands_in_the_file(name: str) -> None:
    for value in FUNCTIONS[name]["envVariables"].values():
        assert re.fullmatch(r"\{\{env\.\w+\}\}", value)


def test_every_trigger_names_a_function_with_a_timer_and_a_declared_marker_index() -> None:
    collections = {declaration.name: declaration for declaration in DECLARATIONS}
    for trigger in TRIGGERS:
        assert FUNCTIONS[trigger.function]["triggers"], "a lost event needs a timer"
        names = [index.document["name"] for index in collections[trigger.collection].indexes]
        assert f"{trigger.marker}_due" in names


def test_a_missing_variable_is_named_with_its_place() -> None:
    with pytest.raises(BundleError) as failed:
        read_bundle({})
    assert "cloudbaserc.json: pay.envVariables.MONGODB_URI: {{env.MONGODB_URI}}" in str(
        failed.value
    )


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_tables_name_every_function_and_trigger(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    for name in FUNCTIONS:
        assert f"| `{name}` |" in text
    for trigger in TRIGGERS:
        assert f"`{trigger.collection}.{trigger.marker}`" in text
