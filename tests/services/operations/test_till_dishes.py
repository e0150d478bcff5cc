"""Files with one row per dish: the rows of one order are its lines."""

from __future__ import annotations

import pytest

from till_files import COLUMNS, MAP, Till

WHEN = "2026-01-10 12:30:15"


DISHES = (*COLUMNS, "菜品", "数量")
DISH_MAP = f"{MAP},dish=菜品,quantity=数量"


def test_rows_of_one_order_are_its_lines(till: Till) -> None:
    rows = [
        ["7", WHEN, "36", "A1", "酸菜鱼", "1"],
        ["8", WHEN, "12", "A2", "米饭", "2"],
        ["7", WHEN, "6", "A1", "米饭", "3"],
        ["7", WHEN, "-2", "A1", "折扣", "1"],
        ["7", WHEN, "18.5", "A1", "活虾", "0.75"],
        ["", "", "60.5", "A1", "小计", ""],
    ]
    path = till.write(rows, DISHES)
    done = till.orders(path, columns=DISH_MAP, code=1)
    assert (done["rows"], done["imported"], done["rejected"]) == (6, 2, 1)
    order = next(one for one in till.stored("orders") if one["source_id"] == "A1")
    assert order["payable_fen"] == order["list_fen"] == 5_850
    assert [(one["name"], one["quantity"], one["list_fen"]) for one in order["lines"]] == [
        ("酸菜鱼", 1, 3_600),
        ("米饭", 3, 600),
        ("折扣", 1, -200),
        ("活虾", 1, 1_850),
    ]
    assert order["lines"][3]["sku_name"] == "×0.75"
    again = till.orders(path, columns=DISH_MAP, code=1)
    assert (again["imported"], again["unchanged"]) == (0, 2)
    assert till.differences() == []


def test_what_only_the_first_row_of_an_order_says_is_filled_in(till: Till) -> None:
    rows = [
        ["7", WHEN, "36", "A1", "酸菜鱼", "1"],
        ["", "", "6", "", "米饭", "3"],
        ["", "", "5", "A1", "茶", "1"],
        ["8", WHEN, "9", "A2", "茶", "1"],
    ]
    done = till.orders(till.write(rows, DISHES), columns=DISH_MAP)
    assert (done["imported"], done["amount_fen"]) == (2, 5_600)


def test_one_bad_row_keeps_its_whole_order_out(till: Till) -> None:
    rows = [
        ["7", WHEN, "36", "A1", "酸菜鱼", "1"],
        ["7", WHEN, "six", "A1", "米饭", "3"],
        ["7", WHEN, "9", "A2", "茶", "1"],
        ["9", WHEN, "9", "A2", "茶", "1"],
        ["8", WHEN, "9", "A3", "茶", "1"],
    ]
    done = till.orders(till.write(rows, DISHES), columns=DISH_MAP, code=1)
    assert (done["imported"], done["rejected"]) == (1, 4)
    reasons = {one["line"]: one["reason"] for one in till.rejects()}
    assert reasons["2"] == "see line 3"
    assert "different members" in reasons["4"]


def test_a_dish_that_was_not_sold_is_no_line_and_a_later_negative_row_a_refund(till: Till) -> None:
    rows = [
        ["7", WHEN, "36", "A1", "酸菜鱼", "1", "正常"],
        ["7", WHEN, "6", "A1", "米饭", "3", "退菜"],
        ["7", "2026-01-12 09:00", "-16", "A1", "酸菜鱼", "-1", "正常"],
    ]
    path = till.write(rows, (*DISHES, "状态"))
    done = till.orders(path, columns=f"{DISH_MAP},status=状态")
    assert (done["imported"], done["refunded"], done["not_sold"]) == (1, 1, {"退菜": 1})
    assert till.revenue_fen() == 2_000
    assert till.orders(path, columns=f"{DISH_MAP},status=状态")["unchanged"] == 2


def test_a_file_with_a_row_per_dish_is_not_read_as_one_per_order(till: Till) -> None:
    rows = [
        [str(n), WHEN, "9", f"A{n}", dish, "1"] for n in range(1, 21) for dish in ("茶", "饭", "汤")
    ]
    path = till.write(rows, DISHES)
    till.orders(path, code=3)
    assert "--map dish=COLUMN" in till.told
    assert "--map payment=COLUMN" in till.told
    assert till.stored("orders") == []
    done = till.orders(path, columns=DISH_MAP)
    assert (done["imported"], done["amount_fen"]) == (20, 20 * 2_700)


