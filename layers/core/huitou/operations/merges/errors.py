"""Why two members can't be merged."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

MERGE: Words = "合并申请", "merge"


class MergeErrors(ErrorCode):
    """Why two members can't be merged."""

    MERGE_ID_REUSED = (
        "该合并单号已用于另一次合并，请换一个",
        "This id names another merge: take a new one",
    )
    MERGE_SAME_MEMBER = "不能与自己合并", "A member can't be merged into themselves"
    MERGE_TWO_PHONES = (
        "两个会员绑定了不同手机号，不能合并",
        "The two members have different phones and can't be merged",
    )
    MERGE_TOO_MANY = (
        "一个会员最多可有 {detail} 个会员号",
        "One member may have at most {detail} ids",
    )
    MERGE_NOT_YOURS = (
        "申请人不能自己批准合并",
        "Whoever asked for a merge can't approve it",
    )
    MERGE_TOO_EARLY = (
        "该合并最早 {detail} 可批准",
        "This merge can be approved from {detail} on",
    )
    MERGE_DECIDED = "该合并已处理", "This merge is decided already"
