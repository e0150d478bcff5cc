"""A later export says that an order went back: it is a refund of that order, once."""

from __future__ import annotations

from datetime import date

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from huitou.operations.imports.models import ImportOrdersRequest, ImportReport
from huitou.operations.imports.service import OrderImport
from huitou.runtime.database import Database
from till_files import COLUMNS, MAP, NO_NUMBER, Till, figures, rows_of

WHEN = "2026-01-10 12:30:15"
STATUS = (*COLUMNS, "状态")
WITH_STATUS = f"{MAP},status=状态"
PARTS = (*STATUS, "退款金额")
WITH_PART = f"{WITH_STATUS},refund_amount=退款金额"
DISHES = ("会员号", "时间", "单号", "菜品", "数量", "金额", "状态")
BY_DISH = "member=会员号,paid_at=时间,amount=金额,order=单号,dish=菜品,quantity=数量,status=状态"


def points(till: Till) -> list[int]:
    return [one["available"] for one in till.stored("accounts")]


@pytest.mark.parametrize(
    ("column", "word"),
    [("状态", word) for word in ("已退款", "退款成功", "全额退款", "已取消", "交易关闭", "作废",
                               "反结账", "Refunded", "CANCELLED", "已退单")]
    + [("是否退款", "是"), ("已作废", "Y")],
)  # fmt: skip
def test_an_order_that_went_back_since_is_given_back_once(
    till: Till, column: str, word: str
) -> None:
    columns, mapped = (*COLUMNS, column), f"{MAP},status={column}"
    sold = "已完成" if column == "状态" else ""
    rows = [["7", WHEN, "50", "A1", sold], ["8", WHEN, "40", "A2", sold]]
    till.orders(till.write(rows, columns), columns=mapped)
    till.clock.advance(days=1)
    later = till.write(
        [["7", WHEN, "50", "A1", word], rows[1], ["9", WHEN, "30", "A3", word]], columns
    )
    dry = till.orders(later, "--dry-run", columns=mapped)
    assert (dry["refunded"], dry["unchanged"], dry["not_sold"]) == (1, 1, {word: 1})
    assert (till.revenue_fen(), sorted(points(till))) == (9_000, [40, 50])
    for refunded in (1, 0, 0):
        done = till.orders(later, columns=mapped)
        assert (done["imported"], done["refunded"]) == (0, refunded)
        assert (done["not_sold"], done["amount_fen"]) == ({word: 1}, 4_000)
        assert till.revenue_fen() == 4_000
        assert sorted(points(till)) == [0, 40]
    assert figures(till, "2026-01-10")["revenue_fen"] == 4_000
    assert till.orders(till.write(rows, columns), columns=mapped)["unchanged"] == 2
    assert till.revenue_fen() == 4_000
    assert till.differences() == []


@pytest.mark.parametrize("word", ["未支付", "充值", "挂单", "支付失败"])
def test_a_status_of_what_never_was_a_sale_gives_nothing_back(till: Till, word: str) -> None:
    till.orders(till.write([["7", WHEN, "50", "A1", "已完成"]], STATUS), columns=WITH_STATUS)
    later = till.write([["7", WHEN, "50", "A1", word]], STATUS)
    assert till.orders(later, columns=WITH_STATUS)["not_sold"] == {word: 1}
    assert till.revenue_fen() == 5_000


@pytest.mark.parametrize(
    "row",
    [["散客", WHEN, "50", "A1", "已退款"], ["7", "??", "50", "A1", "已退款"],
     ["7", WHEN, "0", "A1", "已退款"], ["8", WHEN, "50", "A1", "已退款"],
     ["7", WHEN, "45", "A1", "已退款"], ["7", "2026-02-10 12:30:15", "50", "A1", "已退款"],
     ["7", WHEN, "-50", "B9", "已退款"]],
)  # fmt: skip
def test_a_row_that_tells_of_no_known_order_is_left_out_unasked(till: Till, row: list[str]) -> None:
    till.orders(till.write([["7", WHEN, "50", "A1", "已完成"]], STATUS), columns=WITH_STATUS)
    done = till.orders(till.write([row], STATUS), columns=WITH_STATUS)
    assert (done["refunded"], done["not_sold"]) == (0, {"已退款": 1})
    assert till.revenue_fen() == 5_000