@pytest.mark.parametrize(("orders", "code"), [(20, 3), (3, 0)])
def test_an_orders_amount_beside_each_dish_is_not_added_up_unasked(
    till: Till, orders: int, code: int
) -> None:
    rows = [
        [str(n), WHEN, str(40 + n), f"A{n}", dish, "1"]
        for n in range(1, 1 + orders)
        for dish in "茶饭汤"
    ]
    till.orders(till.write(rows, DISHES), "--dry-run", columns=DISH_MAP, code=code)
    assert "map the dish's own amount" in " ".join(till.told.split())
    one_price = [[*row[:2], "15", *row[3:]] for row in rows]
    done = till.orders(till.write(one_price, DISHES), columns=DISH_MAP)
    assert (done["imported"], done["amount_fen"]) == (orders, orders * 4_500)


@pytest.mark.slow
def test_many_dishes_are_sent_in_several_calls(till: Till) -> None:
    rows = [
        [str(n), WHEN, "1", f"A{n}", f"菜{dish}", "1"] for n in range(1, 13) for dish in range(400)
    ]
    done = till.orders(till.write(rows, DISHES), columns=DISH_MAP)
    assert (done["imported"], done["amount_fen"]) == (12, 12 * 40_000)
    rows = [["7", WHEN, "1", "B1", f"菜{dish}", "1"] for dish in range(501)]
    assert till.orders(till.write(rows, DISHES), columns=DISH_MAP, code=1)["rejected"] == 501


# --- one row per payment ----------------------------------------------------------------------

PAYMENTS = (*COLUMNS, "支付方式")
PAY_MAP = f"{MAP},payment=支付方式"


@pytest.mark.parametrize("second", ["50", "30"])
@pytest.mark.parametrize("between", [0, 1_200])
def test_payments_of_one_order_are_neither_lost_nor_taken_in_part(
    till: Till, second: str, between: int
) -> None:
    others = [[str(n), WHEN, "1", f"B{n}", "微信"] for n in range(1, 1 + between)]
    parts = [["7", WHEN, "50", "A1", "微信"], ["7", WHEN, second, "A1", "支付宝"]]
    rows = [parts[0], ["8", WHEN, "20", "A2", "微信"], *others, parts[1]]
    path = till.write(rows, PAYMENTS)
    done = till.orders(path, code=1)
    assert (done["imported"], done["rejected"]) == (1 + between, 2)
    assert f"lines 2, {between + 4} have one number and time" in till.rejects()[0]["reason"]
    done = till.orders(path, columns=PAY_MAP)
    assert (done["imported"], done["unchanged"]) == (1, 1 + between)
    assert till.revenue_fen() == (5_000 + 100 * int(second) + 2_000 + 100 * between)
    assert till.orders(path, columns=PAY_MAP)["unchanged"] == 2 + between
    assert till.differences() == []


def test_a_row_that_stands_twice_is_taken_once_and_that_is_said(till: Till) -> None:
    row = ["7", WHEN, "50", "A1", "微信"]
    done = till.orders(till.write([row, row, ["8", WHEN, "20", "A2", "微信"], row], PAYMENTS))
    assert (done["imported"], done["unchanged"], till.revenue_fen()) == (2, 2, 7_000)
    assert "2 rows say in every column what another row says" in done["warnings"][0]


def test_a_refund_at_its_orders_own_time_is_no_second_payment(till: Till) -> None:
    rows = [["7", WHEN, "50", "A1", "微信"], ["7", WHEN, "-20", "A1", "微信"]]
    done = till.orders(till.write(rows, PAYMENTS))
    assert (done["imported"], done["refunded"], till.revenue_fen()) == (1, 1, 3_000)


def test_a_payment_that_went_back_is_given_back(till: Till) -> None:
    columns, mapped = (*PAYMENTS, "状态"), f"{PAY_MAP},status=状态"
    first, second = ["7", WHEN, "50", "A1", "微信"], ["7", WHEN, "30", "A1", "现金"]
    till.orders(till.write([[*first, "成功"], [*second, "成功"]], columns), columns=mapped)
    later = till.write([[*first, "成功"], [*second, "已退款"]], columns)
    for refunded in (1, 0):
        assert till.orders(later, columns=mapped)["refunded"] == refunded
        assert till.revenue_fen() == 5_000
