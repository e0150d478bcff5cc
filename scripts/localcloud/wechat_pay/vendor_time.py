"""WeChat Pay's time: Beijing, to the second, on the driven clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


def stamp(moment: datetime) -> str:
    """Return a moment as the APIs write it."""
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def bill_stamp(written: str) -> str:
    """Return an API's moment as the bills write it."""
    return datetime.fromisoformat(written).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def day_of(written: str) -> str:
    """Return the calendar day on which an API's moment falls."""
    return datetime.fromisoformat(written).astimezone(BEIJING).date().isoformat()
