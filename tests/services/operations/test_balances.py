"""Balances of another system: in once, with their days and tiers, however often they are sent."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import click
import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from cli.imports.balances import balances
from desks import Desk
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.imports.balance_models import BalancesReport, ImportBalancesRequest
from huitou.operations.imports.balance_service import Balances
from huitou.runtime.database import Database


class Move:
    """A chain that moves here from another system."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.shop = Shop(database, clock)
        self.balances = Balances(database, clock, "huitou")

    def run(self, *rows: dict[str, Any], dry_run: bool = False) -> BalancesReport:
        told = [{"line": line, "id": row.get("member"), **row} for line, row in enumerate(rows, 2)]
        request = {"source": "crm", "rows": told, "dry_run": dry_run}
        return self.balances.run(ImportBalancesRequest.model_validate_json(json.dumps(request)))

    def account(self, number: str) -> dict[str, Any]:
        identity = self.shop.database.collection("identities").find_one({"_id": f"till:{number}"})
        assert identity
        return self.shop.account(identity["member_id"])


@pytest.fixture
def move(chain: Database, clock: FakeClock) -> Move:
    return Move(chain, clock)


LOTS = [{"points": 100, "expires_on": "2026-06-30"}, {"points": 50, "expires_on": None},
        {"points": 20, "expires_on": "2026-06-30"}]  # fmt: skip
GOLD = {"tier": "gold", "tier_review_on": "2026-09-01", "tier_since": "2025-09-01"}


def test_lots_and_tier_come_in_as_they_were(move: Move) -> None:
    report = move.run({"member": "8001", "lots": LOTS, **GOLD}, {"member": "8002", "lots": []})
    assert (report.imported, report.members, report.points, report.tiers) == (2, 2, 170, 1)
    account = move.account("8001")
    assert account["lots"] == {"2026-06-30": 120, "9999-12-31": 50}
    assert (account["available"], account.get("points_by_day", {})) == (170, {})
    entry = move.shop.database.collection("points_entries").find_one({"_id": "migrate:crm:8001"})
    assert entry
    assert (entry["kind"], entry["points"], entry["actor"]) == ("migrate", 170, "import:crm")
    tiers = Tiers(move.shop.database, move.shop.clock)
    assert tiers.show_tier(account["_id"])["holds_through"] == "2026-08-31"
    tiers.evaluate_member(account["_id"])
    assert tiers.show_tier(account["_id"])["level"] == "gold"
    assert move.shop.differences() == []


def test_the_same_again_changes_nothing_and_other_content_is_refused(move: Move) -> None:
    row = {"member": "8001", "lots": LOTS, **GOLD}
    move.run(row)
    again = move.run({**row, "lots": LOTS[::-1]}, row)
    assert (again.imported, again.unchanged, again.points, again.tiers) == (0, 2, 0, 0)
    for other in ({"lots": LOTS[:2]}, {"tier": "silver"}, {"member": "8003", "id": "8001"}):
        refused = move.run({**row, **other})
        assert (refused.rejected, refused.rejects[0].field, refused.rejects[0].line) == (1, "id", 2)
    move.shop.clock.advance(days=200)  # The lots of June are gone; the row is known all the same.
    assert move.run(row).unchanged == 1
    assert move.account("8001")["entries"] == 1
    assert move.shop.differences() == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"lots": [{"points": 1, "expires_on": "2026-03-01"}]}, "expires_on"),
        ({"lots": [{"points": 1, "expires_on": "2026-02-30"}]}, "expires_on"),
        ({"tier": "diamond", "tier_review_on": "2026-09-01"}, "tier"),
        ({"tier": "gold", "tier_review_on": "2026-03-02"}, "tier_review_on"),
        ({**GOLD, "tier_since": "2026-03-03"}, "tier_since"),
    ],
)
def test_what_cannot_go_in_is_named_and_leaves_nothing(
    move: Move, fields: dict[str, Any], named: str
) -> None:
    report = move.run({"member": "1", "lots": LOTS}, {"member": "2", **fields})
    assert [(reject.line, reject.field) for reject in report.rejects] == [(3, named)]
    assert report.imported == 1
    identities = move.shop.database.collection("identities")
    assert identities.count_documents({"_id": {"$in": ["till:1", "till:2"]}}) == 1


