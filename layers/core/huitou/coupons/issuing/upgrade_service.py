"""Note on coupons of the version before to whom they were issued."""

from __future__ import annotations

from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database, Document
from huitou.runtime.migrations import pages

PLACES = ("seq", "day_seq", "month_seq")


def note_first_members(database: Database) -> None:
    """Note to whom each old coupon was issued: its giver if it was given away, else its holder."""
    coupons = database.collection("coupons")
    # The old indexes gave each place to one holder; now a coupon keeps its place for its first one.
    there = coupons.index_information()
    for name in (f"one_per_{place}" for place in PLACES):
        if name in there:
            coupons.drop_index(name)
    for page in pages(database, "coupons"):
        ids = [coupon["_id"] for coupon in page]
        old = {"_id": {"$in": ids}, "issued_to": {"$exists": False}}
        # Whoever gave a coupon away could get the same place again: it goes with the later one.
        given: list[Document] = [
            {"$set": {"issued_to": "$given_by"}},
            {"$unset": list(PLACES)},
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
    for before, now in current.items():
        if now != before:  # Few members were merged.
            coupons.update_many(
                {"_id": {"$in": coupon_ids}, "issued_to": before},
                {"$set": {"issued_to": now}, "$unset": dict.fromkeys(PLACES, "")},
            )
