"""The floor of `bench pay`: plain writes of an order that is created, paid and settled."""

from __future__ import annotations

from dataclasses import dataclass

from pymongo.client_session import ClientSession

from cli.bench.paying import Till, Visit
from huitou.payments.charges.rules import out_trade_no
from huitou.runtime.database import Database, Document


@dataclass(frozen=True)
class WrittenDocuments:
    """The documents that one real order has written after each step; the floor copies them."""

    created: Document
    attempt: Document
    paid: Document
    payment: Document
    share: Document
    entry: Document

    @classmethod
    def of(cls, till: Till, visit: Visit) -> WrittenDocuments:
        """Serve one guest and copy the documents after each step."""
        mongo, order_id = till.database.mongo, visit.order_id

        def one(collection: str, **where: str) -> Document:
            return dict(mongo[collection].find_one(where) or {})

        till.create(visit)
        created = one("orders", _id=order_id)
        till.prepay(visit)
        attempt = one("payments", order_id=order_id)
        till.take_notice(visit)
        paid, payment = one("orders", _id=order_id), one("payments", order_id=order_id)
        share = one("shares", _id=order_id)
        till.settle(visit)
        return cls(created, attempt, paid, payment, share, one("points_entries", order_id=order_id))


class ByHand:
    """Writes the same documents with plain pymongo in the same transactions, without checks.

    It reads, prices, checks, verifies and signs nothing, and uses no models.
    """

    def __init__(self, database: Database, papers: WrittenDocuments) -> None:
        self._database = database
        self._papers = papers
        self._orders = database.collection("orders")
        self._payments = database.collection("payments")
        self._shares = database.collection("shares")
        self._numbers = database.collection("pickup_numbers")
        self._entries = database.collection("points_entries")
        self._accounts = database.collection("accounts")

    def serve(self, visit: Visit) -> None:
        self._create(visit)
        self._prepay(visit)
        self._take_money(visit)
        self._settle(visit)

    def _create(self, visit: Visit) -> None:
        order = self._papers.created | {
            "_id": visit.order_id,
            "member_id": visit.member_id,
        }

        def write(session: ClientSession) -> None:
            self._orders.insert_one(dict(order), session=session)

        self._database.transact(write)

    def _prepay(self, visit: Visit) -> None:
        number = out_trade_no(visit.order_id, 1)
        attempt = self._papers.attempt | {
            "_id": number,
            "order_id": visit.order_id,
            "member_id": visit.member_id,
        }
        prepay_id = attempt.pop("prepay_id")
        self._payments.insert_one(attempt)
        self._payments.update_one({"_id": number}, {"$set": {"prepay_id": prepay_id}})
        self._orders.update_one(
            {"_id": visit.order_id, "status": "created"},
            {
                "$set": {"status": "paying"},
                "$inc": {"version": 1},
                "$push": {"timeline": self._papers.paid["timeline"][1]},
            },
        )

    def _take_money(self, visit: Visit) -> None:
        papers = self._papers
        self._numbers.update_one(
            {"_id": f"{papers.created['store_id']}:by-hand"}, {"$inc": {"last": 1}}, upsert=True
        )
        share = papers.share | {"_id": visit.order_id, "member_id": visit.member_id}

        def write(session: ClientSession) -> None:
            self._orders.update_one(
                {"_id": visit.order_id, "status": "paying"},
                {
                    "$set": _changed(papers.created, papers.paid),
                    "$inc": {"version": 1},
                    "$push": {"timeline": papers.paid["timeline"][2]},
                },
                session=session,
            )
            self._payments.update_one(
                {"_id": out_trade_no(visit.order_id, 1), "status": "open"},
                {"$set": _changed(papers.attempt, papers.payment), "$unset": {"ask_at": ""}},
                session=session,
            )
            self._shares.insert_one(dict(share), session=session)

        self._database.transact(write)

    def _settle(self, visit: Visit) -> None:
        entry = self._papers.entry | {
            "_id": f"earn:{visit.order_id}",
            "order_id": visit.order_id,
            "member_id": visit.member_id,
            "cause": visit.order_id,
        }
        moved = {
            "available": entry["points"],
            "reserved": 0,
            "version": 1,
            f"spend_by_day.{entry['business_day']}": entry["spend_fen"],
        }

        def write(session: ClientSession) -> None:
            self._orders.update_one(
                {"_id": visit.order_id, "settlement": "due"},
                {"$set": {"settlement": "done", "rollup": "due"}},
                session=session,
            )
            self._entries.insert_one(dict(entry), session=session)
            self._accounts.update_one(
                {"_id": visit.member_id},
                {"$inc": moved, "$set": {"tier_review": "due"}},
                session=session,
            )

        self._database.transact(write)


def _changed(before: Document, after: Document) -> Document:
    """Return the fields that a step has set, without those that it increments or appends to."""
    apart = ("version", "timeline")
    return {k: v for k, v in after.items() if k not in apart and before.get(k) != v}
