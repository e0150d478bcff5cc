"""A till's file through the import's own commands, in process, on a test's database."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest

from chain_data import FakeClock, Shop
from cli.imports.balances import balances
from cli.imports.orders import orders
from cli.imports.undo import list_imports, undo
from desks import Desk
from huitou.insight.kpis.models import ReportRequest
from huitou.insight.kpis.service import Kpis
from huitou.operations.imports.models import ImportedRow
from huitou.operations.reconciliation.service import Reconciliation
from huitou.runtime.database import Database

COLUMNS = ("会员号", "时间", "实付", "单号")
MAP = "member=会员号,paid_at=时间,amount=实付,order=单号"
NO_NUMBER = "member=会员号,paid_at=时间,amount=实付"


class Till:
    """Files of one till, and what they leave in the database."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.database, self.clock, self.folder, self._capsys = database, clock, folder, capsys
        self.told = ""  # What the last command printed for people.

    def write(self, rows: Sequence[Sequence[object]], columns: Sequence[str] = COLUMNS) -> Path:
        """Write a csv file with this header."""
        path = self.folder / "till.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
        return path

    def orders(
        self, path: Path, *options: str, columns: str = MAP, code: int | None = 0
    ) -> dict[str, Any]:
        """Import orders; returns the result as --json prints it."""
        return self._run(orders, [str(path), "--map", columns, "--json", *options], code)

    def balances(
        self, path: Path, *options: str, columns: str, code: int | None = 0
    ) -> dict[str, Any]:
        """Import balances from the source `crm`."""
        arguments = [str(path), "--map", columns, "--source", "crm", "--json", *options]
        return self._run(balances, arguments, code)

    def shown_balances(self, path: Path, *, columns: str) -> str:
        """Return what a dry run of balances prints for people."""
        arguments = [str(path), "--map", columns, "--source", "crm", "--dry-run"]
        return self._call(balances, arguments)[1]

    def _run(
        self, command: click.Command, arguments: list[str], code: int | None
    ) -> dict[str, Any]:
        code_found, out = self._call(command, arguments)
        assert code is None or code_found == code, self.told + out
        return dict(json.loads(out)) if out.strip() else {}

    def _call(self, command: click.Command, arguments: list[str]) -> tuple[object, str]:
        context = command.make_context(str(command.name), arguments)
        inner: Any = command.callback
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        given = {
            name: value
            for name, value in context.params.items()
            if name not in ("env_id", "profile", "data_folder")
        }
        code: object = 0
        try:
            inner(**given, environment=Desk(self.database, self.clock))
        except SystemExit as ended:
            code = ended.code
        out, self.told = self._capsys.readouterr()
        return code, out

    def imports(self) -> list[dict[str, Any]]:
        """Return the latest imports, newest first."""
        found: list[dict[str, Any]] = self._run(list_imports, ["--json"], 0)["imports"]
        return found

    def undo(self, import_id: str, code: int = 0) -> dict[str, Any]:
        """Take an import back."""
        return self._run(undo, [import_id, "--json"], code)

    def rejects(self) -> list[dict[str, str]]:
        """Return the rows of the rejects file."""
        path = self.folder / "till.csv.rejects.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def stored(self, name: str) -> list[dict[str, Any]]:
        """Return a collection's documents."""
        return list(self.database.collection(name).find({}).sort("_id", 1))

    def numbers(self) -> set[str]:
        """Return the till numbers of all members."""
        return {one["_id"].removeprefix("till:") for one in self.stored("identities")}

    def revenue_fen(self) -> int:
        """Return what was sold and not given back."""
        return sum(
            order["payable_fen"] - sum(back["amount_fen"] for back in order.get("refunds", ()))
            for order in self.stored("orders")
        )

    def differences(self) -> Sequence[object]:
        """Return where the books don't agree."""
        page = Reconciliation(self.database, self.clock).reconcile_page(None, 1_000)
        found: Sequence[object] = page["differences"]
        return found


def figures(till: Till, day: str) -> dict[str, Any]:
    """Return the figures of orders and points as of a day."""
    kpis = Kpis(till.database, till.clock)
    while kpis.roll_up_figures(60)["rest"]:
        pass
    told = dict(kpis.report_figures(ReportRequest(as_of=date.fromisoformat(day))))
    names = ("orders", "revenue_fen", "repurchase_cohort", "points_burn_rate")
    return {name: told[name] for name in names}


def spend(shop: Shop, member_id: str, points: int) -> None:
    """Have the member spend points on an order."""
    order = shop.order(member_id, points=points)
    shop.pay(order)
    shop.settlement.settle_order(order.id)


def rows_of(start: int) -> list[ImportedRow]:
    """Return 40 orders of seven members, with numbers that begin with `start`."""
    return [
        ImportedRow(
            line=n + 1,
            member=str(n % 7),
            paid_on=date(2026, 1, 10),
            amount_fen=1_000,
            order=f"{start}-{n}",
        )
        for n in range(40)
    ]
