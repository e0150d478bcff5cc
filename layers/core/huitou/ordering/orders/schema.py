"""The collections of orders: indexes, validators, retention and migrations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pymongo import UpdateOne

from huitou.runtime.database import Database
from huitou.runtime.declarations import NOT_NEGATIVE, Declaration, ShardKey, index, marked_due
from huitou.runtime.migrations import Migration, mark_all, pages
from huitou.runtime.triggers import DONE, DUE

DECLARATIONS = (
    Declaration(
        "orders",
        "for ever (accounting law)",
        [
            marked_due("settlement"),
            marked_due("rollup", "business_day"),
            marked_due("features"),
            index("member_id", "-created_at", "-_id"),
            index("store_id", "business_day", "-created_at", "-_id"),
            index(  # Covers the query for a member's other visits: no document is read for it.
                "member_id",
                "business_day",
                "store_id",
                "channel",
                "counted_fen",
                partialFilterExpression={"counted_fen": {"$gt": 0}},
                name="counted",
            ),
            index(  # Unpaid orders only: paying or cancelling an order removes `expires_at`.
                "status",
                "expires_at",
                "_id",
                partialFilterExpression={"expires_at": {"$exists": True}},
                name="unpaid",
            ),
            index(  # The unpaid orders of a person that hold units of a pool.
                "member_id",
                "status",
                partialFilterExpression={"uses.piece": {"$exists": True}},
                name="holding_units",
            ),
            index(
                "completed_at",
                "_id",
                partialFilterExpression={"completed_at": {"$exists": True}},
            ),
            index("complete_by", partialFilterExpression={"complete_by": {"$exists": True}}),
            marked_due("shipping"),
            marked_due("card"),
        ],
        validator={
            "required": ["member_id", "status", "payable_fen", "points_used", "version"],
            "properties": {"payable_fen": NOT_NEGATIVE, "points_used": NOT_NEGATIVE},
        },
        shard_key=ShardKey(
            "_id", "a list by member, by store and day, or by what is due asks every shard"
        ),
        gone=("status_1_expires_at_1",),
    ),
    Declaration("pickup_numbers", "30 days"),
)


def _count_old_orders(database: Database) -> None:
    for page in pages(database, "orders", "settlement", "rollup"):
        settled = [o["_id"] for o in page if o.get("settlement") == DONE and "rollup" not in o]
        mark_all(database, "orders", settled, "rollup", DUE)


def _feature_old_orders(database: Database) -> None:
    for page in pages(database, "orders", "settlement", "features"):
        settled = [o["_id"] for o in page if o.get("settlement") == DONE and "features" not in o]
        mark_all(database, "orders", settled, "features", DUE)


def _name_old_refunds(database: Database) -> None:
    """Move a refund under way from the old field `refund_id` into the list `refunding`.

    `paid` used to be an order's last status: the timer completes such an order a day after it
    was paid.
    """
    fields = (
        "status",
        "refund_id",
        "payable_fen",
        "refunding",
        "refunds",
        "refund_status",
        "origin",
        "paid_at",
        "complete_by",
    )
    for page in pages(database, "orders", *fields):
        # The filter names the status that was read: the old code still runs and may end a refund.
        moved = [
            UpdateOne({"_id": order["_id"], "status": order["status"]}, {"$set": changes})
            for order in page
            if (changes := _with_old_refund(order) | _with_end(order))
        ]
        if moved:
            database.collection("orders").bulk_write(moved, ordered=False)


def _with_old_refund(order: dict[str, Any]) -> dict[str, Any]:
    named = order.get("refund_id")
    if named is None or order["status"] not in ("refunding", "refunded"):
        return {}
    if order["status"] == "refunded" or "refunding" in order:
        return {} if order.get("refund_status") else {"refund_status": "refunded"}
    pending = {"refund_id": named, "amount_fen": order["payable_fen"], "lines": []}
    return {"refunding": [pending], "refund_status": "refunding", "before_refund": "paid"}


def _with_end(order: dict[str, Any]) -> dict[str, Any]:
    old = order["status"] in ("paid", "refunding") and order.get("origin", "live") == "live"
    if not old or "complete_by" in order or order.get("paid_at") is None:
        return {}
    # Staff told WeChat by hand that these orders were handed over.
    return {"complete_by": order["paid_at"] + timedelta(days=1), "shipping": "not_needed"}


MIGRATIONS = (
    Migration(1, "orders settled before the roll-ups are due for them", _count_old_orders),
    Migration(3, "orders list their refunds under way, and those of before end", _name_old_refunds),
    Migration(6, "orders settled before there were features are due for them", _feature_old_orders),
)
