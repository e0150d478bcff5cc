"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from pymongo import IndexModel, UpdateMany

from huitou.coupons.issuing.rules import WELCOME
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database, Document
from huitou.runtime.declarations import Declaration, index
from huitou.runtime.migrations import Migration, pages

_PLACES = ("seq", "day_seq", "month_seq")


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
            *(_one_per(name) for name in _PLACES),
            index("template_id", "member_id"),
            index("issued_to", "template_id"),
            index(
                "template_id",
                "redeemed_at",
                partialFilterExpression={"redeemed_at": {"$exists": True}},
            ),
            index("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
        ],
    ),
    Declaration("coupon_claims", "two days", [index("expires_at", expireAfterSeconds=0)]),
)


def _note_first_members(database: Database) -> None:
    """Note to whom each old coupon was issued: its giver if it was given away, else its holder."""
    coupons = database.collection("coupons")
    # The old indexes gave each place to one holder; now a coupon keeps its place for its first one.
    there = coupons.index_information()
    for name in (f"one_per_{place}" for place in _PLACES):
        if name in there:
            coupons.drop_index(name)
    for page in pages(database, "coupons"):
        ids = [coupon["_id"] for coupon in page]
        old = {"_id": {"$in": ids}, "issued_to": {"$exists": False}}
        # Whoever gave a coupon away could get the same place again: it goes with the later one.
        given: list[Document] = [
            {"$set": {"issued_to": "$given_by"}},
            {"$unset": list(_PLACES)},
        ]
        coupons.update_many(old | {"given_by": {"$ne": None}}, given)
        coupons.update_many(old, [{"$set": {"issued_to": "$member_id"}}])
        _follow_merges(database, ids)


def _follow_merges(database: Database, coupon_ids: list[str]) -> None:
    """Let coupons that were issued to a member who was merged since count for the person.

    They lose their places, as in a merge: the person may have the same ones.
    """
    coupons = database.collection("coupons")
    found = coupons.find({"_id": {"$in": coupon_ids}}, {"issued_to": 1})
    current = Persons(database).current_ids(coupon["issued_to"] for coupon in found)
    moves = [
        UpdateMany(
            {"_id": {"$in": coupon_ids}, "issued_to": before},
            {"$set": {"issued_to": now}, "$unset": dict.fromkeys(_PLACES, "")},
        )
        for before, now in current.items()
        if now != before
    ]
    if moves:
        coupons.bulk_write(moves)


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
    Migration(10, "coupons know to whom they were issued", _note_first_members),
)
