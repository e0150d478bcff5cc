"""Which members may be merged."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.members.profiles.errors import MEMBER
from huitou.members.profiles.models import Member
from huitou.operations.merges.errors import MergeErrors
from huitou.operations.merges.models import Merge, MergeMembersRequest
from huitou.persons.ids.errors import PersonErrors
from huitou.persons.ids.rules import MOST_IDS
from huitou.runtime.errors import Code, Refusal


def check(source: Member, into: Member) -> None:
    """Check that two members may be merged.

    Raises Refusal MERGE_SAME_MEMBER, NOT_FOUND (a member was erased), MERGED_ELSEWHERE (one of them
    is merged into another member; so merges can form no circle), MERGE_TWO_PHONES or
    MERGE_TOO_MANY.
    """
    for member, field in ((source, "from_member"), (into, "into_member")):
        if member.erased_at is not None:
            raise Refusal(Code.NOT_FOUND, field=field, detail=MEMBER)
    if source.id == into.id:
        raise Refusal(MergeErrors.MERGE_SAME_MEMBER, field="into_member")
    if source.merged_into not in (None, into.id):
        raise Refusal(PersonErrors.MERGED_ELSEWHERE, field="from_member")
    if into.merged_into is not None:
        raise Refusal(PersonErrors.MERGED_ELSEWHERE, field="into_member")
    ids = {source.id, *(source.merged_ids or ()), *(into.merged_ids or ())}
    if len(ids) >= MOST_IDS:
        raise Refusal(MergeErrors.MERGE_TOO_MANY, field="into_member", detail=str(MOST_IDS))
    phones = {source.phone_hash, into.phone_hash} - {None}
    if len(phones) > 1:
        raise Refusal(MergeErrors.MERGE_TWO_PHONES, field="from_member")


def is_of_till_only(member: Member, coupons: int, *, has_wechat: bool) -> bool:
    """Tell whether an account can't show a code, and holds nothing but points."""
    return not has_wechat and member.phone_hash is None and coupons == 0


def allows(limit: int, points: int, before: Sequence[Merge]) -> bool:
    """Tell whether one person may merge accounts of so many points without a code, that day."""
    return points + sum(merge.alone_points or 0 for merge in before) <= limit


def same(merge: Merge, request: MergeMembersRequest) -> Merge:
    """Return the merge if the request repeats it; raises Refusal MERGE_ID_REUSED if not."""
    names = ("from_member", "into_member", "actor", "reason")
    if any(getattr(merge, name) != getattr(request, name) for name in names):
        raise Refusal(MergeErrors.MERGE_ID_REUSED, field="merge_id")
    return merge
