"""Merges: one person, two accounts: what one of them has goes over to the other."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored


class MergeMembersRequest(Request):
    """Merge a member into another one: the same person, under two OpenIDs.

    Internal callers only, who vouch for the actor. The same `merge_id` again is the same merge; a
    new one for the same two members moves what has come to `from_member` since.
    """

    merge_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    from_member: str = Field(min_length=1, max_length=64)
    into_member: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=80)


class Merge(Stored):
    """One merge that has happened; its entries are `transfer:<id>:out` and `transfer:<id>:in`.

    `points` is what it added to the balance of `into_member`.
    """

    from_member: str
    into_member: str
    actor: str
    reason: str
    points: int
    coupons: int
    identities: int
    at: datetime

    def shown(self) -> MergeAnswer:
        """What the caller is told of a merge."""
        names = MergeAnswer.model_fields.keys() - {"merge_id"}
        return MergeAnswer(merge_id=self.id, **{name: getattr(self, name) for name in names})


class MergeAnswer(Answer):
    """What went over: points (negative: a debt), coupons, names under which the member logs in."""

    merge_id: str
    from_member: str
    into_member: str
    points: int
    coupons: int
    identities: int
    at: datetime