def test_the_day_itself_still_holds(move: Move) -> None:
    today = [{"points": 7, "expires_on": "2026-03-02"}]
    assert move.run({"member": "1", "lots": today}).imported == 1
    assert move.account("1")["available"] == 7


def test_a_dry_run_leaves_nothing_behind(move: Move) -> None:
    report = move.run({"member": "1", "lots": LOTS, **GOLD}, dry_run=True)
    assert (report.imported, report.points, report.members, report.tiers) == (1, 170, 1, 1)
    for name in ("points_entries", "tier_changes", "members", "accounts"):
        assert not list(move.shop.database.collection(name).find({}).limit(1))


def test_tiers_that_a_crash_left_out_come_in_with_the_next_run(move: Move) -> None:
    row = {"line": 2, "id": "1", "member": "1", "lots": LOTS, **GOLD}
    request = ImportBalancesRequest.model_validate({"source": "crm", "rows": [row]})
    move.shop.database.transact(lambda session: move.balances._write(request, session))
    assert move.account("1").get("tier", {}) == {}
    report = move.run(row)
    assert (report.unchanged, report.tiers) == (1, 1)
    assert move.account("1")["tier"]["level"] == "gold"


def test_the_same_file_at_the_same_time_goes_in_once(move: Move) -> None:
    rows = [{"member": str(number), "lots": LOTS, **GOLD} for number in range(20)]
    reports = at_once([lambda: move.run(*rows)] * 3)
    assert sum(report.imported for report in reports) == 20
    assert sum(report.members for report in reports) == 20
    assert sum(report.tiers for report in reports) == 20
    assert move.account("7")["available"] == 170
    assert move.shop.differences() == []


def test_a_file_goes_in_by_the_command_and_bad_rows_are_told(
    move: Move, clock: FakeClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old.csv"
    file.write_text(
        "会员号,积分,有效期,等级,等级有效期\n"
        "9001,100,2026-06-30,黄金,2026-12-31\n"
        '9002,"1,200",2026年12月31日,,\n'
        "9001,50,永久,,\n"
        "9003,12.5,2026-12-31,,\n"
        "9003,10,2026-12-31,,\n"
        "9004,10,2025-12-31,,\n"
        ",10,2026-12-31,,\n",
        encoding="gbk",
    )
    columns = {
        "member": "会员号",
        "points": "积分",
        "expires_on": "有效期",
        "tier": "等级",
        "tier_review": "等级有效期",
    }
    inner: Any = balances.callback
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__

    def run(**more: Any) -> dict[str, Any]:
        options = {
            "file": file,
            "columns": columns,
            "source": "crm",
            "date_format": None,
            "delimiter": None,
            "encoding": None,
            "rejects_path": None,
            "dry_run": False,
            "as_json": True,
            "environment": Desk(move.shop.database, clock),
            **more,
        }
        with pytest.raises(SystemExit) as ended:
            inner(**options)
        assert ended.value.code == 1
        return dict(json.loads(capsys.readouterr().out))

    dry = run(dry_run=True)
    assert (dry["imported"], dry["rejected"]) == (2, 4)
    done = run()
    assert {**dry, "dry_run": False, "seconds": 0} == {**done, "seconds": 0}
    assert (done["rows"], done["points"], done["members"], done["tiers"]) == (7, 1_350, 2, 1)
    assert move.account("9001")["lots"] == {"2026-06-30": 100, "9999-12-31": 50}
    with Path(done["rejects_file"]).open(encoding="utf-8-sig", newline="") as rejects:
        told = [(row["line"], row["field"]) for row in csv.DictReader(rejects)]
    assert sorted(told) == [("5", "points"), ("6", "member"), ("7", "expires_on"), ("8", "member")]
    again = run()
    assert (again["imported"], again["unchanged"]) == (0, 2)
    assert move.shop.differences() == []
    with pytest.raises(click.BadParameter, match="tier_review"):
        balances.make_context(
            "balances", [str(file), "--source", "crm", "--map", "member=a,points=b,tier=c"]
        )
