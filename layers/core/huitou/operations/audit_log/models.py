"""The record of what staff changed: who, when, and the values before and after."""

from datetime import datetime
from typing import Any, Literal

from huitou.operations.staff.models import Role
from huitou.runtime.documents import Answer, Stored
from huitou.runtime.limits import Id
from huitou.runtime.paging import PageRequest


class Change(Stored):
    """One change; stored before it is made, so that none is missing.

    `outcome` is "done", or the code of the error that stopped the change. It is None while the
    change is running, and stays None if it ended in an unexpected way.
    """

    at: datetime
    staff_id: str
    role: Role
    route: str
    target: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    outcome: str | None = None


class ChangesRequest(PageRequest):
    """List a page of changes, newest first; only those of one target or one person, if named."""

    target: Id | None = None
    staff_id: Id | None = None


class ShownChange(Answer):
    """One change as the console shows it."""

    change_id: str
    at: datetime
    staff_id: str
    role: Role
    route: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str | Literal["unknown"]


class ChangesAnswer(Answer):
    """A page of changes; `next` is null at the end."""

    changes: list[ShownChange]
    next: str | None
