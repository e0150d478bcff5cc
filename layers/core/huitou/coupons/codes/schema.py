"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration("code_batches", "for ever", [index("number", unique=True), index("template_id")]),
    Declaration(
        "code_uses",
        "for ever",
        [index("batch"), index("member_id")],
        shard_key=ShardKey("_id", "a batch's uses ask every shard"),
    ),
    Declaration(
        "code_tries",
        "until erased",
        shard_key=ShardKey("_id", "nothing"),
    ),
)
