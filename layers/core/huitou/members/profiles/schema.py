"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.database import Database
from huitou.runtime.declarations import Declaration, ShardKey, index, marked_due
from huitou.runtime.migrations import Migration, mark_all, pages
from huitou.runtime.triggers import DUE

DECLARATIONS = (
    Declaration(
        "members",
        "until erased",
        [
            index("registered_day"),
            index("registered_channel", "registered_day"),
            index("registered_channel", "registered_at", "_id"),
            index(
                "phone_last4",
                "-registered_at",
                "-_id",
                partialFilterExpression={"phone_last4": {"$exists": True}},
            ),
        ],
        shard_key=ShardKey("_id", "a search by the phone's last digits or by day asks every shard"),
    ),
    Declaration(
        "identities",
        "until erased",
        [index("member_id"), index("before", sparse=True)],
        shard_key=ShardKey("_id", "a list of one member's identities asks every shard"),
    ),
    Declaration(
        "phone_moves",
        "two years (who lost a phone number to whom)",
        [index("from_member", "-at"), index("to_member", "-at")],
    ),
    Declaration(
        "logins",
        "two years",
        [marked_due("rollup", "business_day"), index("member_id", "business_day")],
        shard_key=ShardKey("_id", "a member's log-ins and those that are due ask every shard"),
    ),
)


def _count_old_members(database: Database) -> None:
    for page in pages(database, "members", "registered_channel"):
        old = [member["_id"] for member in page if "registered_channel" not in member]
        mark_all(database, "members", old, "registered_channel", "mini_program")
    for page in pages(database, "logins", "rollup"):
        old = [login["_id"] for login in page if "rollup" not in login]
        mark_all(database, "logins", old, "rollup", DUE)


MIGRATIONS = (
    Migration(2, "members and log-ins from before the roll-ups are counted", _count_old_members),
)
