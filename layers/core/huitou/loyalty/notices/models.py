"""Notices to members, in time before points expire or a tier falls."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Stored

NoticeKind = Literal["tier-keep", "points-expiring", "merge-asked"]


class Notice(Stored):
    """One notice to a member; `id` is `<kind>:<member>:<for_day>`, for a tier also `:<level>`.

    `for_day` is the day on which it happens. `data` is what the text needs: for tier-keep
    `level`, `name`, `by` and what is missing by figure (`spend_fen`, `orders`, `points`, `match`),
    for points-expiring `points`, for merge-asked nothing.
    """

    member_id: str
    kind: NoticeKind
    for_day: str
    data: dict[str, str | int] = Field(default={})
    at: datetime


class ShownNotice(Answer):
    """A notice as its member reads it; `for_day` is the day on which it happens."""

    notice_id: str
    kind: NoticeKind
    text: str
    for_day: str
    at: datetime


class NoticesAnswer(Answer):
    """One page of the member's notices, newest first; `next` is null on the last one."""

    notices: list[ShownNotice]
    next: str | None
