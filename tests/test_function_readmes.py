"""Each function's README lists the function's real actions, timers, triggers and settings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bootstrap import ROOT
from function_readmes import examples, readme, section
from huitou.runtime.triggers import TRIGGERS
from typings.tables import read_tables

TABLES = {table.function: table for table in read_tables()}
DECLARED: dict[str, Any] = {
    function["name"]: function
    for function in json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))["functions"]
}
SHARED = set.intersection(*({*function["envVariables"]} for function in DECLARED.values()))
every_function = pytest.mark.parametrize("function", sorted(DECLARED))


def doors_and_actions(function: str) -> set[tuple[str, str]]:
    table = TABLES[function]
    return {("members", name) for name in table.member} | {
        ("internal", name) for name in table.internal
    }


@every_function
def test_the_table_of_actions_says_who_may_call_each_action(function: str) -> None:
    """The README is a second check: an action that is opened to members must be moved here, too."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(function, "Actions"), re.M)
    assert sorted((door, name) for name, door in rows) == sorted(doors_and_actions(function))


@pytest.mark.parametrize("function", [name for name in sorted(DECLARED) if doors_and_actions(name)])
def test_every_action_has_an_example(function: str) -> None:
    shown = {
        ("internal" if example.who == "internal" else "members", example.event["action"])
        for example in examples(function)
        if example.event and example.function == function
    }
    assert shown == doors_and_actions(function)


@every_function
def test_the_table_of_timers_equals_the_bundles_timers(function: str) -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| `(.*)` \|", section(function, "Timers"), re.M)
    declared = [
        (timer["name"], timer["config"]) for timer in DECLARED[function].get("triggers", [])
    ]
    assert rows == declared


@every_function
def test_the_readme_names_the_changes_that_start_the_function(function: str) -> None:
    for trigger in TRIGGERS:
        if trigger.function == function:
            assert f"Started for {trigger.collection}" in readme(function)


@every_function
def test_the_functions_own_settings_equal_those_in_the_bundle(function: str) -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", section(function, "Settings of its own")))
    assert named == set(DECLARED[function]["envVariables"]) - SHARED
