"""The command `cost`, run as an operator does, measures every function; its bill adds up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap import ROOT
from test_readme import blocks, run

pytestmark = pytest.mark.slow
COMMAND = "scripts/huitou cost --orders-per-day 10000"  # As in the READMEs.


def test_the_command_measures_every_function_and_its_bill_adds_up(tmp_path: Path) -> None:
    assert [block for block in blocks("scripts/README.md") if COMMAND in block.splitlines()]
    done = run(f"{COMMAND} --json", tmp_path)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    out = json.loads(line)
    for end in ("low_fen", "high_fen"):
        assert out["bill"][end] == sum(item[end] for item in out["bill"]["items"])
    functions = {function["name"]: function for function in out["functions"]}
    declared = json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))["functions"]
    off = {"console", "maintenance", "trigger-relay"}  # People call the first two.
    assert set(functions) == {f["name"] for f in declared} - off
    for name, function in functions.items():
        assert 0 < function["peak_mb"] < function["memory_mb"], name
    # At least quote, create, prepay and WeChat Pay's notice, and one settlement per order.
    assert functions["pay"]["calls_per_order"] >= 4
    assert functions["points-sync"]["calls_per_order"] >= 1
    assert out["measured"]["http_calls_per_order"] >= 1
    standing = {
        bill: next(i["low_fen"] for i in out[bill]["items"] if i["name"] == "relay, standing")
        for bill in ("bill", "with_relay")
    }
    assert standing["bill"] == 0
    assert standing["with_relay"] >= 730 * 3_600 * 128 / 1024 * 0.011108  # Fen for a GB-second.
