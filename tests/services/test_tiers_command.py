"""`scripts/huitou tiers` on the real function: what an operator types and what they see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click
import pytest

from answers import check
from chain_data import FakeClock, Shop
from cli.documents import read_document
from cli.tiers import apply, dry_run, show
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.handler import Call
from typings.tables import read_tables


class Desk:
    """An environment that runs the actions of `tier-evaluate` from the function's own table."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        [table] = [table for table in read_tables() if table.function == "tier-evaluate"]
        self.actions = table.internal

    @contextmanager
    def open(self) -> Iterator[Desk]:
        yield self

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        assert function == "tier-evaluate"
        fields = {name: value for name, value in event.items() if name not in ("action", "lang")}
        action = self.actions[event["action"]]
        request = action.request.model_validate_json(json.dumps(fields), strict=True)
        try:
            data = action.run(cast("Call", self), request)
        except Refusal as refused:
            error = {"code": refused.code.name, "message": refused.message("en")}
            return {"ok": False, "error": error}
        data = json.loads(json.dumps(data, default=lambda moment: moment.isoformat()))
        check(action, data)
        return {"ok": True, "data": data}


@pytest.fixture
def desk(chain: Database, clock: FakeClock) -> Desk:
    return Desk(chain, clock)


def run(command: click.Command, **options: Any) -> None:
    inner: Any = command.callback
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    inner(**options)


def put(path: Path, rules: dict[str, Any]) -> Path:
    path.write_text(json.dumps(rules, ensure_ascii=False), encoding="utf-8")
    return path


def test_the_rules_in_force_can_be_shown_edited_tried_and_applied(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = Shop(desk.database, desk.clock).register()
    desk.database.collection("accounts").update_one(
        {"_id": alice}, {"$set": {"spend_by_day": {"2026-03-02": 45_000}}}
    )
    run(show, environment=desk)
    rules = json.loads(capsys.readouterr().out)
    assert [level["name"] for level in rules["levels"]] == ["普通", "白银", "黄金"]
    rules["levels"][1]["spend_fen"] = 40_000
    same_revision = put(tmp_path / "same.json", rules)
    with pytest.raises(click.ClickException, match="RULES_CONFLICT"):
        run(apply, rules_file=same_revision, environment=desk)
    rules["revision"] += 1
    edited = put(tmp_path / "rules.json", rules)
    run(dry_run, rules_file=edited, as_json=True, environment=desk)
    report = json.loads(capsys.readouterr().out)
    assert report["moves"] == [{"when": "now", "before": "basic", "after": "silver", "members": 1}]
    assert (report["coupon_cost_fen"], report["discount_cost_fen"]) == (800, 4_500)
    run(dry_run, rules_file=edited, as_json=False, environment=desk)
    shown = capsys.readouterr().out
    assert "1, at most ¥8.00" in shown
    run(apply, rules_file=edited, environment=desk)
    assert capsys.readouterr().out == "revision 2: done, 1 members, 1 raised\n"
    assert Tiers(desk.database, desk.clock).show_tier(alice)["level"] == "silver"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "line 1"),
        ('{"levels": []}', "levels: "),
        ('{"levels": [{"level": "a", "name": "", "spend_fen": "0"}]}', "levels.0.spend_fen: "),
        ('{"levels": [{"level": "a", "name": "", "spent": 1}]}', "levels.0.spent: "),
        ('{"levels": [{"level": "a", "name": "", "spend_fen": 1}]}', "rules: levels.0: "),
        ('{"levels": [{"level": "a", "name": ""}], "window": "monthly"}', "window: "),
    ],
)
def test_the_error_on_a_bad_file_names_the_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(click.ClickException) as refused:
        read_document(path, TierRules, "rules")
    assert named in refused.value.message
