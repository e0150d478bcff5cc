"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index, marked_due

DECLARATIONS = (
    Declaration("deliveries", "until given", [index("since")]),
    Declaration(
        "exposures",
        "two years (records of promotions)",
        [
            index("campaign_id", "member_id", "at"),
            index("member_id", "day", "campaign_id"),
            index("member_id", "delivery", "-at", "-_id"),
            index(
                "member_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_per_place",
            ),
            marked_due("push"),
            index(
                "push", "sent_at", partialFilterExpression={"push": "sending"}, name="push_sending"
            ),
        ],
        shard_key=ShardKey(
            "member_id", "a campaign's report asks every shard; a merge moves documents one by one"
        ),
    ),
)
