"""Where the table is in a till's file: headers, separators, sheets; and how large it may be."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from cli.imports import text_file, workbook_limits
from cli.imports.cells import HEADER_WITHIN, NotATable
from cli.imports.table import Row, Table, open_table
from cli.imports.text_file import MOST_BYTES_OF_A_LINE
from cli.imports.workbook_limits import MOST_COLUMNS, MOST_ROWS

WANTED = ["会员号", "时间", "实付"]
FIRST = ["7", "2026-01-10", "50"]


def opened(folder: Path, content: str | bytes | Workbook, sheets: tuple[str, ...] = ()) -> Table:
    path = folder / "till"
    if isinstance(content, Workbook):
        content.save(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(path, WANTED, sheets=sheets)


def cells(rows: list[Row]) -> list[list[Any]]:
    return [[row.cells[name] for name in WANTED] for row in rows]


def book(**sheets: list[list[Any]]) -> Workbook:
    """A workbook with these sheets, in this order."""
    made = Workbook()
    made.remove(made.worksheets[0])
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return made


@pytest.mark.parametrize("line", [1, 17, HEADER_WITHIN])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_header_may_stand_anywhere_in_the_first_lines(
    tmp_path: Path, kind: str, line: int
) -> None:
    above = [["报表", f"说明 {number}"] for number in range(1, line)]
    lines = [*above, WANTED, FIRST]
    text = "\n".join(",".join(one) for one in lines)
    [found] = opened(tmp_path, text if kind == "csv" else book(订单=lines)).rows
    assert (found.line, cells([found])) == (line + 1, [FIRST])


def test_a_header_too_far_down_is_refused_with_the_limit(tmp_path: Path) -> None:
    text = "报表\n" * HEADER_WITHIN + ",".join(WANTED)
    with pytest.raises(NotATable, match=f"first {HEADER_WITHIN} rows"):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    "header",
    ['"会员号","时间","实付\n金额"', '"会\r\n员 号",时间,"实付 金额"', "会员号,　时间,实付　金额",
     '"会员号","时间\n\n","实付\r金额"'],
)  # fmt: skip
def test_a_columns_name_may_hold_line_breaks_and_blanks(tmp_path: Path, header: str) -> None:
    path = tmp_path / "till.csv"
    path.write_bytes(f"报表\n{header}\n7,2026-01-10,50\n".encode())
    [found] = open_table(path, ["会员号", "时间", "实付金额"]).rows
    assert (found.fault, found.cells["实付金额"]) == (None, "50")
    assert found.line == 3 + header.count("\n")


def test_a_workbooks_header_may_hold_line_breaks(tmp_path: Path) -> None:
    [found] = opened(tmp_path, book(订单=[["会员\n号", "时 间", "实付\r\n"], FIRST])).rows
    assert cells([found]) == [FIRST]


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
@pytest.mark.parametrize(("after_header", "after_rows"), [(0, 1), (1, 0), (1, 1), (3, 3), (0, 4)])
def test_separators_at_the_end_of_rows_are_no_columns(
    tmp_path: Path, mark: str, after_header: int, after_rows: int
) -> None:
    text = f"{mark.join(WANTED)}{mark * after_header}\n{mark.join(FIRST)}{mark * after_rows}\n"
    [found] = opened(tmp_path, text).rows
    assert (found.fault, cells([found])) == (None, [FIRST])


@pytest.mark.parametrize("empty", [",,", ", ,", '"","",""', ",,,,", "\t\t"])
def test_a_row_of_separators_alone_is_no_row(tmp_path: Path, empty: str) -> None:
    mark = "\t" if "\t" in empty else ","
    text = f"{mark.join(WANTED)}\n{empty}\n{mark.join(FIRST)}\n{empty}\n"
    [found] = opened(tmp_path, text).rows
    assert (found.line, found.fault, cells([found])) == (3, None, [FIRST])


TABLE = "<table><tr><td>会员号</td><td>时间</td><td>实付</td></tr></table>"


@pytest.mark.parametrize(
    ("content", "told"),
    [("<html xmlns:x='urn:schemas-microsoft-com'>" + TABLE, "web page"), (TABLE, "web page"),
     ("\ufeff\n<!DOCTYPE html>" + TABLE, "web page"),
     ('<?xml version="1.0"?><Workbook><Worksheet/></Workbook>', "web page or XML"),
     (("会员号,时间,实付\n" * 9).encode("utf-16"), "UTF-16"),
     (("会员号,时间,实付\n7,2026-01-10,50\n" * 9).encode("utf-16-le"), "UTF-16")],
)  # fmt: skip
def test_what_is_no_text_table_is_told_by_its_kind(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    with pytest.raises(NotATable, match=told):
        opened(tmp_path, content)


@pytest.mark.parametrize("others", [0, 1, 9])
@pytest.mark.parametrize("at_end", ["", ",", ",,"])
def test_an_amount_with_a_comma_is_a_fault_whatever_stands_at_the_end(
    tmp_path: Path, at_end: str, others: int
) -> None:
    header = f"会员号,时间,实付,备注{at_end}\n"
    rows = f"8,2026-01-11,60,{at_end}\n" * others + f"7,2026-01-10,1,234.50,{at_end}\n"
    found = list(opened(tmp_path, header + rows).rows)
    assert [row.fault for row in found] == [None] * others + ["5 columns where the header has 4"]


# --- sheets -----------------------------------------------------------------------------------


def test_every_visible_sheet_of_the_header_is_read(tmp_path: Path) -> None:
    months = book(
        一月=[WANTED, FIRST],
        二月=[["二月"], [*reversed(WANTED), "备注"], ["60", "2026-02-10", "8", "x"]],
    )
    table = opened(tmp_path, months)
    found = list(table.rows)
    assert cells(found) == [FIRST, ["8", "2026-02-10", "60"]]
    assert [row.place for row in found] == ["一月 2", "二月 3"]
    assert "一月, 二月" in table.described
    assert table.columns == [*WANTED, "备注"]


@pytest.mark.parametrize("hidden", [None, 3, 2_000])
def test_rows_that_a_filter_hides_are_read_and_that_is_said(
    tmp_path: Path, hidden: int | None
) -> None:
    made = book(订单=[WANTED, *[FIRST] * 3_000])
    if hidden is not None:
        made["订单"].row_dimensions[hidden].hidden = True
    table = opened(tmp_path, made)
    assert ("hidden" in table.described) == (hidden is not None)
    assert len(list(table.rows)) == 3_000


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_read_only_by_its_name(tmp_path: Path, state: str) -> None:
    made = book(旧=[WANTED, ["9", "2020-01-10", "1"]], 新=[WANTED, FIRST])
    made["旧"].sheet_state = state
    table = opened(tmp_path, made)
    assert cells(list(table.rows)) == [FIRST]
    assert "旧 (hidden)" in table.described
    assert cells(list(opened(tmp_path, made, ("旧",)).rows)) == [["9", "2020-01-10", "1"]]
    made["新"].append(["x"])
    made.remove(made["新"])
    made.create_sheet("封面").append(["说明"])
    with pytest.raises(NotATable, match="only hidden sheets have these columns: 旧"):
        opened(tmp_path, made)


def test_a_cover_sheet_is_left_out_and_told(tmp_path: Path) -> None:
    table = opened(
        tmp_path, book(封面=[["订单报表"], ["静安寺店", "2026"]], 空=[], 订单=[WANTED, FIRST])
    )
    assert cells(list(table.rows)) == [FIRST]
    assert "封面 (no such columns)" in table.described


@pytest.mark.parametrize(
    "doubtful",
    [
        [["会员号", "时间", "实收"], FIRST],
        [["月份", "实付"], ["1", "50"]],
        [["卡号", "日期", "金额"], *([FIRST] * HEADER_WITHIN)],
        [FIRST] * HEADER_WITHIN,
    ],
)
def test_a_sheet_that_may_be_a_part_of_the_history_is_refused_by_name(
    tmp_path: Path, doubtful: list[list[str]]
) -> None:
    made = book(一月=[WANTED, FIRST], 二月=doubtful)
    with pytest.raises(NotATable, match="another header: 二月; with these columns: 一月"):
        opened(tmp_path, made)
    assert cells(list(opened(tmp_path, made, ("一月",)).rows)) == [FIRST]


def test_a_sheet_is_named_or_told_which_there_are(tmp_path: Path) -> None:
    made = book(一月=[WANTED, FIRST], 二月=[WANTED, FIRST], 三月=[["x"]])
    assert [row.sheet for row in opened(tmp_path, made, ("二月", "一月", "二月")).rows] == [
        "二月",
        "一月",
    ]
    with pytest.raises(NotATable, match="no sheet 四月; there are: 一月, 二月, 三月"):
        opened(tmp_path, made, ("四月",))
    with pytest.raises(NotATable, match="sheet 三月: no column 会员号"):
        opened(tmp_path, made, ("三月",))
    with pytest.raises(NotATable, match="a text file has no sheets"):
        opened(tmp_path, ",".join(WANTED), ("一月",))


# --- limits -----------------------------------------------------------------------------------


def saved_with(made: Workbook, path: Path, part: str, old: bytes, new: bytes) -> bytes:
    """Return a saved workbook with one part changed by hand; a part that isn't there is added."""
    made.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    before = parts.get(part, old)
    assert old in before
    parts[part] = before.replace(old, new, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'<row r="2"', b'<row r="1000000000"', f"1,000,000,000.* are {MOST_ROWS:,} rows"),
        (b'<row r="2"', b'<row r="1048577"', "row 1,048,577"),
        (b"<row r=\"2\"", b"<row\tr='99999999999999999999'", "most of a sheet"),
        (b'r="A2"', b'r="XFD2"', f"16,384 columns, and the most are {MOST_COLUMNS:,}"),
        (b'r="A2"', b'r="ZZZZZZZZZ2"', "columns"),
        (b"<worksheet", b"<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet", "document type"),
    ],
)  # fmt: skip
def test_a_tiny_workbook_that_says_it_is_huge_is_refused_at_once(
    tmp_path: Path, old: bytes, new: bytes, problem: str
) -> None:
    made, path = book(订单=[WANTED, FIRST]), tmp_path / "till"
    content = saved_with(made, path, "xl/worksheets/sheet1.xml", old, new)
    started = time.monotonic()
    with pytest.raises(NotATable, match=problem):
        list(opened(tmp_path, content).rows)
    assert time.monotonic() - started < 5


