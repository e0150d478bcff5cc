"""Merges: one person has two member accounts, and what one has moves to the other."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.paging import PageRequest
from huitou.runtime.typed import Name

MergeStatus = Literal["awaiting_approval", "merged", "rejected"]


class MergeMembersRequest(Request):
    """Merge a member into another one, because they are the same person with two accounts.

    Only for internal callers, who vouch for the actor. `from_code` and `into_code` are the codes
    that the two accounts show in the mini-program. Without them the merge may have to wait for a
    second person. A second request with the same `merge_id` changes nothing.
    """

    merge_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    from_member: str = Field(min_length=1, max_length=64)
    into_member: str = Field(min_length=1, max_length=64)
    from_code: str | None = Field(default=None, min_length=1, max_length=32)
    into_code: str | None = Field(default=None, min_length=1, max_length=32)
    actor: str = Field(min_length=1, max_length=64)
    reason: Name = Field(min_length=1, max_length=80)


class DecideMergeRequest(Request):
    """Approve or reject a merge that waits; the actor of the request may only reject it."""

    merge_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)


class MergesRequest(PageRequest):
    """List a page of merges of one status, the newest first."""

    status: MergeStatus = "awaiting_approval"


class MergeCodeRequest(Request):
    """Show the code by which staff know that this account is the caller's."""


class MergeCodeAnswer(Answer):
    """The code to show at the counter; it is good for at least `seconds`."""

    code: str
    seconds: int


class Merge(Stored):
    """One merge; its ledger entries are `transfer:<id>:out` and `transfer:<id>:in`.

    `points` is what it added to the balance of `into_member`. `at` is when it was asked for or, if
    it didn't wait, made. `not_before` is when a waiting one may be approved. `day` and `place` are
    those of a merge that one actor made alone without a code: `place` numbers the actor's of a day,
    `alone_points` is what these accounts held.
    """

    from_member: str
    into_member: str
    actor: str
    reason: str
    status: MergeStatus = "merged"
    points: int = 0
    coupons: int = 0
    identities: int = 0
    at: datetime
    not_before: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    day: str | None = None
    place: str | None = None
    alone_points: int | None = None

    def shown(self) -> "MergeAnswer":
        """What the caller sees of a merge."""
        names = MergeAnswer.model_fields.keys() - {"merge_id"}
        return MergeAnswer(merge_id=self.id, **{name: getattr(self, name) for name in names})


class MergeAnswer(Answer):
    """What was moved: points (negative: a debt), coupons, identities the member logs in with.

    A merge that waits for a second person has moved nothing; `not_before` is when it may be
    approved.
    """

    merge_id: str
    status: MergeStatus
    from_member: str
    into_member: str
    points: int
    coupons: int
    identities: int
    at: datetime
    not_before: datetime | None = None


class WaitingMerge(MergeAnswer):
    """A merge as those see it who decide: also who asked for it, and why."""

    actor: str
    reason: str


class MergesAnswer(Answer):
    """A page of merges, newest first; `next` is null at the end."""

    merges: list[WaitingMerge]
    next: str | None
