"""Read dates and times in every spelling that leaves no doubt: the year is always written out."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Literal

_DAY = re.compile(
    r"(?P<year>\d{4})(?:\s*(?P<mark>[-/.])\s*(?P<month>\d{1,2})\s*(?P=mark)\s*(?P<day>\d{1,2})"
    r"|\s*年\s*(?P<month_c>\d{1,2})\s*月\s*(?P<day_c>\d{1,2})\s*[日号號]"
    r"|(?P<month_p>\d{2})(?P<day_p>\d{2}))"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_ENGLISH = re.compile(
    rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+{_MONTH},?[\s-]+(?P<year>\d{{4}}))"
    rf"|(?:{_MONTH.replace('<month>', '<month_a>')}[\s-]+(?P<day_a>\d{{1,2}})(?:st|nd|rd|th)?"
    r",?[\s-]+(?P<year_a>\d{4}))"
)
_WEEKDAY = re.compile(
    r"[,(\[]?\s*(?:(?:星期|周|週|礼拜)[一二三四五六日天]"
    r"|\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b\.?)\s*[,)\]]?"
)
_BEFORE_NOON = ("am", "a.m.", "上午", "早上", "早晨", "清晨", "凌晨")
_AFTER_NOON = ("pm", "p.m.", "下午", "傍晚")
_NOON = ("中午", "正午")
_EVENING = ("晚上", "夜里", "夜间", "晚间", "晚")
_HALF = "|".join(
    re.escape(word) for word in (*_BEFORE_NOON, *_AFTER_NOON, *_NOON, *_EVENING)
)  # fmt: skip
_CLOCK = re.compile(
    rf"(?P<before>{_HALF})?\s*"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"|(?P<hour_c>\d{1,2})\s*[时時点點]\s*(?:(?P<minute_c>\d{1,2})\s*分?\s*"
    r"(?:(?P<second_c>\d{1,2})\s*秒)?)?"
    r"|(?P<hour_p>\d{2})(?P<minute_p>\d{2})(?P<second_p>\d{2})?"
    r"|(?P<hour_h>\d{1,2})(?=\s*[ap]\.?m))"
    rf"\s*(?P<after>{_HALF})?\s*(?P<zone>z|(?:utc|gmt)?[-+]\d{{1,2}}(?::?\d{{2}})?|utc|gmt)?"
)
_WITH_ZONE = re.compile(r".*\d(Z|[-+]\d{2}:?\d{2})")
_TIME_DIRECTIVES = ("%H", "%I", "%M", "%S", "%p", "%X", "%c", "%T", "%s", "%R")


def knows_time(date_format: str) -> bool:
    """Whether a date format has a time of day in it."""
    return any(mark in date_format for mark in _TIME_DIRECTIVES)


def guessed(text: str) -> date:
    """Return the day that a text says, or the moment (a datetime) where it has a time of day.

    24:00 is the next day's first moment. Raises ValueError for what is no such date, or could
    mean two moments: 12 o'clock "in the evening" is none of them for sure.
    """
    if _WITH_ZONE.fullmatch(text) and ":" in text:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # Written in another way than ISO 8601 does.
    lower = _WEEKDAY.sub(" ", text.lower()).strip()
    day, rest, end = _day_of(lower)
    if not rest.strip():
        return day
    joined = rest[0].isdigit() and end != "word"
    if joined and end != "digits":
        raise ValueError(text)  # 2026-3-218:30: nobody knows where the day ends.
    match = _CLOCK.fullmatch(rest.strip(" t,_" if not joined else ""))
    if match is None or (joined and match["hour_p"] is None):
        raise ValueError(text)
    return _moment(day, match)


def _day_of(text: str) -> tuple[date, str, Literal["digits", "word", "mark"]]:
    """Return the day at a text's beginning, the rest, and how the day ended.

    It is eight "digits" in a row, or ends with a "word" (日), or its parts have a "mark" between.
    """
    if match := _DAY.match(text):
        month = int(match["month"] or match["month_c"] or match["month_p"])
        day = int(match["day"] or match["day_c"] or match["day_p"])
        found = date(int(match["year"]), month, day)
        end: Literal["digits", "word", "mark"] = "digits" if match["month_p"] else "mark"
        return found, text[match.end() :], "word" if match["month_c"] else end
    if match := _ENGLISH.match(text):
        month = _MONTHS.index(match["month"] or match["month_a"]) + 1
        year, day = int(match["year"] or match["year_a"]), int(match["day"] or match["day_a"])
        return date(year, month, day), text[match.end() :], "mark"
    raise ValueError(text)


def _moment(day: date, match: re.Match[str]) -> datetime:
    def part(name: str) -> int:
        return int(next((match[n] for n in (name, f"{name}_c", f"{name}_p") if match[n]), 0))

    if match["before"] and match["after"]:
        raise ValueError("two words for the half of the day")
    half = match["before"] or match["after"]
    hour = int(match["hour_h"] or part("hour"))
    minute, second = part("minute"), part("second")
    if hour == 24 and not half and minute == second == 0:
        day, hour = day + timedelta(days=1), 0
    elif half:
        hour = _hour_of(hour, half)
    found = datetime(day.year, day.month, day.day, hour, minute, second)
    return found.replace(tzinfo=_zone(match["zone"])) if match["zone"] else found


def _hour_of(hour: int, half: str) -> int:
    """Return the hour of 24; raises ValueError where the word and the number don't agree."""
    if half in _BEFORE_NOON and hour <= 12:
        return hour % 12
    if half in _AFTER_NOON and 1 <= hour <= 23:
        return hour if hour >= 12 else hour + 12
    if half in _NOON and 11 <= hour <= 14:
        return hour
    if half in _NOON and 1 <= hour <= 2:
        return hour + 12
    if half in _EVENING and (5 <= hour <= 11 or hour >= 17):
        return hour if hour >= 17 else hour + 12
    raise ValueError(f"{half} {hour}")


def _zone(text: str) -> timezone:
    offset = re.fullmatch(r"(?:utc|gmt)?([-+])(\d{1,2}):?(\d{2})?", text)
    if offset is None:
        return timezone(timedelta())
    minutes = int(offset[2]) * 60 + int(offset[3] or 0)
    return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
