"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "positions",
        "24 hours",
        # `delete_at` is real time: data that must be deleted can't wait for a driven clock.
        [index("delete_at", expireAfterSeconds=0)],
        shard_key=ShardKey("_id", "nothing"),
    ),
    Declaration(
        "arrivals",
        "two years",
        [
            index("at", "_id"),
            index("member_id", "day"),
            index(
                "member_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_arrival_per_place",
            ),
        ],
        shard_key=ShardKey(
            "member_id",
            "the list of a day's arrivals asks every shard; a merge moves documents one by one",
        ),
    ),
)
