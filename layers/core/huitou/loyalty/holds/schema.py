"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "points_holds",
        "for ever (entries name them)",
        [
            # Holds only documents that are still held, so that finding due ones stays cheap.
            index(
                "expires_at",
                "_id",
                partialFilterExpression={"status": "held"},
                name="held_until",
            ),
            index("member_id"),
        ],
        validator={
            "required": ["member_id", "points", "status", "version"],
            "properties": {"points": {"bsonType": ["int", "long"], "minimum": 1}},
        },
        shard_key=ShardKey("_id", "a member's holds and the list of those due ask every shard"),
    ),
)
