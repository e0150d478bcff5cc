"""Dates, amounts and numbers of members in every spelling that tills use, one by one."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from cli.imports.amounts import fen_of, points_of, quantity_of
from cli.imports.cells import BadRow, clean
from cli.imports.dates import guessed
from cli.imports.people import is_sum, member_number

MOST = 10**10
AFTERNOON = datetime(2026, 10, 5, 15, 20)


@pytest.mark.parametrize(
    "written",
    ["2026/10/5 下午 3:20", "2026/10/5 3:20 PM", "2026-10-05 3:20pm", "2026年10月5日 下午3点20分",
     "2026年10月5日15时20分", "2026年10月5日15时20分00秒", "2026/10/5 15:20",
     "2026.10.5 下午 03:20:00",
     "2026-10-05T15:20:00.000", "202610051520", "20261005 15:20", "20261005T152000", "PM 3:20",
     "2026-10-05 星期一 15:20", "2026/10/5(周一) 15:20", "Mon, Oct 5, 2026 3:20 PM",
     "5 Oct 2026 15:20",
     "October 5th, 2026 3:20 p.m.", "2026年10月5号 15:20", "2026-10-05，15:20",
     "２０２６／１０／５　１５：２０",
     "2026 年 10 月 5 日 15:20", "2026/10/5 下午 15:20", "2026- 10- 05 15:20",
     "2026/10/5  15:20:00"],
)  # fmt: skip
def test_a_moment_in_any_spelling_is_the_same(written: str) -> None:
    text = written if written[0] != "P" else f"2026/10/5 {written}"
    assert guessed(clean(text)) == AFTERNOON


@pytest.mark.parametrize(
    ("written", "hour", "minute"),
    [("上午 12:20", 0, 20), ("12:20 AM", 0, 20), ("凌晨 1:05", 1, 5), ("下午 12:20", 12, 20),
     ("12:20 PM", 12, 20), ("中午 12:20", 12, 20), ("中午1:20", 13, 20), ("晚上 8:30", 20, 30),
     ("早上 8:30", 8, 30), ("3 PM", 15, 0), ("下午3点", 15, 0), ("傍晚 6:10", 18, 10)],
)  # fmt: skip
def test_the_half_of_the_day_counts(written: str, hour: int, minute: int) -> None:
    assert guessed(clean(f"2026/10/5 {written}")) == datetime(2026, 10, 5, hour, minute)


@pytest.mark.parametrize(
    "written",
    ["2026-10-05 晚上 12:00", "2026-10-05 晚上 2:00", "2026-10-05 上午 15:00", "2026-10-05 24:30",
     "2026-10-05 25:00", "2026-10-05 15:60", "10/5/2026 15:20", "5.10.2026", "26-10-05", "2026-10",
     "2026-10-5 下午 3:20 PM", "2026-10-0515:20", "2026/10-05", "20261005152", "2026-10-05 15",
     "2026-10-05 15:20 CST", "20261005 1", "Oct 2026", "2026-10-05 abc"],
)  # fmt: skip
def test_what_could_mean_two_moments_is_refused(written: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        guessed(clean(written))


@pytest.mark.parametrize("written", ["2026-10-05 24:00", "2026/10/5 24:00:00", "20261005240000"])
def test_24_00_is_the_next_days_first_moment(written: str) -> None:
    assert guessed(written) == datetime(2026, 10, 6)


@pytest.mark.parametrize(
    "written",
    ["2026-10-05T15:20:00+08:00", "2026-10-05 15:20:00 +0800", "2026/10/5 15:20+08:00",
     "2026-10-05 07:20Z", "2026-10-05 07:20 UTC", "2026-10-05 3:20 PM +8",
     "2026-10-05 15:20 GMT+8"],
)  # fmt: skip
def test_a_zone_is_kept(written: str) -> None:
    found = guessed(clean(written))
    assert isinstance(found, datetime)
    assert found == AFTERNOON.replace(tzinfo=timezone(timedelta(hours=8)))
    assert found.astimezone(UTC).hour == 7


@pytest.mark.parametrize("written", ["2026/10/5", "20261005", "2026年10月5日", "Oct 5, 2026",
                                     "2026-10-05 星期一", "2026-10-05(Mon)",
                                     "2026年10月5号"])  # fmt: skip
def test_a_day_stays_a_day(written: str) -> None:
    found = guessed(clean(written))
    assert (type(found), found) == (date, date(2026, 10, 5))


@pytest.mark.parametrize(
    ("written", "fen"),
    [("118.22999999999999", 11_823), ("47.410000000000004", 4_741), ("0.30000000000000004", 30),
     ("1.4210854715202004e-14", 0), ("-47.410000000000004", -4_741), ("(12.00)", -1_200),
     ("12.00-", -1_200), ("-¥5", -500), ("¥-5", -500), ("¥ 1,234.50", 123_450), ("CNY12", 1_200),
     ("RMB 12.5", 1_250), ("12元整", 1_200), ("人民币12", 1_200), ("12块", 1_200), ("－5", -500),
     ("＄5", 500), ("- 5", -500), ("1234.5000", 123_450)],
)  # fmt: skip
def test_an_amount_in_any_spelling(written: str, fen: int) -> None:
    assert fen_of(written, "yuan", MOST) == fen


@pytest.mark.parametrize("written", ["0.001", "12.345", "118.229", "0.00001", "1.00001", "5 6",
                                     "1.2.3", "--5", "¥", "1e-5", "(5", "1e3", "5%"])  # fmt: skip
def test_a_fraction_of_a_fen_or_no_number_is_refused(written: str) -> None:
    with pytest.raises(BadRow):
        fen_of(written, "yuan", MOST)


def test_noise_in_fen_and_points_is_no_fraction() -> None:
    assert fen_of("1182.0000000000002", "fen", MOST) == 1_182
    assert points_of("99.99999999999999", MOST) == 100
    assert points_of("1,234分", MOST) == 1_234
    for written in ("12.5", "-3", "1e9", str(MOST + 1)):
        with pytest.raises(BadRow):
            points_of(written, MOST)


@pytest.mark.parametrize(
    ("written", "count"), [("2", 2), ("x3", 3), ("×2", 2), ("", 1), ("-1", -1)]
)
def test_how_many_of_a_dish(written: str, count: int) -> None:
    assert quantity_of(written) == count


@pytest.mark.parametrize(
    ("written", "number", "formerly"),
    [("138-0000-0001", "13800000001", "138-0000-0001"), ("13800000001", "13800000001", None),
     ("8800 1234", "88001234", "8800 1234"), ("001-002", "001-002", None), ("A 1", "A 1", None),
     ("0012345678", "0012345678", None), ("20261010E0012", "20261010E0012", None),
     ("12800000001", "12800000001", None), ("+1 415-555-2671", "+14155552671", "+1 415-555-2671")],
)  # fmt: skip
def test_only_phones_and_blanks_have_one_spelling(
    written: str, number: str, formerly: str | None
) -> None:
    assert member_number(written) == (number, formerly)


@pytest.mark.parametrize("written", ["1.38E+10", "2.0260302e13", "1E+12", "1.23457E+19"])
def test_a_number_that_excel_has_shortened_is_refused(written: str) -> None:
    with pytest.raises(BadRow, match="Excel has shortened"):
        member_number(written)


@pytest.mark.parametrize("dish", ["合计套餐", "总汇三明治", "统一绿茶", "Totally Tea", "小计时器"])
def test_a_dish_is_no_sum(dish: str) -> None:
    assert not is_sum(dish)


@pytest.mark.parametrize("signs", ["a\u0315\u0300", "ﷺ\u0301"], ids=ascii)
def test_a_cell_longer_than_any_field_takes_keeps_its_signs(signs: str) -> None:
    text = signs * 50_000
    began_s = time.process_time()
    assert clean(text) == text
    assert time.process_time() - began_s < 1  # Bringing so many accents into order takes minutes.
