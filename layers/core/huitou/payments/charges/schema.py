"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, hashed, index

DECLARATIONS = (
    Declaration(
        "payments",
        "for ever (accounting law)",
        [
            hashed("order_id"),  # The id holds order and attempt, so it keeps them unique.
            index(
                "order_id",
                unique=True,
                partialFilterExpression={"status": "open"},
                name="one_open_attempt",
            ),
            index("member_id"),
            index("ask_at", partialFilterExpression={"ask_at": {"$exists": True}}),
            index("bill.day", "success_at"),  # Finds those that no bill has shown yet.
        ],
        validator={
            "required": ["order_id", "amount_fen", "status"],
            "properties": {"amount_fen": {"bsonType": ["int", "long"], "minimum": 1}},
        },
        shard_key=ShardKey(
            "order_id",
            "a list by member or by bill asks every shard; an id alone would, so its "
            "order is named beside it",
        ),
        gone=("order_id_1_attempt_1", "bill.day_1_success_at_1__id_1"),
    ),
)
