"""Runs, each for one day of one campaign and one part of the members; and waiting occasions."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.limits import Id

LATE = -1  # The `part` of the record that counts a day's late occasions.

RunStatus = Literal["due", "done", "skipped"]
# Why a member whom a campaign met gets nothing; counted by these words.
PassedOver = Literal[
    "gone", "came back", "over", "no consent", "minor", "not personalised", "not a night guest",
    "not in the audience",
]  # fmt: skip


class Run(Stored):
    """A campaign's work of one day for the members with ids from `low` to below `high`.

    `id` is `<campaign>:<day>:<part>`. `cursor` is the last member that was looked at. `counts` says
    how many occasions had which outcome. A run is `skipped` if it came too late to be of use. The
    record with part `LATE` is no run and is always `skipped`: it counts the occasions of the day
    that waited, or came from events, and were too late.
    """

    campaign_id: str
    day: str
    part: int
    low: str
    high: str
    cursor: str = ""
    status: RunStatus = "due"
    due_at: datetime
    counts: dict[str, int] = Field(default={})


class SkippedDay(Answer):
    """A day on which a campaign was too late, with all of the day's run (`whole`) or with a part.

    `occasions` counts those that waited, or came from events, and were too old on that day.
    """

    day: str
    whole: bool
    occasions: int


class Waiting(Stored):
    """An occasion that waits until `due_at`.

    An occasion that a caller reported waits for the timer. Another one waits for the morning, if
    the member has quiet hours now, or for the next day, if the member had enough messages today.
    `id` is that of the exposure that it may become. `met_at` is when a run or an event found it.
    Until `over` it is worth a message, and from then until `late_over` one in late words.
    Documents that an older version wrote lack these three fields.
    """

    campaign_id: str
    member_id: str
    occasion: str
    due_at: datetime
    met_at: datetime | None = None
    over: datetime | None = None
    late_over: datetime | None = None


class EventRequest(Request):
    """Report something that happened to a member, for the running campaigns with this trigger.

    `cause` names it: the same cause is served once.
    """

    kind: Literal["review"]
    member_id: str = Field(min_length=1, max_length=64)
    cause: str = Field(pattern=r"^[A-Za-z0-9_:.@-]{1,120}$")


class EventAnswer(Answer):
    """How many campaigns will consider it."""

    campaigns: int


class ByHandRequest(Request):
    """Send a running campaign with trigger `by_hand` to these members.

    A member gets one message for each `batch`, however often the request is repeated.
    """

    campaign_id: str = Field(min_length=1, max_length=40)
    batch: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    member_ids: list[Id] = Field(min_length=1, max_length=500)
    actor: str = Field(min_length=1, max_length=64)


class WorkRequest(Request):
    """Work on what is due for so many seconds at most."""

    seconds: float = Field(default=30, gt=0, le=800)


class WorkAnswer(Answer):
    """What was done: orders counted in features, runs planned, and occasions by outcome.

    `pushes` counts subscription messages by outcome. `rest` says that there is more to do.
    """

    features: int
    planned: int
    counts: dict[str, int]
    pushes: dict[str, int]
    rest: bool


class RunsRequest(Request):
    """List a campaign's runs, the newest day first."""

    campaign_id: str = Field(min_length=1, max_length=40)
    limit: int = Field(default=30, ge=1, le=200)


class ShownRun(Answer):
    """One run: its day and part, its status, and how many occasions had which outcome."""

    day: str
    part: int
    status: RunStatus
    counts: dict[str, int]


class RunsAnswer(Answer):
    """The runs, the newest day first."""

    runs: list[ShownRun]
