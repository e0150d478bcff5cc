"""The command `cost`, as an operator runs it: it measures, and its bill adds up."""

from __future__ import annotations

import json
import subprocess

import pytest

from bootstrap import ROOT

pytestmark = pytest.mark.slow


def test_the_command_measures_every_function_and_its_bill_adds_up() -> None:
    done = subprocess.run(
        ["scripts/huitou", "cost", "--orders-per-day", "10000", "--json"],
        cwd=ROOT, timeout=240, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    out = json.loads(line)
    for end in ("low_fen", "high_fen"):
        assert out["bill"][end] == sum(item[end] for item in out["bill"]["items"])
    functions = {function["name"]: function for function in out["functions"]}
    declared = json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))["functions"]
    assert set(functions) == {f["name"] for f in declared} - {"console", "maintenance"}
    for name, function in functions.items():
        assert 0 < function["peak_mb"] < function["memory_mb"], name
    # Quote, create, prepay and WeChat Pay's notice at least; one settlement for each order.
    assert functions["pay"]["calls_per_order"] >= 4
    assert functions["points-sync"]["calls_per_order"] >= 1
    assert out["measured"]["http_calls_per_order"] >= 1
    relay = functions["trigger-relay"]
    assert relay["standing_gb_s"] >= 730 * 3_600 * relay["memory_mb"] / 1024
    assert relay["idle_ms"] > 3_000  # A newcomer makes sure for some seconds that one is alive.
