"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import NOT_NEGATIVE, Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "refunds",
        "for ever (accounting law)",
        [
            index("status", "_id"),
            index("member_id"),
            index("order_id"),
            index("bill.day", "success_at"),  # Finds those that no bill has shown yet.
        ],
        validator={
            "required": ["order_id", "amount_fen", "status"],
            "properties": {"amount_fen": NOT_NEGATIVE},
        },
        shard_key=ShardKey("_id", "an order's refunds and the list of those due ask every shard"),
        gone=("bill.day_1_success_at_1__id_1",),
    ),
)
