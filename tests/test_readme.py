"""Every command in the READMEs runs as a reader would type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bootstrap import ROOT
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from readmes import READMES, TOP, blocks, every_block

pytestmark = pytest.mark.slow
# The same commands at a smaller scale. Each of them starts its own cloud.
SMALLER = {
    "scripts/demo": "scripts/demo --once --json --days 1 --members 5",
    "scripts/test": "scripts/test --help",
    "scripts/huitou layers build": "scripts/huitou layers build --json",
    "scripts/huitou bench all --json": "scripts/huitou bench all --json --only geofence",
    "scripts/huitou bench price --json": "scripts/huitou bench price --json --carts 50 --rounds 1",
    "scripts/huitou bench checkout --json": "scripts/huitou bench checkout --json --rounds 1"
    " --orders 30 --hot 2",
    "scripts/huitou bench quota --json": "scripts/huitou bench quota --json --rounds 1"
    " --coupons 60",
    "scripts/huitou bench points --json": "scripts/huitou bench points --json --rounds 1"
    " --orders 30",
    "scripts/huitou bench expire --json": "scripts/huitou bench expire --json --members 2000"
    " --small-members 500 --due 50",
    "scripts/huitou bench tiers --json": "scripts/huitou bench tiers --json --members 2000"
    " --small-members 500 --due 50",
    "scripts/huitou bench pay --json": "scripts/huitou bench pay --json --rounds 1 --orders 10"
    " --callbacks 100",
    "scripts/huitou bench latency --json": "scripts/huitou bench latency --json --seconds 2"
    " --rate 10",
    "scripts/huitou bench coldstart --json": "scripts/huitou bench coldstart --json --runs 1",
    "scripts/huitou bench day --json": "scripts/huitou bench day --json --minutes 0.05",
    "scripts/huitou bench invoke --json": "scripts/huitou bench invoke --json --runs 5 --starts 1",
    "scripts/huitou bench import --json": "scripts/huitou bench import --json --orders 500"
    " --rounds 1",
    "scripts/huitou bench sweep --json": "scripts/huitou bench sweep --json --members 2000"
    " --small-members 500 --due 50",
    "scripts/huitou bench geofence --json": "scripts/huitou bench geofence --json --stores 500"
    " --points 100",
    "scripts/huitou capacity --members 10M --orders-per-day 1M": "scripts/huitou capacity"
    " --members 10M --orders-per-day 1M --json --guests 5 --sample 50",
    "scripts/huitou bench kpi --json": "scripts/huitou bench kpi --json --years 0.1"
    " --orders-a-day 50 --days 1",
}
# Words that identify a session of the READMEs, and what the session must print.
PRINTED = {
    "scripts/huitou phone pay": ": paid",
    "scripts/huitou points statement": "it adds up",
    "scripts/huitou price quote": "to pay: ¥65.50",
    "scripts/huitou coupons codes": "revoked; 0 of 1,000 codes",
    "scripts/huitou reconcile": "every ledger agrees",
    "scripts/huitou kpi --as-of": "repurchase rate, 30 days",
    "scripts/huitou import balances": "imported",
    "scripts/huitou deploy\n": "nothing to do",
    "scripts/huitou campaign lint": "share-reward",
    "scripts/huitou campaign put": ": ended, revision 1",
    "scripts/huitou typings": "payable_fen: number",
    "scripts/huitou staff add": "signs in as",
}
# A session's command at a smaller scale: test_console_pages.py looks at the pictures of all views.
PICTURES = "scripts/huitou console screenshots --out .build/views"
FEWER_PICTURES = f"{PICTURES} --view home --view staff-form"
ON_TENCENT = '--env "$ENV"'
OF_MONEY = ("huitou pay reconcile", "huitou wechat-pay mode", '"refund_rules"')
OF_TIERS = "scripts/huitou tiers"
UP = "scripts/huitou up\n"
# Words that identify sessions with a test file of their own.
ELSEWHERE = {
    "scripts/huitou cost": "tests/cloud/test_measured_cost.py",
    "scripts/huitou new function": "tests/test_new_function.py",
}


def unnamed_sessions() -> dict[str, str]:
    """Return the sessions that no other test runs, by README; they must only succeed."""
    known = (*PRINTED, ON_TENCENT, *OF_MONEY, OF_TIERS, UP, *ELSEWHERE)
    return {
        f"{readme} {number}": block
        for readme in READMES
        if readme != TOP[1]
        for number, block in enumerate(blocks(readme), 1)
        if not any(words in block for words in known)
        and not any(command in block.splitlines() for command in SMALLER)
    }


UNNAMED = unnamed_sessions()


def run(
    script: str, data: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "HUITOU_DATA": str(data), **(variables or {})},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("holds", PRINTED)
def test_a_session_works_as_printed(
    cloud: LocalCloud, client: LocalCloudClient, holds: str
) -> None:
    [session] = [block for block in every_block() if holds in block]
    done = run(session.replace(PICTURES, FEWER_PICTURES), cloud.data)
    assert done.returncode == 0, done.stderr + done.stdout
    assert PRINTED[holds] in done.stdout
    if PICTURES in session:
        assert "home-desktop.png" in done.stdout
        assert done.stdout.count(".png") == 4  # Two sizes of each.


def test_a_picture_of_an_unknown_view_is_refused(tmp_path: Path) -> None:
    assert any(PICTURES in block.splitlines() for block in every_block())
    done = run(f"{PICTURES} --view kitchen", tmp_path)
    assert done.returncode == 2
    assert "--view kitchen: choose from home, orders" in done.stderr


@pytest.mark.parametrize("place", UNNAMED)
def test_every_other_session_works(cloud: LocalCloud, client: LocalCloudClient, place: str) -> None:
    """The commands of a new README need no entry here: they run, and each must succeed."""
    done = run(UNNAMED[place], cloud.data)
    assert done.returncode == 0, done.stderr + done.stdout


def test_deploying_to_an_environment_works_as_printed(tmp_path: Path) -> None:
    """Run the commands for Tencent Cloud against the local API."""
    [session] = [block for block in every_block() if ON_TENCENT in block]
    with LocalCloud(tmp_path) as cloud:
        account = cloud.target.account
        values = {
            **cloud.target.variables,
            "ENV": account.env_id,
            "HUITOU_BRAND_ID": "second",  # So that deploying and rolling back have work to do.
            "TENCENTCLOUD_SECRET_ID": account.secret_id,
            "TENCENTCLOUD_SECRET_KEY": account.secret_key,
            "HUITOU_API_ENDPOINT": str(account.endpoint),
            "HUITOU_API_PROTOCOL": account.protocol,
        }
        done = run(session, tmp_path, values)
        assert done.returncode == 0, done.stderr + done.stdout
        functions = list(ROOT.glob("functions/*/index.py"))
        assert f"would do: {len(functions)} update" in done.stdout
        assert "pay: version 2 → 1" in done.stdout
        assert cloud.registry.function("pay").aliases["$DEFAULT"] == "1"
        assert cloud.registry.function("points-sync").aliases["$DEFAULT"] == "2"


def test_commands_for_bill_rules_and_wechat_pay_modes_work_as_printed(tmp_path: Path) -> None:
    """Nobody has paid in this chain, so its last bill agrees."""
    sessions = [block for block in every_block() if any(words in block for words in OF_MONEY)]
    assert len(sessions) == 3
    with LocalCloud(tmp_path):
        done = run("\n".join(sessions), tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "agrees" in done.stdout
    assert '"rules": 2' in done.stdout
    assert "no open differences" in done.stdout
    assert '"copies": 3' in done.stdout
    assert "taken_fen" in done.stdout


def test_tier_rules_are_tried_and_applied_as_printed(tmp_path: Path) -> None:
    sessions = [block for block in every_block() if OF_TIERS in block]
    with LocalCloud(tmp_path):
        done = run("\n".join(sessions), tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "members" in done.stdout


@pytest.mark.parametrize("command", SMALLER)
def test_a_command_that_starts_its_own_cloud_works(tmp_path: Path, command: str) -> None:
    assert any(command in block.splitlines() for block in every_block())
    done = run(SMALLER[command], tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    if "--json" in SMALLER[command] or command == "scripts/demo":
        assert json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("words", "path"), ELSEWHERE.items())
def test_a_session_of_another_test_is_run_there(words: str, path: str) -> None:
    assert any(words in block for block in every_block())
    assert words in (ROOT / path).read_text(encoding="utf-8")


def test_up_runs_until_it_is_stopped(tmp_path: Path) -> None:
    assert UP in blocks("README.md")
    environment = {**os.environ, "HUITOU_DATA": str(tmp_path)}
    with subprocess.Popen(["scripts/huitou", "up"], cwd=ROOT, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "endpoint.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        done = run('scripts/huitou invoke store-menu \'{"action": "stores"}\' --as bob', tmp_path)
        assert len(json.loads(done.stdout)["data"]["stores"]) == 3
        again = run("scripts/huitou up", tmp_path)
        assert again.returncode == 1
        assert "already up" in again.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_wrong_call_says_what_to_do(cloud: LocalCloud, client: LocalCloudClient) -> None:
    wrong = run("scripts/huitou invoke pay 'not json' --as bob", cloud.data)
    assert wrong.returncode == 2
    assert "not JSON" in wrong.stderr
    unknown = run("scripts/huitou invoke nothing '{}' --as bob", cloud.data)
    assert unknown.returncode == 1
    assert "no function nothing" in unknown.stderr
