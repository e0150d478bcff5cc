"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "features",
        "until erased",
        [
            index("last_order_day", "_id"),
            index("overdue_on", "_id", partialFilterExpression={"overdue_on": {"$exists": True}}),
            index(
                "first_order_at",
                "_id",
                partialFilterExpression={"first_order_at": {"$exists": True}},
            ),
            index("usual_store_id", "_id"),
            index("night_guest", "_id", partialFilterExpression={"night_guest": True}),
            index("tags", "_id"),
        ],
        shard_key=ShardKey("_id", "an audience asks every shard"),
    ),
    Declaration("dish_days", "30 days"),
)
