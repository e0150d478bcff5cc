"""The collections of quotas: indexes, validators and retention."""

from __future__ import annotations

from huitou.runtime.declarations import WHOLE, Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "limit_pools",
        "for ever",
        [index("due_at", partialFilterExpression={"due_at": {"$exists": True}})],
        validator={
            "required": ["left", "left_fen"],
            "properties": {"left": WHOLE, "left_fen": WHOLE},
        },
    ),
    Declaration(
        "limit_uses",
        "until erased",
        [index("member_id")],
        shard_key=ShardKey(
            "_id", "a member's counts, which merges and erasures read, ask every shard"
        ),
    ),
)
