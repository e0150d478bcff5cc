"""Orders without a member: rejected, or kept as revenue of their store without a guest."""

from __future__ import annotations

import pytest

from till_files import COLUMNS, MAP, NO_NUMBER, Till, figures

WHEN, LATER = "2026-01-10 12:30:15", "2026-01-20 12:30:15"
KEEP = ("--without-member", "keep")
ROWS = [["7", WHEN, "50", "A1"], ["散客", WHEN, "60", "A2"], ["138****0001", LATER, "30", "A3"],
        ["", LATER, "60", "A4"]]  # fmt: skip


def test_without_the_option_they_are_rejected(till: Till) -> None:
    done = till.orders(till.write(ROWS), code=1)
    assert (done["imported"], done["rejected"], till.revenue_fen()) == (1, 3, 5_000)
    assert till.orders(till.write(ROWS), "--without-member", "reject", code=1)["rejected"] == 3


@pytest.mark.parametrize("columns", [MAP, NO_NUMBER])
def test_they_are_revenue_and_no_guest(till: Till, columns: str) -> None:
    path = till.write(ROWS)
    dry = till.orders(path, "--dry-run", *KEEP, columns=columns)
    assert (dry["imported"], dry["without_member"], till.revenue_fen()) == (4, 3, 0)
    for imported in (4, 0, 0):
        done = till.orders(path, *KEEP, columns=columns)
        assert (done["imported"], done["unchanged"]) == (imported, 4 - imported)
        assert till.revenue_fen() == 20_000
    assert till.numbers() == {"7"}
    assert [one["available"] for one in till.stored("accounts")] == [50]
    day = figures(till, "2026-01-20")
    assert (day["orders"], day["revenue_fen"]) == (2, 9_000)
    assert figures(till, "2026-02-10")["repurchase_cohort"] == 1
    assert till.differences() == []
    excel = [[row[0], row[1][:16].replace("-", "/"), *row[2:]] for row in ROWS]
    assert till.orders(till.write(excel), *KEEP, columns=columns)["unchanged"] == 4


def test_walk_ins_of_one_day_and_amount_are_as_many_as_the_file_says(till: Till) -> None:
    rows = [["散客", "2026-01-10", "18", str(number)] for number in (5, 105, 10, 1010)]
    rows += [["散客", "2026-01-10", "18", ""]] * 3
    for imported in (7, 0):
        assert till.orders(till.write(rows), *KEEP)["imported"] == imported
    assert till.revenue_fen() == 7 * 1_800


def test_they_are_given_back_like_others(till: Till) -> None:
    columns, mapped = (*COLUMNS, "状态"), f"{MAP},status=状态"
    till.orders(till.write([[*row, "已完成"] for row in ROWS], columns), *KEEP, columns=mapped)
    later = [["散客", WHEN, "60", "A2", "已退款"], ["", LATER, "-20", "A4", "已完成"]]
    for refunded in (2, 0, 0):
        done = till.orders(till.write(later, columns), *KEEP, columns=mapped)
        assert (done["refunded"], till.revenue_fen()) == (refunded, 12_000)
    assert figures(till, "2026-01-10")["revenue_fen"] == 5_000
    assert till.differences() == []


def test_they_go_back_with_their_import_and_come_in_again(till: Till) -> None:
    path = till.write(ROWS)
    till.orders(path, *KEEP)
    undone = till.undo(till.imports()[0]["import_id"])
    assert (undone["orders"], undone["amount_fen"], undone["members"]) == (4, 20_000, 1)
    assert till.revenue_fen() == 0
    assert figures(till, "2026-01-20")["revenue_fen"] == 0
    assert till.orders(path, *KEEP)["imported"] == 4
    assert till.revenue_fen() == 20_000
    assert till.differences() == []


@pytest.mark.parametrize("word", ["合计", "本页小计", "1.38E+10"])
def test_what_is_no_order_is_rejected_all_the_same(till: Till, word: str) -> None:
    done = till.orders(till.write([[word, WHEN, "60", "A2"]]), *KEEP, code=1)
    assert (done["imported"], done["rejected"]) == (0, 1)
