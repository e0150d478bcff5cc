"""An import is taken back whole: orders, points, spend, tiers, KPIs, features; and mended."""

from __future__ import annotations

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from cli.imports.undo import SUMS
from huitou.marketing.features.service import FeatureBook
from huitou.operations.imports.models import ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.operations.imports.undo_models import UndoAnswer, UndoRequest
from huitou.operations.imports.undo_service import ImportUndo
from huitou.runtime.database import Database
from till_files import NO_NUMBER, Till, figures, rows_of, spend

WHEN = "2026-01-10 12:30:15"
NONE = dict.fromkeys(SUMS, 0)
ROWS = [["7", WHEN, "3000", "A1"], ["7", "2026-01-20 12:00", "50", "A2"], ["8", WHEN, "0", "A3"],
        ["8", "2026-01-12 09:00", "40", "A4"], ["8", "2026-01-13 09:00", "-15", "A4"]]  # fmt: skip


def tiers(till: Till) -> set[str]:
    return {one.get("tier", {}).get("level", "basic") for one in till.stored("accounts")}


@pytest.mark.slow
def test_an_import_goes_back_whole_and_its_mended_file_comes_in(till: Till) -> None:
    path = till.write(ROWS)
    assert till.orders(path)["imported"] == 4
    assert "import undo i" in till.told
    assert tiers(till) == {"gold", "basic"}
    assert figures(till, "2026-01-10")["revenue_fen"] == 300_000
    [told] = till.imports()
    assert (told["file"], told["imported"], told["refunded"], told["status"]) == (
        "till.csv",
        4,
        1,
        "in",
    )
    undone = till.undo(told["import_id"])
    assert undone == NONE | {
        "orders": 4,
        "amount_fen": 307_500,
        "points": 3_075,
        "members": 2,
    }
    assert till.numbers() == set()
    assert till.revenue_fen() == 0
    assert tiers(till) == {"basic"}
    assert [one["available"] for one in till.stored("accounts")] == [0, 0]
    assert figures(till, "2026-01-10") == {
        "orders": 0,
        "revenue_fen": 0,
        "repurchase_cohort": 0,
        "points_burn_rate": None,
    }
    assert till.differences() == []
    assert till.imports()[0]["status"] == "undone"

    mended = [["7", WHEN, "30.00", "A1"], *ROWS[1:]]
    done = till.orders(till.write(mended))
    assert (done["imported"], done["refunded"], done["unchanged"]) == (4, 1, 0)
    assert till.orders(till.write(mended))["unchanged"] == 5
    assert till.revenue_fen() == 3_000 + 5_000 + 2_500
    assert figures(till, "2026-01-10")["revenue_fen"] == 3_000
    assert till.differences() == []
    # Once more: the second import goes back too, and comes in again.
    [second] = [one for one in till.imports() if one["status"] == "in"]
    till.undo(second["import_id"])
    assert till.revenue_fen() == 0
    assert till.orders(till.write(ROWS))["imported"] == 4
    assert till.revenue_fen() == 307_500
    assert till.differences() == []


def test_an_undone_file_may_come_in_under_another_mapping(till: Till) -> None:
    rows = [[str(n), WHEN, "50", f"A{n}"] for n in range(1, 6)]
    till.orders(till.write(rows), columns=NO_NUMBER)
    till.undo(till.imports()[0]["import_id"])
    assert till.orders(till.write(rows), "--store", "jingan")["imported"] == 5
    assert till.revenue_fen() == 25_000
    assert till.differences() == []


def test_points_that_were_spent_are_told(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    shop = Shop(till.database, till.clock)
    [account] = till.stored("accounts")
    spend(shop, account["_id"], 60)
    [account] = till.stored("accounts")
    undone = till.undo(till.imports()[0]["import_id"])
    # The order on which they were spent earned some, which pay off a part.
    assert (undone["points"], undone["kept"]) == (100, 0)
    assert undone["owed"] == 100 - account["available"] > 0
    assert shop.differences() == []


def test_only_the_named_import_goes_back(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    later = [
        ["7", WHEN, "100", "A1"],
        ["7", "2026-01-20 12:00", "50", "A2"],
        ["7", "2026-01-21 12:00", "-30", "A1"],
    ]
    till.orders(till.write(later))
    first, latest = sorted(till.imports(), key=lambda one: one["refunded"])
    assert till.undo(latest["import_id"]) == NONE | {
        "orders": 1,
        "amount_fen": 5_000,
        "points": 50,
        "refunded": 1,
    }
    assert till.revenue_fen() == 7_000
    assert till.undo(latest["import_id"])["orders"] == 0
    assert till.undo(first["import_id"])["amount_fen"] == 7_000
    assert till.revenue_fen() == 0
    assert till.differences() == []


def test_an_unknown_import_is_named(till: Till) -> None:
    till.undo("i20260101-none", code=3)
    assert "NOT_FOUND" in till.told


def test_what_brought_nothing_in_is_no_import(till: Till) -> None:
    path = till.write(ROWS)
    till.orders(path)
    till.orders(path)
    till.orders(path, "--dry-run")
    assert len(till.imports()) == 1


def test_an_undone_order_is_no_visit_of_its_members_features(till: Till) -> None:
    till.orders(till.write(ROWS[:1]))
    rebuild(till)
    assert [one["orders"] for one in till.stored("features")] == [1]
    till.undo(till.imports()[0]["import_id"])
    rebuild(till)
    assert [one["orders"] for one in till.stored("features")] in ([], [0])


def rebuild(till: Till) -> None:
    while FeatureBook(till.database, till.clock).count_due_orders(60):
        pass


def test_two_that_undo_at_once_take_each_order_back_once(chain: Database, clock: FakeClock) -> None:
    for start in range(3):
        request = ImportOrdersRequest(rows=rows_of(start), import_id="i-race-0001")
        OrderImport(chain, clock, "huitou").run(request)

    def undo() -> list[UndoAnswer]:
        answers = []
        while True:
            answers.append(
                ImportUndo(chain, clock, "huitou").undo_batch(UndoRequest(import_id="i-race-0001"))
            )
            if not answers[-1].rest:
                return answers

    told = [answer for answers in at_once([undo] * 3) for answer in answers]
    assert sum(answer.orders for answer in told) == 120
    assert sum(answer.points for answer in told) == 1_200
    assert {one["available"] for one in chain.collection("accounts").find({})} == {0}
    assert Shop(chain, clock).differences() == []


def test_an_import_and_its_undo_at_once_leave_the_books_right(
    chain: Database, clock: FakeClock
) -> None:
    request = ImportOrdersRequest(rows=rows_of(0), import_id="i-race-0002")
    OrderImport(chain, clock, "huitou").run(request)
    undo = UndoRequest(import_id="i-race-0002")
    again = request.model_copy(update={"import_id": "i-race-0003"})
    at_once(
        [
            lambda: ImportUndo(chain, clock, "huitou").undo_batch(undo),
            lambda: OrderImport(chain, clock, "huitou").run(again),
        ]
    )
    OrderImport(chain, clock, "huitou").run(again)
    kept = chain.collection("orders").count_documents({"undone_by": None, "_id": {"$gt": ""}})
    assert kept == 40
    assert Shop(chain, clock).differences() == []
