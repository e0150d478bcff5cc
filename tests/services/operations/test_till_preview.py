"""What a dry run shows, what lands in the rejects file, and stores that are not there yet."""

from __future__ import annotations

import click
import pytest

from till_files import Till

WHEN = "2026-01-10 12:30:15"


def test_a_dry_run_shows_what_was_understood_and_what_looks_odd(till: Till) -> None:
    rows = [["7", f"2026-0{n % 2 * 2 + 1}-10 12:{n:02}", "50", f"A{n}"] for n in range(30)]
    rows += [["8", WHEN, "0", "B1"], ["9", WHEN, "20000", "B2"], ["9", WHEN, "-5", "B2"]]
    preview = till.orders(till.write(rows), "--store", "jingan", "--dry-run", code=None)["preview"]
    assert len(preview["first"]) == 10
    assert preview["first"][0] == {
        "line": "2",
        "member": "7",
        "paid_at": "2026-01-10 12:00:00+08:00",
        "amount_fen": 5_000,
        "store": "jingan",
        "order": "A0",
    }
    january = preview["totals"][0]
    assert january == {
        "month": "2026-01",
        "store": "jingan",
        "orders": 17,
        "refunds": 1,
        "amount_fen": 15 * 5_000 + 2_000_000 - 500,
    }
    odd = "; ".join(preview["odd"])
    for says in (
        "1 orders of ¥0",
        "over ¥10,000",
        "member 7 has 30 of 32 orders",
        "15 orders on 2026-01-10",
        "nothing between 2026-01 and 2026-03",
    ):
        assert says in odd
    assert till.stored("orders") == []


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1+1", "＝1+1",
                                  "=HYPERLINK(\"http://x\";\"y\")", "x;=1+1"])  # fmt: skip
def test_a_rejected_row_cannot_become_a_formula_and_is_read_again(till: Till, cell: str) -> None:
    till.orders(till.write([["7", "no day", "50", cell]]), code=1)
    raw = (till.folder / "till.csv.rejects.csv").read_text(encoding="utf-8-sig")
    assert "\n=" not in raw.replace('"', "").replace(",", "\n")
    [told] = till.rejects()
    assert told["单号"] in (cell, f"'{cell}")
    assert told["单号"].startswith("'") != cell.startswith("x")
    told["时间"] = WHEN
    again = till.write([list(told.values())], list(told))
    assert till.orders(again)["imported"] == 1


def test_a_negative_amount_in_the_rejects_file_is_read_again(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "50", "A1"], ["8", WHEN, "-20", "A1"]]), code=1)
    [told] = till.rejects()
    told["会员号"] = "7"
    assert till.orders(till.write([list(told.values())], list(told)))["refunded"] == 1


def test_a_store_that_is_not_there_is_made_on_demand(till: Till) -> None:
    path = till.write([["7", WHEN, "50", "A1"]])
    with pytest.raises(click.BadParameter, match="To make it: --store main --create-store"):
        till.orders(path, "--store", "main")
    till.orders(path, "--store", "main", "--create-store", "--dry-run")
    assert "main" not in {store["_id"] for store in till.stored("stores")}
    assert till.orders(path, "--store", "main", "--create-store")["imported"] == 1
    assert till.orders(path, "--store", "main", "--create-store")["unchanged"] == 1
    [order] = till.stored("orders")
    assert order["store_id"] == "main"
    assert till.orders(path, "--store", "新天地店", "--create-store")["imported"] == 1
    with pytest.raises(click.BadParameter, match="--store names the store"):
        till.orders(path, "--create-store")


def test_a_dry_run_of_balances_shows_members_and_when_their_points_end(till: Till) -> None:
    rows = [["138 0000 0001", "1,200", "2026-12-31"], ["13800000001", "5", "永久"]]
    path = till.write(rows, ("会员号", "积分", "有效期"))
    shown = till.shown_balances(path, columns="member=会员号,points=积分,expires_on=有效期")
    for words in ("13800000001", "1,205", "2026-12-31", "never", "1,200", "dry run"):
        assert words in shown
    assert till.stored("points_entries") == []
