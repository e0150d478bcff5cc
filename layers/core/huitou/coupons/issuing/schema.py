"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from pymongo import IndexModel

from huitou.coupons.issuing.rules import WELCOME
from huitou.coupons.issuing.upgrade_service import PLACES, note_first_members
from huitou.runtime.database import Database
from huitou.runtime.declarations import Declaration, ShardKey, index
from huitou.runtime.migrations import Migration, pages


def _one_per(name: str) -> IndexModel:
    """Make an index under which a member gets each place of a limited template only once."""
    return index(
        "template_id",
        "issued_to",
        name,
        unique=True,
        partialFilterExpression={name: {"$exists": True}, "issued_to": {"$exists": True}},
        name=f"issued_one_per_{name}",
    )


DECLARATIONS = (
    Declaration("coupon_templates", "for ever"),
    Declaration("scenes", "for ever"),
    Declaration(
        "coupons",
        "two years after their end",
        [
            index("member_id", "status", "valid_until"),
            index("member_id", "-issued_at", "-_id"),
            index("status", "valid_until", "_id"),
            *(_one_per(name) for name in PLACES),
            index("template_id", "member_id"),
            index("issued_to", "template_id"),
            index(
                "template_id",
                "redeemed_at",
                partialFilterExpression={"redeemed_at": {"$exists": True}},
            ),
        ],
        shard_key=ShardKey(
            "member_id",
            "no unique index on template and first member, so two calls at once "
            "could exceed a member's limit: these places need a collection of their "
            "own first; a coupon changes hands alone, never by `update_many`; a "
            "change by id asks every shard",
        ),
        gone=("order_id_1",),
    ),
    Declaration(
        "coupon_claims",
        "two days",
        [index("expires_at", expireAfterSeconds=0)],
        shard_key=ShardKey("_id", "nothing"),
    ),
)


def _drop_phones(database: Database) -> None:
    """Take the phone's hash out of welcome coupons: their ids keep a phone from a second one."""
    for page in pages(database, "coupons", "cause"):
        old = [
            one["_id"]
            for one in page
            if one["cause"].startswith(WELCOME) and one["cause"] != WELCOME
        ]
        database.collection("coupons").update_many(
            {"_id": {"$in": old}}, {"$set": {"cause": WELCOME}}
        )


MIGRATIONS = (
    Migration(7, "welcome coupons keep no hash of a phone", _drop_phones),
    Migration(10, "coupons know to whom they were issued", note_first_members),
)
