"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import NOT_NEGATIVE, Declaration, ShardKey, index

DECLARATIONS = (
    Declaration("mall_items", "for ever", [index("listed", "_id")]),
    Declaration(
        "mall_stock",
        "for ever",
        validator={"required": ["taken"], "properties": {"taken": NOT_NEGATIVE}},
    ),
    Declaration(
        "mall_exchanges",
        "for ever (entries name them)",
        [index("member_id", "item_id", "seq", unique=True, name="one_per_seq")],
        validator={
            "required": ["member_id", "item_id", "seq", "points", "coupon_id"],
            "properties": {"points": NOT_NEGATIVE},
        },
        shard_key=ShardKey("member_id", "a merge moves documents one by one"),
    ),
)
