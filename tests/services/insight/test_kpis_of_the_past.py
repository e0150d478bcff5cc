"""Figures of days that were counted long ago: imports, late changes and old documents."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chain_data import FakeClock, Shop
from cli.bench.orders import paid_order
from huitou.insight.kpis import repository as kpi_repository
from huitou.insight.kpis.models import ReportRequest
from huitou.insight.kpis.service import Kpis
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.runtime.database import Database
from huitou.runtime.declarations import declare, migrations


def report(database: Database, clock: FakeClock, as_of: str, **chosen: Any) -> dict[str, Any]:
    request = ReportRequest(as_of=date.fromisoformat(as_of), **chosen)
    return Kpis(database, clock).report_figures(request)


@pytest.fixture
def kpis(chain: Database, clock: FakeClock) -> Kpis:
    return Kpis(chain, clock)


@pytest.mark.slow
def test_an_import_changes_days_that_were_closed_long_ago(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    shop.register()
    kpis.roll_up_figures(60)
    clock.advance(days=50)
    kpis.roll_up_figures(60)
    row = ImportedRow(
        line=2, member="7", paid_on=date(2026, 2, 20), amount_fen=5_000, store="jingan"
    )
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=[row]))
    kpis.roll_up_figures(60)
    figures = report(chain, clock, "2026-02-20")
    assert (figures["orders"], figures["new_members"], figures["points_issued"]) == (1, 1, 50)
    assert figures["by_channel"]["import"]["new_members"] == 1
    assert report(chain, clock, "2026-02-20", store_id="jingan")["new_members"] == 1
    earlier = row.model_copy(update={"paid_on": date(2026, 2, 10), "store": "xujiahui"})
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=[earlier]))
    kpis.roll_up_figures(60)
    assert report(chain, clock, "2026-02-20")["new_members"] == 0
    assert report(chain, clock, "2026-02-20", store_id="jingan")["new_members"] == 0
    assert report(chain, clock, "2026-02-10", store_id="xujiahui")["new_members"] == 1


def test_orders_from_before_the_roll_ups_are_counted_after_the_migration(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    chain.collection("orders").insert_many(
        [paid_order(f"o{number}", "m1") | {"settlement": "done"} for number in range(3)]
    )
    chain.collection("meta").delete_one({"_id": "migrations"})
    assert migrations()[0].title in declare(chain)["migrated"]
    assert kpis.roll_up_figures(60)["orders"] == 3
    assert declare(chain)["migrated"] == []


def a_row(member: str, day: date = date(2026, 2, 20)) -> ImportedRow:
    return ImportedRow(line=2, member=member, paid_on=day, amount_fen=5_000)


def import_rows(chain: Database, clock: FakeClock, *rows: ImportedRow) -> None:
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=list(rows)))


def counted_day(chain: Database, clock: FakeClock) -> tuple[int, int]:
    figures = report(chain, clock, "2026-02-20")
    return figures["new_members"], figures["points_issued"]


def test_an_import_that_commits_while_its_day_is_counted_is_counted_too(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_rows(chain, clock, a_row("1"))
    kpis = Kpis(chain, clock)
    write = kpis._repository.set_day

    def import_meanwhile(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(kpis._repository, "set_day", write)
        import_rows(chain, clock, a_row("2"))
        write(*args, **more)

    monkeypatch.setattr(kpis._repository, "set_day", import_meanwhile)
    while kpis.roll_up_figures(60)["rest"]:
        pass
    assert counted_day(chain, clock) == (2, 100)


def test_a_day_that_is_counted_during_an_import_is_counted_again(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_rows(chain, clock, a_row("1"))
    slow = OrderImport(chain, clock, "huitou")
    recount = slow._kpis.mark_days_for_recount

    def count_meanwhile(*args: Any) -> None:
        monkeypatch.setattr(slow._kpis, "mark_days_for_recount", recount)
        Kpis(chain, clock).roll_up_figures(60)
        recount(*args)

    monkeypatch.setattr(slow._kpis, "mark_days_for_recount", count_meanwhile)
    slow.run(ImportOrdersRequest(rows=[a_row("2")]))
    Kpis(chain, clock).roll_up_figures(60)
    assert counted_day(chain, clock) == (2, 100)


@pytest.mark.slow
def test_many_marked_days_are_counted_even_if_each_run_has_little_time(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi_repository, "MOST_MARKED", 3)
    Shop(chain, clock).register()
    clock.advance(days=5)
    import_rows(chain, clock, *(a_row(str(n), date(2026, 1, n + 1)) for n in range(9)))
    runs = 0
    while Kpis(chain, clock).roll_up_figures(0)["rest"]:
        runs += 1
        assert runs < 40
    assert report(chain, clock, "2026-02-20")["points_issued"] == 450
    closed = chain.collection("kpi_state").find_one({"_id": "roll-up"})
    assert closed
    assert closed["closed_through"] == "2026-03-06"


@pytest.mark.slow
def test_members_and_log_ins_from_before_the_roll_ups_are_counted_after_the_migration(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    shop.paid(shop.register())
    for _ in range(3):
        clock.advance(days=10)
        shop.register()
    chain.collection("members").update_many(
        {"_id": {"$gt": ""}}, {"$unset": {"registered_channel": ""}}
    )
    chain.collection("logins").update_many({"_id": {"$gt": ""}}, {"$unset": {"rollup": ""}})
    chain.collection("meta").delete_one({"_id": "migrations"})
    declare(chain)
    kpis.roll_up_figures(60)
    figures = report(chain, clock, "2026-04-01")
    assert (figures["active_members"], figures["activity_members"]) == (1, 1)
    assert figures["points_issued"] == 15
    assert report(chain, clock, "2026-03-02")["new_members"] == 1
