"""Rows that are no sale, and values as tills write them, through the command to the database."""

from __future__ import annotations

import pytest

from till_files import COLUMNS, MAP, NO_NUMBER, Till

WHEN = "2026-01-10 12:30:15"


@pytest.mark.parametrize(
    "word",
    ["合计", "本页小计", "总计：", "小计",
     "合 计", "当日合计", "合计金额", "总　计", "【合计】",
     "合计：1,234.00 元", "静安寺店小计", "共 12 笔", "累计", "合計",
     "Total", "Grand Total:", "subtotal", "平均"],
)  # fmt: skip
def test_a_sum_row_is_no_member_and_no_order(till: Till, word: str) -> None:
    for place in (0, 3):
        row = ["7", WHEN, "50", "A1"]
        total = ["", "", "1234.00", ""]
        total[place] = word
        done = till.orders(till.write([row, total]), code=1)
        assert (done["imported"] + done["unchanged"], done["rejected"]) == (1, 1)
        assert "a sum row" in till.rejects()[0]["reason"]
        assert till.numbers() == {"7"}


def test_a_sum_row_is_found_in_a_first_column_that_nobody_mapped(till: Till) -> None:
    rows = [["1", "7", WHEN, "50"], ["合计", "2", WHEN, "50"]]
    done = till.orders(till.write(rows, ("序号", *COLUMNS[:3])), columns=NO_NUMBER, code=1)
    assert (done["imported"], done["rejected"]) == (1, 1)


@pytest.mark.parametrize(
    "word", ["小计", "合计：", "本日合计", "【总计】", "小 计", "Subtotal", "TOTAL:"]
)
def test_a_sum_row_is_found_in_any_column(till: Till, word: str) -> None:
    rows = [
        ["1", "7", WHEN, "50", "3号桌", ""],
        ["2", "", WHEN, "30", "", "累计"],
        ["", "", WHEN, "80", word, ""],
        ["", "7", WHEN, "80", "", word],
    ]
    path = till.write(rows, ("序号", *COLUMNS[:3], "桌号", "备注"))
    done = till.orders(path, "--without-member", "keep", columns=NO_NUMBER, code=1)
    assert (done["imported"], done["rejected"], till.revenue_fen()) == (2, 2, 8_000)
    assert "in column 桌号" in till.rejects()[0]["reason"]


@pytest.mark.parametrize(
    "word",
    ["散客", "-", "——", "未登录", "00000000", "null", "", "0", "游客", "普通散客",
     "散客1", "匿名用户",
     "未注册", "非会员", "无会员", "临时客户", "未知", "路人",
     "Walk-in", "guest", "(空)", "NULL", "N/A",
     "#N/A", "…", "99999999", "零售客户", "未绑定会员", "＊", "无", "0000"],
)  # fmt: skip
def test_a_walk_in_is_no_member(till: Till, word: str) -> None:
    done = till.orders(till.write([["7", WHEN, "50", "A1"], [word, WHEN, "60", "A2"]]), code=1)
    assert (done["imported"], done["rejected"]) == (1, 1)
    assert till.rejects()[0]["field"] == "member"
    assert till.numbers() == {"7"}


NOBODY = (
    "微信用户|微信会员|支付宝用户|美团外卖|饿了么|抖音用户|微信小程序用户|手机用户|待补充"
    "|无会员信息|金卡会员|VIP|3号桌|A01桌|Guest Customer|Online Order|No Customer|not provided"
    "|walk-in customer|null null|[object Object]|张先生|欧阳女士|王(先生)|陈小姐|顾客（女士）"
    "|散客(女)|Mr. Li|13800000001转1234|17000000001,1234|13800000001_6789"
)


def test_a_name_that_many_people_share_is_no_member(till: Till) -> None:
    words = NOBODY.split("|")
    rows = [[word, WHEN, "50", f"A{n}"] for n, word in enumerate(words)]
    done = till.orders(till.write(rows), code=1)
    assert (till.numbers(), done["rejected"]) == (set(), len(words))
    assert {one["field"] for one in till.rejects()} == {"member"}
    kept = till.orders(till.write(rows), "--without-member", "keep")
    assert (kept["without_member"], till.stored("accounts")) == (len(words), [])
    path = till.write([[word, "10"] for word in words], ("会员号", "积分"))
    assert till.balances(path, columns="member=会员号,points=积分", code=1)["members"] == 0


