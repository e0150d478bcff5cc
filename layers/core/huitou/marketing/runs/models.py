"""Runs: one day of one campaign for one part of the members; and occasions that wait."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored

LATE = -1

# Why a member whom a campaign met gets nothing; counted by these words.
PassedOver = Literal[
    "gone", "came back", "over", "no consent", "minor", "not personalised", "not a night guest",
    "not in the audience",
]  # fmt: skip


class Run(Stored):
    """What a campaign has to do on a day for members with ids from `low` up to `high`.

    `id` is `<campaign>:<day>:<part>`. `cursor` is the last member that was looked at; `counts` say
    what came of how many. A run that came too late to be of use is `skipped`; so is the one of part
    `LATE`, which counts what waited or happened and was too late on that day.
    """

    campaign_id: str
    day: str
    part: int
    low: str
    high: str
    cursor: str = ""
    status: Literal["due", "done", "skipped"] = "due"
    due_at: datetime
    counts: dict[str, int] = Field(default={})


class SkippedDay(Answer):
    """A day on which a campaign came too late: for all of that day's run (`whole`), or for a part.

    `occasions` had waited or had happened, and were too old to be told that day.
    """

    day: str
    whole: bool
    occasions: int


class Waiting(Stored):
    """An occasion that waits: told of from outside, until its member's night or day is over.

    `id` is that of the exposure it may become. `met_at` is when a run or an event
    met it; `over` is until when it is worth a message, `late_over` until
    when one in words for a day that is over. They are absent in those of before.
    """

    campaign_id: str
    member_id: str
    occasion: str
    due_at: datetime
    met_at: datetime | None = None
    over: datetime | None = None
    late_over: datetime | None = None


class EventRequest(Request):
    """Tell of something that happened to a member: running campaigns of its kind follow it."""

    kind: Literal["review"]
    member_id: str = Field(min_length=1, max_length=64)
    cause: str = Field(pattern=r"^[A-Za-z0-9_:.@-]{1,120}$")


class EventAnswer(Answer):
    """How many campaigns will look at it."""

    campaigns: int


class ByHandRequest(Request):
    """Send a running campaign of trigger `by_hand` to these members; `batch` is served once."""

    campaign_id: str = Field(min_length=1, max_length=40)
    batch: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    member_ids: list[str] = Field(min_length=1, max_length=500)
    actor: str = Field(min_length=1, max_length=64)


class WorkRequest(Request):
    """Do what is due for so many seconds."""

    seconds: float = Field(default=30, gt=0, le=800)


class WorkAnswer(Answer):
    """What came of how many; `rest` if there is more to do."""

    features: int
    planned: int
    counts: dict[str, int]
    pushes: dict[str, int]
    rest: bool


class RunsRequest(Request):
    """The runs of a campaign, newest day first."""

    campaign_id: str = Field(min_length=1, max_length=40)
    limit: int = Field(default=30, ge=1, le=200)


class ShownRun(Answer):
    """One run: its day and part, whether it is done, and what came of how many."""

    day: str
    part: int
    status: str
    counts: dict[str, int]


class RunsAnswer(Answer):
    """The runs, newest day first."""

    runs: list[ShownRun]
