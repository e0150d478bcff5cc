"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import NOT_NEGATIVE, Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "subscriptions",
        "until erased",
        [index("member_id")],
        validator={"required": ["left"], "properties": {"left": NOT_NEGATIVE}},
        shard_key=ShardKey("_id", "a list of one member's asks every shard"),
    ),
)
