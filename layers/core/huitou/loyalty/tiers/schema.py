"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "tier_changes",
        "for ever",
        [
            index("member_id", "-at"),
            index("at", "_id"),
            index(
                "cause",
                "rules_revision",
                partialFilterExpression={"cause": "rules"},
                name="moved_by_rules",
            ),
        ],
        shard_key=ShardKey(
            "member_id", "the changes of a day or of a rule's revision ask every shard"
        ),
    ),
)
