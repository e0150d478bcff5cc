"""Reading a till's export: encodings, separators, dates and amounts as people write them."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook

from cli.imports.rows import BadRow, Rows
from cli.imports.table import NotATable, Row, Table, open_table

COLUMNS = {"member": "会员号", "paid_at": "时间", "amount": "实付"}
HEADER = "会员号,时间,实付\n"
SHANGHAI = ZoneInfo("Asia/Shanghai")
STORES = {"jingan": "jingan", "静安寺店": "jingan", "分店(一)": "one", "same": None}


def table(folder: Path, content: bytes | str, delimiter: str | None = None) -> Table:
    path = folder / "till.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(path, list(COLUMNS.values()), delimiter)


def read(folder: Path, content: bytes | str, delimiter: str | None = None) -> list[Row]:
    return list(table(folder, content, delimiter).rows)


def rows(**more: Any) -> Rows:
    given = {"unit": "yuan", "date_format": None, "zone": SHANGHAI, "store": None, **more}
    return Rows(**{"columns": COLUMNS, "stores": STORES, **given})


def normal(member: str = "7", paid_at: Any = "2026-01-10", amount: str = "50", **more: Any) -> Any:
    cells = {"会员号": member, "时间": paid_at, "实付": amount}
    return rows(**more).read(2, cells)


def fault(**cells: Any) -> tuple[str, str]:
    with pytest.raises(BadRow) as bad:
        normal(**cells)
    return bad.value.field, bad.value.reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("mark", [",", "\t", ";", "|", "  "])
def test_encoding_and_separator_are_found(tmp_path: Path, encoding: str, mark: str) -> None:
    text = f"会员号{mark}时间{mark}实付\r\n张三{mark}2026-01-10{mark}50.00\r\n"
    [found] = read(tmp_path, text.encode(encoding))
    assert found.cells == {"会员号": "张三", "时间": "2026-01-10", "实付": "50.00"}
    assert (found.line, found.fault) == (2, None)


def test_a_bad_line_does_not_change_the_files_encoding(tmp_path: Path) -> None:
    content = (HEADER + "张三,2026-01-10,50\n").encode() + "李四,2026-01-10,60\n".encode("gbk")
    first, second = read(tmp_path, content)
    assert first.fault is None
    assert second.fault == "not UTF-8 text"


def test_quotes_may_hold_separators_and_line_breaks_but_not_the_files_rest(tmp_path: Path) -> None:
    good = '"张,三",2026-01-10,50\n"李\n四",2026-01-11,60\n'
    found = read(tmp_path, HEADER + good + '"王五,2026-01-12,70\n赵六,2026-01-13,80\n')
    assert [(row.line, row.cells.get("会员号")) for row in found if not row.fault] == [
        (2, "张,三"),
        (3, "李\n四"),
        (6, "赵六"),
    ]
    [bad] = [row for row in found if row.fault]
    assert (bad.line, bad.fault) == (5, "a quote is never closed")


@pytest.mark.parametrize(
    "dishes",
    [
        ('12" pizza', '9" pizza', "5"),
        ('"big', "small", 'x"'),
        ('"big', "small", "x"),
        ('5" x', "", ""),
    ],
)
def test_a_stray_quote_costs_at_most_its_own_row(tmp_path: Path, dishes: tuple[str, ...]) -> None:
    lines = [f"{n},2026-01-1{n},5,{dish}\n" for n, dish in enumerate(dishes)]
    found = read(tmp_path, "会员号,时间,实付,菜\n" + "".join(lines))
    lost = 1 if dishes[0].startswith('"') else 0
    assert [row.cells["会员号"] for row in found if not row.fault] == ["0", "1", "2"][lost:]
    assert len([row for row in found if row.fault]) == lost


def test_a_bad_byte_within_quotes_is_found_on_every_line(tmp_path: Path) -> None:
    good = HEADER + "张三,2026-01-10,5\n李四,2026-01-10,5\n"
    found = read(tmp_path, good.encode() + b'"a\n\xff\xfe",2026-01-10,5\n')
    assert found[-1].fault == "not UTF-8 text"


@pytest.mark.parametrize("mark", ["\x0b", "\u2028", "\x85", "\x1c"])
def test_a_strange_letter_in_a_dish_does_not_end_the_row(tmp_path: Path, mark: str) -> None:
    [found] = read(tmp_path, f"会员号,菜,时间,实付\n7,a{mark}b,2026-01-10,5\n")
    assert (found.fault, found.cells["实付"]) == (None, "5")


def test_a_lone_carriage_return_is_a_fault(tmp_path: Path) -> None:
    [found] = read(tmp_path, "会员号,菜,时间,实付\n7,a\rb,2026-01-10,5\n")
    assert found.fault is not None


def test_the_header_may_come_after_a_title(tmp_path: Path) -> None:
    [found] = read(tmp_path, "静安寺店 订单明细\n\n" + HEADER + "7,2026-01-10,5\n")
    assert (found.line, found.cells["会员号"]) == (4, "7")


def test_a_row_of_another_length_is_not_guessed_at(tmp_path: Path) -> None:
    # An amount of 1,234.50 that nobody quoted would be read as 1.
    found = read(tmp_path, HEADER + "7,2026-01-10,1,234.50\n8,2026-01-10\n\n9,2026-01-10,5\n")
    assert [row.fault for row in found] == ["4 columns where the header has 3", None, None]
    # What Excel leaves out at the end of a row was empty; it is missed where it is needed.
    assert found[1].cells["实付"] == ""
    [spaces] = read(tmp_path, HEADER.replace(",", " ") + "8 2026-01-10\n")
    assert spaces.fault == "2 columns where the header has 3"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"a,b\r1,2\r", "old Macintosh"),
        (
            "会员号,时间,amount\n",
            "no column 实付 in the header; its columns are: 会员号, 时间, amount",
        ),
        ("会员号,时间,实付,实付\n", "twice"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx"),
        (b"PK\x03\x04nonsense", "not a workbook"),
    ],
)
def test_a_file_that_is_no_table_says_what_to_do(
    tmp_path: Path, content: bytes | str, problem: str
) -> None:
    with pytest.raises(NotATable, match=problem):
        table(tmp_path, content)


def test_a_workbook_is_read_with_its_dates_and_numbers(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    sheet.append(list(COLUMNS.values()))
    sheet.append([13800000001, datetime(2026, 1, 10, 18, 30), 11.77])
    sheet.append(["  007 ", date(2026, 1, 10), 12])
    sheet.append([None, None, None])
    sheet.append([7.0, "2026/1/10 9:05", "12.50"])
    book.save(tmp_path / "till.xlsx")
    found = list(open_table(tmp_path / "till.xlsx", list(COLUMNS.values()), None).rows)
    assert [row.line for row in found] == [2, 3, 5]
    reader = rows()
    assert [reader.read(row.line, row.cells) for row in found] == [
        {
            "line": 2,
            "member": "13800000001",
            "paid_at": "2026-01-10T10:30:00+00:00",
            "amount_fen": 1_177,
            "seq": 0,
        },
        {"line": 3, "member": "007", "paid_on": "2026-01-10", "amount_fen": 1_200, "seq": 0},
        {
            "line": 5,
            "member": "7",
            "paid_at": "2026-01-10T01:05:00+00:00",
            "amount_fen": 1_250,
            "seq": 0,
        },
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-10", {"paid_on": "2026-01-10"}),
        ("20260110", {"paid_on": "2026-01-10"}),
        ("2026/1/9", {"paid_on": "2026-01-09"}),
        ("2026.01.09", {"paid_on": "2026-01-09"}),
        ("2026年1月9日", {"paid_on": "2026-01-09"}),
        ("2024-02-29", {"paid_on": "2024-02-29"}),
        ("2026年1月9日 18:05", {"paid_at": "2026-01-09T10:05:00+00:00"}),
        ("2026/1/9 8:05", {"paid_at": "2026-01-09T00:05:00+00:00"}),
        ("2026-01-10T18:05:09", {"paid_at": "2026-01-10T10:05:09+00:00"}),
        ("2026-01-10 18:05:09.123", {"paid_at": "2026-01-10T10:05:09+00:00"}),
        ("20260110180509", {"paid_at": "2026-01-10T10:05:09+00:00"}),
        ("2026-01-10T18:05:09Z", {"paid_at": "2026-01-10T18:05:09+00:00"}),
        ("2026-01-10 18:05:09+09:00", {"paid_at": "2026-01-10T09:05:09+00:00"}),
        ("２０２６-01-10", {"paid_on": "2026-01-10"}),
    ],
)
def test_dates_as_tills_write_them(written: str, meant: dict[str, str]) -> None:
    found = normal(paid_at=written)
    assert {name: found[name] for name in found if name.startswith("paid_")} == meant


@pytest.mark.parametrize(
    "written",
    ["", "10/01/2026", "2026-13-01", "2026-02-30", "2025-02-29", "2026-1", "yesterday", "46032",
     "2026-12", "2026/11", "2026-061", "2026-3-218:30", "2026-W10", "2026-3/2", "0000-00-00",
     "2026-01-10 25:00", "1900-01-00", "1899-12-30", "2099-01-01", "202611"],
)  # fmt: skip
def test_what_is_no_date_is_not_guessed_at(written: str) -> None:
    assert fault(paid_at=written)[0] == "paid_at"


def test_a_date_format_says_how_and_whether_there_is_a_time() -> None:
    assert normal(paid_at="10/01/2026", date_format="%d/%m/%Y")["paid_on"] == "2026-01-10"
    told = normal(paid_at="10/01/2026 18:30", date_format="%d/%m/%Y %H:%M")
    assert told["paid_at"] == "2026-01-10T10:30:00+00:00"
    # A date that an export wrote with midnight behind it.
    midnight = normal(paid_at="2026-01-10 00:00:00", date_format="%Y-%m-%d 00:00:00")
    assert midnight["paid_on"] == "2026-01-10"
    assert fault(paid_at="2026-01-10", date_format="%d/%m/%Y")[1].startswith("not a date %d/%m/%Y")


@pytest.mark.parametrize(
    ("written", "fen"),
    [("50", 5_000), ("50.5", 5_050), ("0.01", 1), ("¥1,234.50", 123_450), ("￥12元", 1_200),
     ("1,234,567", 123_456_700), ("＋5", 500), ("０", 0), ("12.00 ", 1_200), ("1.10", 110)],
)  # fmt: skip
def test_amounts_as_tills_write_them(written: str, fen: int) -> None:
    assert normal(amount=written)["amount_fen"] == fen


@pytest.mark.parametrize(
    ("written", "reason"),
    [("", "there is none"), ("abc", "not a number"), ("nan", "not a number"),
     ("inf", "not a number"), ("1e3", "not a number"), ("1,23", "not a number"),
     ("0.001", "a fraction of a fen"),
     ("1000000000000", "too large"), ("-5", "no refund_of"), ("−5", "no refund_of")],
)  # fmt: skip
def test_what_is_no_amount_is_rejected(written: str, reason: str) -> None:
    name, why = fault(amount=written)
    assert name == "amount"
    assert reason in why


def test_fen_are_whole() -> None:
    assert normal(amount="1,234", unit="fen")["amount_fen"] == 1_234
    assert normal(amount="12.00", unit="fen")["amount_fen"] == 12
    assert fault(amount="12.5", unit="fen")[0] == "amount"


def test_a_member_is_needed_and_no_longer_than_a_number() -> None:
    assert fault(member=" ") == ("member", "there is none")
    assert fault(member="x" * 65)[0] == "member"
    assert normal(member="`０07")["member"] == "007"
    assert normal(member='="00123"')["member"] == "00123"
    assert normal(member="\u200b13800000001.0")["member"] == "13800000001"


@pytest.mark.parametrize("written", ["NULL", "\\N", "nan", "-", "0", "散客", "非会员", "None"])
def test_nobody_is_not_a_member(written: str) -> None:
    assert fault(member=written) == ("member", "there is none")


@pytest.mark.parametrize("written", ["1.38E+10", "2.0260302e13"])
def test_a_number_that_excel_has_shortened_is_not_taken_for_one(written: str) -> None:
    assert "Excel has shortened" in fault(member=written)[1]


def test_equal_rows_are_told_apart_by_their_count() -> None:
    reader = rows()
    cells = {"会员号": "7", "时间": "2026-01-10", "实付": "50"}
    assert [reader.read(n, cells)["seq"] for n in (2, 3)] == [0, 1]
    assert reader.read(4, cells | {"实付": "50.00"})["seq"] == 2, "it says the same"
    assert reader.read(5, cells | {"实付": "51"})["seq"] == 0
    # The same moment, written in two ways; two sums that Python's own hash can't tell apart.
    for written, seq in (("2026-01-10 12:00", 0), ("2026-01-10 04:00:00Z", 1)):
        assert reader.read(6, cells | {"时间": written})["seq"] == seq
    refunds = rows(columns=COLUMNS | {"refund_of": "原单"})
    for amount in ("-0.01", "-0.02"):
        assert refunds.read(7, cells | {"实付": amount, "原单": "H1"})["seq"] == 0


def test_a_refund_needs_both_the_sign_and_the_order() -> None:
    columns = COLUMNS | {"refund_of": "原单"}
    cells = {"会员号": "7", "时间": "2026-01-10", "实付": "-5", "原单": "A1"}
    assert rows(columns=columns).read(2, cells)["refund_of"] == "A1"
    with pytest.raises(BadRow):
        rows(columns=columns).read(2, cells | {"实付": "5"})
    with pytest.raises(BadRow):
        rows(columns=columns).read(2, cells | {"原单": ""})


def test_rows_without_a_store_take_the_given_one_or_are_rejected() -> None:
    columns = COLUMNS | {"store": "门店"}
    cells = {"会员号": "7", "时间": "2026-01-10", "实付": "5", "门店": ""}
    assert rows(columns=columns, store="jingan").read(2, cells)["store"] == "jingan"
    with pytest.raises(BadRow, match="--store"):
        rows(columns=columns).read(2, cells)
    assert rows(columns=columns).read(2, cells | {"门店": "分店（一）"})["store"] == "one"
    with pytest.raises(BadRow, match="more than one"):
        rows(columns=columns).read(2, cells | {"门店": "same"})
    # One store by whatever name is one store to the count of equal rows.
    reader = rows(columns=columns, store="jingan")
    seen = [reader.read(2, cells | {"门店": name})["seq"] for name in ("jingan", "静安寺店", "")]
    assert seen == [0, 1, 2]


def test_the_future_is_rejected() -> None:
    reader = rows(latest=datetime(2026, 1, 10, tzinfo=UTC))
    with pytest.raises(BadRow, match="future"):
        reader.read(2, {"会员号": "7", "时间": "2026-01-11", "实付": "5"})


def test_a_cell_may_be_as_long_as_it_likes_elsewhere(tmp_path: Path) -> None:
    header = "会员号,时间,实付,备注\n"
    [found] = read(tmp_path, header + "7,2026-01-10,5," + "x" * (csv.field_size_limit() + 1) + "\n")
    assert found.fault is not None
    assert "field larger" in found.fault


@pytest.mark.parametrize(
    ("shown", "kind"),
    [("yyyy-mm-dd", "paid_on"), ('[$-zh-CN]yyyy"年"m"月"d"日"', "paid_on"),
     ("[$-x-sysdate]dddd, mmmm dd, yyyy", "paid_on"), ("yyyy-mm-dd hh:mm:ss", "paid_at")],
)  # fmt: skip
def test_a_workbooks_day_is_a_day_however_it_is_shown(
    tmp_path: Path, shown: str, kind: str
) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    sheet.append(list(COLUMNS.values()))
    sheet.append(["7", datetime(2026, 3, 2), 5])
    sheet["B2"].number_format = shown
    sheet.append([1.23456789012345e19, datetime(2026, 3, 2), 5])
    book.save(tmp_path / "till.bin")
    first, second = open_table(tmp_path / "till.bin", list(COLUMNS.values())).rows
    assert kind in rows().read(2, first.cells)
    # A format without a time of day says that they are days.
    assert rows(date_format="%Y-%m-%d").read(2, first.cells)["paid_on"] == "2026-03-02"
    with pytest.raises(BadRow, match="shortened"):
        rows().read(3, second.cells)


@pytest.mark.parametrize(
    "day", ["2026-01-10", "20260110", date(2026, 1, 10), datetime(2026, 1, 10)]
)
@pytest.mark.parametrize(
    ("clock", "at"),
    [("18:30", "10:30:00"), ("下午 6:30:05", "10:30:05"), ("6:30 PM", "10:30:00"),
     ("18点30分", "10:30:00"), (datetime(1899, 12, 31, 18, 30), "10:30:00")],
)  # fmt: skip
def test_a_time_may_have_a_column_of_its_own(day: Any, clock: Any, at: str) -> None:
    columns = {**COLUMNS, "time": "钟点"}
    cells = {"会员号": "7", "时间": day, "实付": "50", "钟点": clock}
    found = rows(columns=columns).read(2, cells)
    assert found["paid_at"] == f"2026-01-10T{at}+00:00"
    us = {**cells, "时间": "01/10/2026"}
    assert rows(columns=columns, date_format="%m/%d/%Y").read(2, us) == found
    assert rows(columns=columns).read(2, {**cells, "钟点": "-"})["paid_on"] == "2026-01-10"


@pytest.mark.parametrize(
    ("day", "clock"),
    [("2026-01-10", "25:00"), ("2026-01-10", "noon"), ("2026-01-10 09:00", "9:00")],
)
def test_a_time_that_nobody_can_read_is_refused_by_its_field(day: str, clock: str) -> None:
    cells = {"会员号": "7", "时间": day, "实付": "50", "钟点": clock}
    with pytest.raises(BadRow) as bad:
        rows(columns={**COLUMNS, "time": "钟点"}).read(2, cells)
    assert bad.value.field == "time"
