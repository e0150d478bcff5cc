"""Which members may be merged."""

from __future__ import annotations

from huitou.members.profiles.errors import MEMBER, ProfileErrors
from huitou.members.profiles.models import Member
from huitou.operations.merges.errors import MergeErrors
from huitou.operations.merges.models import Merge, MergeMembersRequest
from huitou.runtime.errors import Code, Refusal


def check(source: Member, into: Member) -> None:
    """Refuse what can't be one person, or would go round in a circle.

    Raises Refusal MERGE_SAME_MEMBER, NOT_FOUND (who was forgotten), MERGED_ELSEWHERE (also where
    the other one was merged itself: so no chain and no circle can come about) or MERGE_TWO_PHONES.
    """
    for member, field in ((source, "from_member"), (into, "into_member")):
        if member.erased_at is not None:
            raise Refusal(Code.NOT_FOUND, field=field, detail=MEMBER)
    if source.id == into.id:
        raise Refusal(MergeErrors.MERGE_SAME_MEMBER, field="into_member")
    if source.merged_into not in (None, into.id):
        raise Refusal(ProfileErrors.MERGED_ELSEWHERE, field="from_member")
    if into.merged_into is not None:
        raise Refusal(ProfileErrors.MERGED_ELSEWHERE, field="into_member")
    phones = {source.phone_hash, into.phone_hash} - {None}
    if len(phones) > 1:
        raise Refusal(MergeErrors.MERGE_TWO_PHONES, field="from_member")


def same(merge: Merge, request: MergeMembersRequest) -> Merge:
    """A merge id names one merge for ever: the same inputs again, or MERGE_ID_REUSED."""
    names = ("from_member", "into_member", "actor", "reason")
    if any(getattr(merge, name) != getattr(request, name) for name in names):
        raise Refusal(MergeErrors.MERGE_ID_REUSED, field="merge_id")
    return merge
