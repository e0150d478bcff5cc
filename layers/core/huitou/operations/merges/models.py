"""Merges: one person has two member accounts, and what one has moves to the other."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored


class MergeMembersRequest(Request):
    """Merge a member into another one, because they are the same person with two OpenIDs.

    Only for internal callers, who vouch for the actor. A second request with the same `merge_id`
    changes nothing. A new `merge_id` for the same two members moves what `from_member` has received
    since.
    """

    merge_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    from_member: str = Field(min_length=1, max_length=64)
    into_member: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=80)


class Merge(Stored):
    """One completed merge; its ledger entries are `transfer:<id>:out` and `transfer:<id>:in`.

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
        """What the caller sees of a merge."""
        names = MergeAnswer.model_fields.keys() - {"merge_id"}
        return MergeAnswer(merge_id=self.id, **{name: getattr(self, name) for name in names})


class MergeAnswer(Answer):
    """What was moved: points (negative: a debt), coupons, identities the member logs in with."""

    merge_id: str
    from_member: str
    into_member: str
    points: int
    coupons: int
    identities: int
    at: datetime