def test_without_numbers_as_many_are_given_back_as_the_file_says(till: Till) -> None:
    columns, mapped = (*COLUMNS[:3], "状态"), f"{NO_NUMBER},status=状态"
    row = ["7", WHEN, "50"]
    till.orders(till.write([[*row, "已完成"]] * 3, columns), columns=mapped)
    words = ["已退款", "已完成", "已退款"]
    later = till.write([[*row, word] for word in words], columns)
    for refunded in (2, 0):
        assert till.orders(later, columns=mapped)["refunded"] == refunded
        assert till.revenue_fen() == 5_000
    excel = till.write([["7", "2026/1/10 12:30", "50", word] for word in words], columns)
    done = till.orders(excel, columns=mapped)
    assert (done["imported"], done["refunded"], till.revenue_fen()) == (0, 0, 5_000)
    assert till.differences() == []


def test_a_file_saved_by_a_spreadsheet_gives_the_known_order_back(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "50.00", "001", "已完成"]], STATUS), columns=WITH_STATUS)
    later = till.write([["7", "2026/1/10 12:30", "50", "20260110001", "已退款"]], STATUS)
    for refunded in (1, 0):
        assert till.orders(later, columns=WITH_STATUS)["refunded"] == refunded
    assert till.revenue_fen() == 0


@pytest.mark.parametrize("first", ["the status", "the row"])
def test_a_status_and_a_refund_row_of_its_own_give_an_order_back_once(
    till: Till, first: str
) -> None:
    sold = ["7", WHEN, "50", "A1", "已完成"]
    status = ["7", WHEN, "50", "A1", "已退款"]
    row = ["7", "2026-01-12 09:00:30", "-50", "A1", "已退款"]
    till.orders(till.write([sold], STATUS), columns=WITH_STATUS)
    files = [[status], [row]] if first == "the status" else [[row], [status]]
    for rows in [*files, [status, row], [row, status]]:
        till.orders(till.write(rows, STATUS), columns=WITH_STATUS)
        assert till.revenue_fen() == 0
    assert points(till) == [0]
    assert till.differences() == []


# --- in part ----------------------------------------------------------------------------------


