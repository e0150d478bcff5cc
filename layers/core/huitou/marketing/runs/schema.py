"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "campaign_runs",
        "two years (records of promotions)",
        [
            index(
                "status",
                "campaign_id",
                "_id",
                partialFilterExpression={"status": "due"},
                name="runs_due",
            ),
            index("campaign_id", "-day", "part"),
            index(
                "-day",
                "campaign_id",
                partialFilterExpression={"status": "skipped"},
                name="runs_skipped",
            ),
        ],
    ),
    Declaration(
        "campaign_waiting",
        "until served",
        [index("campaign_id", "due_at", "_id"), index("member_id")],
        shard_key=ShardKey("_id", "the list of a campaign's due messages asks every shard"),
    ),
)