def test_a_workbook_with_too_many_texts_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = b"<sst>" + b"<si><t/></si>" * 2_000_000 + b"</sst>"
    made, path = book(订单=[WANTED, FIRST]), tmp_path / "till"
    content = saved_with(made, path, "xl/sharedStrings.xml", b"", texts)
    with pytest.raises(NotATable, match="unpacks to more than 300 times its size"):
        opened(tmp_path, content)
    monkeypatch.setattr(workbook_limits, "MOST_TIMES", 10_000)
    monkeypatch.setattr(workbook_limits, "MOST_TEXTS", 1_000_000)
    with pytest.raises(NotATable, match="more than 1,000,000 different texts"):
        opened(tmp_path, content)
    monkeypatch.setattr(workbook_limits, "MOST_UNPACKED", 1024**2)
    with pytest.raises(NotATable, match="more than 1 MB unpacked"):
        opened(tmp_path, content)


@pytest.mark.parametrize("length", [131_073, MOST_BYTES_OF_A_LINE + 1])
@pytest.mark.parametrize("where", ["title", "header", "cell", "quoted", "after a line break"])
def test_a_line_that_is_too_long_costs_its_own_row_and_is_told(
    tmp_path: Path, where: str, length: int
) -> None:
    long = "x" * length
    title = long if where == "title" else "报表"
    header = ",".join([*WANTED, long if where == "header" else "备注"])
    note = {"cell": long, "quoted": f'"{long}"', "after a line break": f'"a\n{long}"'}.get(
        where, ""
    )
    text = f"{title}\n{header}\n7,2026-01-10,50,{note}\n8,2026-01-10,60,\n"
    if where == "header":
        with pytest.raises(NotATable):
            opened(tmp_path, text)
        return
    rows = list(opened(tmp_path, text).rows)
    assert cells([row for row in rows if not row.fault][-1:]) == [["8", "2026-01-10", "60"]]
    faults = [row.fault for row in rows if row.fault]
    assert bool(faults) == (where != "title")
    assert all(
        any(char.isdigit() for char in fault or "") or "quote" in str(fault) for fault in faults
    )


def test_a_file_without_line_ends_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "MOST_BYTES_OF_A_LINE", 100)
    text = ",".join(WANTED) + "\n" + "x" * 1_000 + "\n7,2026-01-10,50\n" + "y" * 100
    rows = list(opened(tmp_path, text).rows)
    assert [(row.line, row.fault and row.fault.split(",")[0]) for row in rows] == [
        (2, "longer than 100 bytes"),
        (3, None),
        (4, None),
    ]