def test_a_part_is_given_back_up_to_what_the_column_says(till: Till) -> None:
    sold = till.write([["7", WHEN, "50", "A1", "已完成", ""]], PARTS)
    till.orders(sold, columns=WITH_PART)
    for told, refunded, revenue_fen in [
        ("20.00", 1, 3_000), ("20", 0, 3_000), ("-35", 1, 1_500), ("20", 0, 1_500),
        ("50", 1, 0), ("50", 0, 0),
    ]:  # fmt: skip
        path = till.write([["7", WHEN, "50", "A1", "部分退款", told]], PARTS)
        done = till.orders(path, columns=WITH_PART)
        assert (done["refunded"], till.revenue_fen()) == (refunded, revenue_fen)
        assert points(till) == [revenue_fen // 100]
    assert till.orders(sold, columns=WITH_PART)["unchanged"] == 1
    assert till.differences() == []


@pytest.mark.parametrize(
    ("word", "told", "net_fen"),
    [("部分退款", "20", 3_000), ("已完成", "20", 3_000), ("已退款", "20", 3_000),
     ("已完成", "", 5_000), ("已完成", "0.00", 5_000)],
)  # fmt: skip
def test_a_new_order_comes_in_with_the_part_that_went_back(
    till: Till, word: str, told: str, net_fen: int
) -> None:
    path = till.write([["7", WHEN, "50", "A1", word, told]], PARTS)
    for imported in (1, 0):
        done = till.orders(path, columns=WITH_PART)
        assert (done["imported"], done["amount_fen"]) == (imported, net_fen)
        assert (till.revenue_fen(), points(till)) == (net_fen, [net_fen // 100])
    till.undo(till.imports()[0]["import_id"])
    assert till.revenue_fen() == 0
    assert till.differences() == []


@pytest.mark.parametrize(("word", "told"), [("已退款", ""), ("已完成", "50"), ("已退款", "50")])
def test_what_went_back_whole_before_it_came_in_is_no_order(
    till: Till, word: str, told: str
) -> None:
    path = till.write([["7", WHEN, "50", "A1", word, told]], PARTS)
    done = till.orders(path, columns=WITH_PART)
    assert (done["imported"], done["not_sold"]) == (0, {word: 1})


@pytest.mark.parametrize(
    ("row", "columns", "field"),
    [(["7", WHEN, "50", "A1", "部分退款", "20"], WITH_STATUS, "status"),
     (["7", WHEN, "50", "A1", "部分退款", ""], WITH_PART, "status"),
     (["7", WHEN, "50", "A1", "退款中", "20"], WITH_PART, "status"),
     (["7", WHEN, "50", "A1", "部分退款", "51"], WITH_PART, "refund_amount"),
     (["7", WHEN, "50", "A1", "部分退款", "some"], WITH_PART, "refund_amount")],
)  # fmt: skip
def test_a_part_that_nobody_can_tell_is_asked_about(
    till: Till, row: list[str], columns: str, field: str
) -> None:
    done = till.orders(till.write([row], PARTS), columns=columns, code=1)
    assert (done["imported"], till.rejects()[0]["field"]) == (0, field)


# --- as rows of their own ---------------------------------------------------------------------

OF = (*COLUMNS, "原单", "状态")
WITH_OF = f"{MAP},refund_of=原单,status=状态"
SOLD = ["7", WHEN, "50", "A1", "", "销售"]


@pytest.mark.parametrize(
    ("row", "revenue_fen"),
    [(["7", "2026-01-12 09:00:30", "50", "R1", "A1", "退款"], 0),
     (["7", "2026-01-12 09:00:30", "20", "R1", "A1", "退货单"], 3_000),
     (["7", "2026-01-12 09:00:30", "-20", "R1", "A1", "Refunded"], 3_000),
     (["7", "2026-01-12 09:00:30", "50", "A1", "", "退款"], 0),
     (["7", "2026-01-10 12:31:15", "20", "A1", "", "退款"], 3_000),
     (["7", "2026-01-12 09:00:30", "20", "R1", "A1", "已取消"], 5_000),
     (["7", "2026-01-12 09:00:30", "51", "A1", "", "退款"], 5_000),
     (["8", "2026-01-12 09:00:30", "20", "A1", "", "退款"], 5_000),
     (["7", "2026-01-09 09:00:30", "20", "A1", "", "退款"], 5_000)],
)  # fmt: skip
def test_a_refunds_own_row_gives_its_order_back_with_a_minus_or_without(
    till: Till, row: list[str], revenue_fen: int
) -> None:
    for rows in ([row], [SOLD, row], [row, SOLD], [row], [SOLD]):
        till.orders(till.write(rows, OF), columns=WITH_OF)
    assert (till.revenue_fen(), points(till)) == (revenue_fen, [revenue_fen // 100])
    excel = [row[0], row[1][:16].replace("-", "/"), *row[2:]]
    till.orders(till.write([SOLD, excel], OF), columns=WITH_OF)
    assert till.revenue_fen() == revenue_fen
    for one in till.imports():
        till.undo(one["import_id"])
    assert till.revenue_fen() == 0
    till.orders(till.write([SOLD, row], OF), columns=WITH_OF)
    assert till.revenue_fen() == revenue_fen
    assert till.differences() == []


def test_another_days_walk_in_is_no_refund_of_a_number_that_begins_anew(till: Till) -> None:
    rows = [["", WHEN, "50", "001", "销售"], ["", "2026-01-11 12:30", "30", "001", "已取消"]]
    for _ in range(2):
        path = till.write(rows, STATUS)
        till.orders(path, "--without-member", "keep", columns=WITH_STATUS)
        assert till.revenue_fen() == 5_000


# --- dishes -----------------------------------------------------------------------------------


def test_dishes_that_went_back_since_are_given_back(till: Till) -> None:
    fish = ["7", WHEN, "A1", "酸菜鱼", "1", "36"]
    rice, tea = ["7", WHEN, "A1", "米饭", "2", "4"], ["7", WHEN, "A1", "茶", "1", "10"]
    files = [
        ([[*fish, "已完成"], [*rice, "退菜"], [*tea, "已完成"]], 4_600, 0),
        ([[*fish, "已完成"], [*rice, "退菜"], [*tea, "已退款"]], 3_600, 1),
        ([[*fish, "已退款"], [*rice, "退菜"], [*tea, "已退款"]], 0, 1),
    ]
    for rows, revenue_fen, refunded in files:
        for again in (refunded, 0):
            done = till.orders(till.write(rows, DISHES), columns=BY_DISH)
            assert (done["refunded"], till.revenue_fen()) == (again, revenue_fen)
            assert points(till) == [revenue_fen // 100]
    [order] = till.stored("orders")
    assert [line["name"] for line in order["lines"]] == ["酸菜鱼", "茶"]
    assert till.differences() == []


FISH, RICE = ["7", WHEN, "A1", "酸菜鱼", "1", "36"], ["7", WHEN, "A1", "米饭", "2", "4"]


@pytest.mark.parametrize(
    "row",
    [["7", "2026-01-12 09:00:30", "A1", "酸菜鱼", "-1", "-36", "已退款"],
     ["7", "2026-01-10 12:40:30", "A1", "酸菜鱼", "-1", "-36", "退菜"],
     ["7", "2026-01-10 12:40:30", "A1", "", "", "-36", "退款"],
     ["7", "2026-01-12 09:00:30", "A1", "酸菜鱼", "1", "36", "退款"]],
)  # fmt: skip
def test_a_row_that_gives_a_dish_back_takes_it_off_once(till: Till, row: list[str]) -> None:
    sold = [[*FISH, "正常"], [*RICE, "正常"]]
    files = [[*sold, row], [row, *sold], sold]
    for first in (0, 2):
        for rows in files[first:] + files[:first]:
            done = till.orders(till.write(rows, DISHES), columns=BY_DISH)
            assert done["rejected"] == 0
            assert till.revenue_fen() == (4_000 if rows == sold and first else 400)
            first = 0
        assert (till.revenue_fen(), sum(points(till))) == (400, 4)
        for one in till.imports():
            till.undo(one["import_id"])
    assert till.revenue_fen() == 0
    assert till.differences() == []


def test_an_order_of_dishes_that_all_went_back_before_is_no_order(till: Till) -> None:
    back = [*FISH[:4], "-1", "-36", "退菜"]
    done = till.orders(till.write([[*FISH, "正常"], back], DISHES), columns=BY_DISH)
    assert (done["imported"], done["not_sold"]) == (0, {"退菜": 2})


# --- with undo, and at once -------------------------------------------------------------------


def test_an_order_that_was_taken_back_is_not_given_back_again(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "50", "A1", "已完成"]], STATUS), columns=WITH_STATUS)
    later = till.write([["7", WHEN, "50", "A1", "已退款"]], STATUS)
    till.orders(later, columns=WITH_STATUS)
    second, first = sorted(till.imports(), key=lambda one: one["imported"])
    assert till.undo(second["import_id"])["refunded"] == 1  # It stays, and that is said.
    assert till.undo(first["import_id"])["orders"] == 1
    assert till.orders(later, columns=WITH_STATUS)["not_sold"] == {"已退款": 1}
    assert till.revenue_fen() == 0
    assert till.differences() == []


@pytest.mark.parametrize("own_row", [False, True])
def test_two_imports_at_once_give_each_order_back_once(
    chain: Database, clock: FakeClock, own_row: bool
) -> None:
    rows = rows_of(0)
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=rows))
    told = {"returned_fen": 1_000, "if_known": True}
    if own_row:  # A refund's own row, two days after its order.
        told["paid_on"] = date(2026, 1, 12)
    back = [row.model_copy(update=told) for row in rows]

    def again() -> ImportReport:
        return OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=back))

    reports = at_once([again] * 3)
    assert sum(report.refunded for report in reports) == 40
    assert sum(report.unchanged for report in reports) == 80
    assert {one["available"] for one in chain.collection("accounts").find({})} == {0}
    assert Shop(chain, clock).differences() == []