@pytest.mark.parametrize(
    "mask",
    ["138****0001", "138＊＊＊＊0001", "138xxxx0001", "138XXXX0001", "138••••0001", "张**", "张*",
     "138●●●●0001", "138####0001", "138----0001", "138····0001",
     "尾号0001", "***0001", "138 **** 0001",
     "138____0001", "138××××0001"],
)  # fmt: skip
def test_a_mask_is_shared_and_so_no_member(till: Till, mask: str) -> None:
    done = till.orders(till.write([[mask, WHEN, "50", "A1"], [mask, WHEN, "60", "A2"]]), code=1)
    assert (done["imported"], done["rejected"], till.numbers()) == (0, 2, set())
    assert "masked" in till.rejects()[0]["reason"]


@pytest.mark.parametrize(
    "number",
    ["A-001", "张三", "1111", "会员12", "88888888", "x1", "顾客7", "20261010E0012", "VIP001",
     "黄金荣", "李先", "张女", "美团123", "金卡001", "misty", "20260302_7"],
)  # fmt: skip
def test_a_real_number_stays_a_member(till: Till, number: str) -> None:
    till.orders(till.write([[number, WHEN, "50", "A1"]]))
    assert till.numbers() == {number}


SOLD = ["已完成", "交易成功", "已支付", "正常", "未退款", "Paid", "已结账", "待评价"]
NOT_SOLD = ["已退款", "交易关闭", "已取消", "退款成功", "作废", "未支付",
            "待付款", "Cancelled", "refunded",
            "反结账", "支付失败", "全额退款", "已退单", "未完成", "充值"]  # fmt: skip


def test_only_what_was_sold_is_revenue(till: Till) -> None:
    words = [*SOLD, *NOT_SOLD]
    rows = [[str(n), WHEN, "50", f"A{n}", word] for n, word in enumerate(words, start=1)]
    path = till.write(rows, (*COLUMNS, "订单状态"))
    done = till.orders(path, columns=f"{MAP},status=订单状态")
    assert done["imported"] == len(SOLD)
    assert done["not_sold"] == dict.fromkeys(NOT_SOLD, 1)
    assert till.revenue_fen() == 5_000 * len(SOLD)
    assert "warnings" not in done


@pytest.mark.parametrize("word", ["部分退款", "退款中", "C", "", "已归档"])
def test_a_status_that_nobody_knows_is_asked_about(till: Till, word: str) -> None:
    path = till.write([["7", WHEN, "50", "A1", word]], (*COLUMNS, "状态"))
    columns = f"{MAP},status=状态"
    done = till.orders(path, columns=columns, code=1)
    assert (done["imported"], done["rejected"]) == (0, 1)
    assert "--sold" in till.rejects()[0]["reason"]
    assert till.orders(path, "--sold", word, columns=columns)["imported"] == 1


def test_in_a_column_about_refunds_an_empty_cell_says_sold(till: Till) -> None:
    rows = [["7", WHEN, "50", f"A{n}", word] for n, word in enumerate(["", "否", "是", "无"])]
    done = till.orders(till.write(rows, (*COLUMNS, "是否退款")), columns=f"{MAP},status=是否退款")
    assert (done["imported"], done["not_sold"]) == (3, {"是": 1})


@pytest.mark.parametrize("name", ["订单状态", "交易状态", "Status", "是否退款", "备注2"])
def test_an_unmapped_column_that_looks_like_a_status_is_named(till: Till, name: str) -> None:
    rows = [["7", WHEN, "50", "A1", "已完成"], ["8", WHEN, "50", "A2", "已退款"]]
    done = till.orders(till.write(rows, (*COLUMNS, name)))
    assert name in done["warnings"][0]
    assert f"--map status={name}" in till.told.replace("\n", " ")


def test_a_column_of_notes_is_no_status(till: Till) -> None:
    rows = [["7", WHEN, "50", f"A{n}", f"取消香菜 {n}"] for n in range(40)]
    assert "warnings" not in till.orders(till.write(rows, (*COLUMNS, "备注")))


