"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import NOT_NEGATIVE, WHOLE, Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "shares",
        "for ever (accounting law)",
        [
            # Holds only shares under way, so finding them takes the same time among any number.
            index(
                "look_at",
                "_id",
                partialFilterExpression={"look_at": {"$exists": True}},
                name="look_at_due",
            ),
            index("member_id"),
        ],
        validator={
            "required": ["paid_fen", "refunded_fen", "fee_fen", "kept_fen", "status", "version"],
            "properties": {
                "paid_fen": {"bsonType": ["int", "long"], "minimum": 1},
                "refunded_fen": NOT_NEGATIVE,
                "fee_fen": NOT_NEGATIVE,
                "kept_fen": WHOLE,
            },
        },
        shard_key=ShardKey("_id", "the list of those due asks every shard"),
    ),
    Declaration("share_rules", "for ever"),
    Declaration("share_receivers", "for ever"),
)
