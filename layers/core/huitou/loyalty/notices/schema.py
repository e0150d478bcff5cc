"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "notices",
        "two years",
        [index("member_id", "-at", "-_id"), index("kind", "at", "_id")],
        shard_key=ShardKey("_id", "a member's notices ask every shard"),
    ),
)
