"""The commands for deploying print the plan and the result, and refuse incomplete targets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from bootstrap import ROOT
from deployments import emptied
from huitou.runtime.triggers import TRIGGERS
from localcloud.cloud import LocalCloud
from test_readme import run

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(bare_cloud: LocalCloud) -> LocalCloud:
    return emptied(bare_cloud)


def test_the_commands_print_plan_and_result(cloud: LocalCloud, tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as up:
        again = run("scripts/huitou deploy", tmp_path)
        assert again.returncode == 0, again.stderr
        assert "nothing to do: 43 things unchanged" in again.stdout
        shown = run("scripts/huitou status --json", tmp_path)
        report = json.loads(shown.stdout)
        assert {f["name"] for f in report["functions"]} == set(up.registry.functions)
        nothing = {trigger.function: 0 for trigger in TRIGGERS}
        assert report["relay"] == {"alive": False, "due": nothing, "lag_s": 0.0}
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
            {
                "_id": "points-sync:o1",
                "function": "points-sync",
                "document_id": "o1",
                "reason": "TEST",
                "times": 1,
                "schema": 1,
                "last_at": up.clock.now(),
            }
        )
        assert "points-sync:o1" in run("scripts/huitou dead-letters list", tmp_path).stdout
        replayed = run("scripts/huitou dead-letters replay --all", tmp_path)
        assert replayed.stdout == "points-sync:o1: started again by points-sync\n"


def test_looking_at_a_stopped_cloud_changes_nothing(cloud: LocalCloud, tmp_path: Path) -> None:
    """Without `up` a command starts the cloud itself; only some commands deploy to it."""
    dry = run("scripts/huitou deploy --dry-run", tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "would do:" in dry.stdout
    shown = run("scripts/huitou status", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "maintenance does not answer" in shown.stdout
    letters = run("scripts/huitou dead-letters list", tmp_path)
    assert letters.stdout == "no dead letters\n"
    assert "nothing to do" in run("scripts/huitou deploy", tmp_path).stdout


def test_an_incomplete_target_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TENCENTCLOUD")}
    profile = tmp_path / "profile"

    def error_output(*options: str) -> str:
        done = subprocess.run(
            ["scripts/huitou", "deploy", "--env", "e1", "--profile", str(profile), *options],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    assert "there is no profile file" in error_output()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\n")
    profile.chmod(0o644)
    assert "chmod 600" in error_output()
    profile.chmod(0o600)
    assert "TENCENTCLOUD_SECRET_KEY not set" in error_output()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\nTENCENTCLOUD_SECRET_KEY=b\n")
    assert "cloudbaserc.json: pay.envVariables.MONGODB_URI: {{env.MONGODB_URI}}" in error_output()
    profile.write_text("TENCENTCLOUD_SECRET_ID=a\nTENCENTCLOUD_SECRET_KEY=b\nMONGODB_URI=theirs\n")
    environment["MONGODB_URI"] = "mine"
    assert "MONGODB_URI: set in this shell and, differently, in" in error_output()
