"""`scripts/huitou pay` on the real use cases: what an operator types and what they see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import click
import pytest
from pydantic import BaseModel, ValidationError

from bill_texts import Bills, paid
from chain_data import FakeClock
from cli.pay import list_, reconcile, resolve
from huitou.payments.bill_check.models import ReconcileBillRequest
from huitou.payments.bill_check.service import BillCheck
from huitou.payments.discrepancies.models import DiscrepanciesRequest, ResolveRequest
from huitou.payments.discrepancies.service import Discrepancies
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.faults import as_failure

DAY = "2026-03-01"


class Desk:
    """An environment that runs the use cases of `pay` as the function does."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        clock.moment = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
        self.bills = Bills()
        self.actions: dict[str, tuple[type[BaseModel], Callable[[Any], BaseModel]]] = {
            "reconcile_bill": (
                ReconcileBillRequest,
                lambda r: BillCheck(database, clock, self.bills).check_day(r.day),
            ),
            "differences": (
                DiscrepanciesRequest,
                Discrepancies(database, clock).list_discrepancies,
            ),
            "resolve_difference": (
                ResolveRequest,
                lambda r: Discrepancies(database, clock).resolve_discrepancy(
                    r.discrepancy_id, r.actor, r.note
                ),
            ),
        }

    @contextmanager
    def open(self) -> Iterator[Desk]:
        yield self

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        assert function == "pay"
        fields = {name: value for name, value in event.items() if name not in ("action", "lang")}
        model, run = self.actions[event["action"]]
        try:
            done = run(model.model_validate_json(json.dumps(fields), strict=True, extra="forbid"))
        except (Refusal, ValidationError) as error:
            refused = as_failure(error)
            told = {"code": refused.code.name, "message": refused.message("en")}
            return {"ok": False, "error": told}
        return {"ok": True, "data": done.model_dump(mode="json", exclude_none=True)}

    def run(self, command: click.Command, **options: Any) -> int:
        """Run a command on this desk; returns its exit code."""
        body = cast("Any", command.callback).__wrapped__
        try:
            body(environment=self, **options)
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> Desk:
    return Desk(database, clock)


def test_an_operator_reconciles_a_day_lists_its_difference_and_resolves_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.bills.put(DAY, [paid("stranger", 3_600)])
    assert desk.run(reconcile, day=DAY, as_json=True) == 1
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["open"], report["taken_fen"], report["kept_fen"]) == (1, 3_600, 3_578)
    assert desk.run(list_, day=DAY, every=False, as_json=True) == 0
    [one] = json.loads(capsys.readouterr().out)["differences"]
    assert one["discrepancy_id"] == "payment unknown to us|stranger"
    words = {"difference_id": one["discrepancy_id"], "note": "[old till]", "actor": "ann"}
    assert desk.run(resolve, **words) == 0
    assert "resolved by ann" in capsys.readouterr().out
    assert desk.run(reconcile, day=DAY, as_json=False) == 0
    assert f"the bill of {DAY} agrees" in capsys.readouterr().out
    desk.run(list_, day=None, every=False, as_json=False)
    assert capsys.readouterr().out == "no open differences\n"


def test_a_long_report_tells_the_command_that_lists_the_rest(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.bills.put(DAY, [paid(f"p{number}", 3_600) for number in range(60)])
    assert desk.run(reconcile, day=DAY, as_json=False) == 1
    shown = capsys.readouterr().out
    assert f"open differences of {DAY}: 60" in shown
    assert "¥2,160.00" in shown
    assert f"the rest: scripts/huitou pay differences list --day {DAY}" in shown
    desk.run(list_, day=None, every=True, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 60


@pytest.mark.parametrize(
    ("day", "message"),
    [("2026-03-02", "BILL_NOT_READY: The bill isn't there yet; try again from 2026-03-03 10:00"),
     ("2026-02-30", "INVALID_REQUEST: Invalid request: day must be a day from 1970 to 2100")],
)  # fmt: skip
def test_if_a_day_cannot_be_reconciled_the_error_says_why(
    desk: Desk, day: str, message: str
) -> None:
    with pytest.raises(click.ClickException) as failed:
        desk.run(reconcile, day=day, as_json=False)
    assert failed.value.message == message
