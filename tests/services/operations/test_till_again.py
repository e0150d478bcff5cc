"""The same order again, in a file that no longer says quite the same."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from openpyxl import Workbook

from till_files import COLUMNS, NO_NUMBER, Till

WHEN = "2026-01-10 12:30:15"


def test_a_file_that_excel_has_saved_brings_in_only_what_is_new(till: Till) -> None:
    times = ["12:30:15", "12:30:48", "13:05:00", "18:40:59"]
    rows = [["7", f"2026-01-10 {time}", "58.00"] for time in times]
    assert till.orders(till.write(rows, COLUMNS[:3]), columns=NO_NUMBER)["imported"] == 4
    excel = [["7", f"2026/1/10 {time[:5]}", "58"] for time in times]
    new = [["7", "2026/1/11 9:05", "58"]]
    done = till.orders(till.write([*excel, *new], COLUMNS[:3]), columns=NO_NUMBER)
    assert (done["imported"], done["unchanged"]) == (1, 4)
    # The first file once more, now with the new row as the till itself writes it.
    grown = [*rows, ["7", "2026-01-11 09:05:31", "58.00"]]
    done = till.orders(till.write(grown, COLUMNS[:3]), columns=NO_NUMBER)
    assert (done["imported"], done["unchanged"]) == (0, 5)
    assert till.differences() == []


def test_a_workbook_of_the_same_rows_brings_in_nothing(till: Till) -> None:
    till.orders(
        till.write([["7", WHEN, "58.00"], ["8", WHEN, "9.90"]], COLUMNS[:3]), columns=NO_NUMBER
    )
    book = Workbook()
    sheet = book.active
    assert sheet
    sheet.append(list(COLUMNS[:3]))
    sheet.append([7, datetime(2026, 1, 10, 12, 30, 15), 58])
    sheet.append([8, datetime(2026, 1, 10, 12, 30), 9.9])
    book.save(till.folder / "till.xlsx")
    done = till.orders(till.folder / "till.xlsx", columns=NO_NUMBER)
    assert (done["imported"], done["unchanged"]) == (0, 2)


def test_two_orders_of_one_minute_stay_two(till: Till) -> None:
    rows = [["7", "2026-01-10 12:30", "58"]] * 2
    assert till.orders(till.write(rows, COLUMNS[:3]), columns=NO_NUMBER)["imported"] == 2
    done = till.orders(till.write([*rows, rows[0]], COLUMNS[:3]), columns=NO_NUMBER)
    assert (done["imported"], done["unchanged"]) == (1, 2)
    later = [["7", "2026-01-10 12:31:05", "58"], ["7", "2026-01-10 12:31:40", "58"]]
    for row in later:  # A file for each, none of which has lost its seconds.
        assert till.orders(till.write([row], COLUMNS[:3]), columns=NO_NUMBER)["imported"] == 1


def test_an_order_with_a_number_is_known_without_its_seconds(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "58.00", "A1"]]))
    assert till.orders(till.write([["7", "2026/1/10 12:30", "58", "A1"]]))["unchanged"] == 1
    for other in (
        ["7", "2026/1/10 12:31", "58", "A1"],
        ["8", "2026/1/10 12:30", "58", "A1"],
        ["7", "2026/1/10 12:30", "59", "A1"],
    ):
        assert till.orders(till.write([other]), code=1)["rejected"] == 1


@pytest.mark.parametrize("form", ["{day:%Y%m%d}-{n:03}", "{day:%Y%m%d}{n:03}", "{n:03}/{day:%m%d}",
                                  "{day:%Y-%m-%d} {n:03}", "{day:%y%m%d}{n:03}"])  # fmt: skip
def test_numbers_that_begin_anew_each_day_are_mended_by_the_day(till: Till, form: str) -> None:
    days = [date(2026, 1, day) for day in (10, 11, 12)]
    told = [(day, n) for day in days for n in range(1, 5)]
    rows = [[str(n), f"{day} 12:0{n}:11", f"{n}0", f"{n:03}"] for day, n in told]
    first = till.orders(till.write(rows), code=1)
    assert (first["imported"], first["rejected"]) == (4, 8)
    assert "begin anew each day" in till.rejects()[0]["reason"]
    mended = [
        [*row[:3], form.format(day=day, n=n)] for row, (day, n) in zip(rows, told, strict=True)
    ]
    path = till.write(mended)
    done = till.orders(path)
    assert (done["imported"], done["unchanged"]) == (8, 4)
    assert till.orders(path)["unchanged"] == 12
    assert len(till.stored("orders")) == 12
    assert till.differences() == []