def test_a_negative_row_under_the_orders_own_number_gives_it_back(till: Till) -> None:
    rows = [
        ["7", "2026-01-12 09:00:30", "-20", "A1"],
        ["7", WHEN, "50", "A1"],
        ["7", "2026-01-12 09:00:30", "-20", "A1"],
    ]
    path = till.write(rows)
    done = till.orders(path)
    assert (done["imported"], done["refunded"]) == (1, 2)
    assert till.revenue_fen() == 1_000
    assert till.orders(path)["unchanged"] == 3
    excel = [
        ["7", "2026/1/12 9:00", "-20", "A1"],
        ["7", "2026/1/10 12:30", "50", "A1"],
        ["7", "2026/1/12 9:00", "-20", "A1"],
    ]
    assert till.orders(till.write(excel))["unchanged"] == 3
    assert till.revenue_fen() == 1_000
    assert till.differences() == []


def test_a_negative_row_of_no_order_is_rejected(till: Till) -> None:
    done = till.orders(till.write([["7", WHEN, "50", "A1"], ["7", WHEN, "-20", "R9"]]), code=1)
    assert (done["imported"], done["rejected"]) == (1, 1)
    assert "under its own number: no order" in till.rejects()[0]["reason"]


# --- values -----------------------------------------------------------------------------------


PHONES = ["13800000001", "138 0000 0001", "138-0000-0001", "+86 13800000001", "8613800000001",
          "0086-138-0000-0001", "(+86)138 0000 0001", "１３８００００００01", "'13800000001",
          "13800000001.0", "+86 (0)138-0000-0001", "手机：138 0000 0001",
          "138\u31640000\u28000001", "138\x0000000001", "\u202d13800000001\u202c"]  # fmt: skip


def test_a_phone_in_any_spelling_is_one_member(till: Till) -> None:
    rows = [[phone, WHEN, "50", f"A{n}"] for n, phone in enumerate(PHONES)]
    till.orders(till.write(rows))
    assert till.numbers() == {"13800000001"}
    abroad = ["+852 9123 4567", "00852-91234567", "(+852) 9123-4567"]
    till.orders(till.write([[phone, WHEN, "50", f"B{n}"] for n, phone in enumerate(abroad)]))
    assert till.numbers() == {"13800000001", "+85291234567"}


def test_a_phone_in_any_spelling_has_one_balance(till: Till) -> None:
    rows = [[phone, "10", "2099-12-31"] for phone in PHONES]
    path = till.write(rows, ("会员号", "积分", "有效期"))
    done = till.balances(path, columns="member=会员号,points=积分,expires_on=有效期")
    assert (done["imported"], done["members"], done["points"]) == (1, 1, 10 * len(PHONES))
    again = till.balances(path, columns="member=会员号,points=积分,expires_on=有效期")
    assert (again["imported"], again["unchanged"]) == (0, 1)


@pytest.mark.parametrize(
    "day",
    ["9999-12-31", "9999/12/31 23:59:59", "2999-12-31", "99991231", "永久", "永不过期", "长期有效",
     "0000-00-00", "0000-00-00 00:00:00", "——", ""],
)  # fmt: skip
def test_a_balance_that_is_valid_for_ever_never_expires(till: Till, day: str) -> None:
    path = till.write([["7", "10", day]], ("会员号", "积分", "有效期"))
    till.balances(path, columns="member=会员号,points=积分,expires_on=有效期")
    [account] = till.stored("accounts")
    assert account["lots"] == {"9999-12-31": 10}


def test_a_tier_for_ever_is_reviewed_on_the_last_day(till: Till) -> None:
    path = till.write([["7", "10", "黄金", "9999-12-31"]], ("会员号", "积分", "等级", "到期"))
    done = till.balances(path, columns="member=会员号,points=积分,tier=等级,tier_review=到期")
    assert done["tiers"] == 1


def test_sums_walk_ins_and_masks_have_no_balance(till: Till) -> None:
    rows = [["合计", "500"], ["散客", "1"], ["138****0001", "10"], ["7", "100.00000000000001"]]
    path = till.write(rows, ("会员号", "积分"))
    done = till.balances(path, columns="member=会员号,points=积分", code=1)
    assert (done["imported"], done["rejected"], till.numbers()) == (1, 3, {"7"})
