"""What staff changed: who, when, from what to what."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from huitou.operations.staff.models import Role
from huitou.runtime.documents import Answer, Stored
from huitou.runtime.paging import PageRequest


class Change(Stored):
    """One change; written down before it is made, so that none goes unrecorded.

    `outcome` is the refusal's code where it was refused, and None where nobody knows: the
    process ended in between.
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
    """A page of changes, newest first; of one thing or one person only, if named."""

    target: str | None = None
    staff_id: str | None = None


class ShownChange(Answer):
    """One change, for eyes."""

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
