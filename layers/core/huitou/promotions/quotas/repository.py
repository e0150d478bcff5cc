"""Every query on `limit_pools` and `limit_uses`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pymongo.client_session import ClientSession
from pymongo.write_concern import WriteConcern

from huitou.promotions.quotas.models import UNLIMITED, InFlight, Left, MemberUses, Pool
from huitou.runtime.database import Database, Document, insert_new
from huitou.runtime.revisions import later_than

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Limits

DUE_AT_ONCE = 1_000
_OF_A_PIECE = ("piece", "pieces", "fen", "at", "again")


class LimitRepository:
    def __init__(self, database: Database) -> None:
        self._pools = database.collection("limit_pools")
        self._quickly = self._pools.with_options(write_concern=WriteConcern(1, j=False))
        self._uses = database.collection("limit_uses")

    def open(self, subject: str, limits: Limits, revision: int) -> None:
        """Set the pool to what a revision allows, less what was used before.

        The filter names the revision: if two editors store it, or one stores it twice, the
        difference is added once.
        """
        pieces, fen = limits.quota or UNLIMITED, limits.budget_fen or UNLIMITED
        fresh = {
            "_id": subject,
            "schema": 1,
            "left": pieces,
            "left_fen": fen,
            "quota": pieces,
            "budget_fen": fen,
            "revision": revision,
            "taken": {},
        }
        if not insert_new(self._pools, fresh):
            more = {"$subtract": [pieces, "$quota"]}
            more_fen = {"$subtract": [fen, "$budget_fen"]}
            self._pools.update_one(
                {"_id": subject, **later_than(revision)},
                [
                    {
                        "$set": {
                            "left": {"$add": ["$left", more]},
                            "left_fen": {"$add": ["$left_fen", more_fen]},
                            "quota": pieces,
                            "budget_fen": fen,
                            "revision": revision,
                        }
                    }
                ],
            )

    def take(
        self,
        subject: str,
        token: str,
        pieces: int,
        fen: int,
        more: Mapping[str, Any],
        most_of_member: int | None = None,
    ) -> str | None:
        """Take a unit out of a pool and return its name; None if too little is left.

        The filter names what must be left: if two callers take the last unit, one of them gets
        None. A token that has a unit in flight gets the same unit again, and the note counts in
        `again` how many more callers hold it. With `most_of_member` also None if the member whom
        `more` names has so many units of this pool in flight.
        """
        now, piece = time.time(), secrets.token_hex(6)
        note = {"piece": piece, "pieces": pieces, "fen": fen, "at": now, **more}
        where: Document = {
            "_id": subject,
            "left": {"$gte": pieces},
            "left_fen": {"$gte": fen},
            f"taken.{token}": {"$exists": False},
        }
        if most_of_member is not None:
            where["$expr"] = {"$lt": [_units_of(more["member_id"]), most_of_member]}
        taken = self._pools.update_one(
            where,
            {
                "$inc": {"left": -pieces, "left_fen": -fen},
                "$set": {f"taken.{token}": note},
                "$max": {"last_taken_at": now},
                "$min": {"due_at": now},
            },
        )
        if taken.matched_count:
            return piece
        # Its taker tries again. The new time keeps the sweep from putting the unit back meanwhile.
        there = self._pools.find_one_and_update(
            {"_id": subject, f"taken.{token}": {"$exists": True}},
            {"$set": {f"taken.{token}.at": now}, "$inc": {f"taken.{token}.again": 1}},
            projection={f"taken.{token}.piece": 1},
        )
        return str(there["taken"][token]["piece"]) if there else None

    def drop(self, subject: str, token: str, piece: str) -> None:
        """Remove a unit from those in flight, because it was used.

        This write waits for no disk and no other node. If it is lost, the sweep finds the unit in
        flight and its coupon or order stored, and removes it again.
        """
        self._quickly.update_one(
            {"_id": subject, f"taken.{token}.piece": piece}, {"$unset": {f"taken.{token}": ""}}
        )

    def leave(self, piece: InFlight) -> None:
        """Return a unit to its pool, unless another caller holds it: that one may still use it.

        Each holder leaves once, and the last one returns the unit. The filters name the holders:
        a caller who takes the unit again in between keeps it.
        """
        again = f"taken.{piece.token}.again"
        own = {"_id": piece.subject, f"taken.{piece.token}.piece": piece.piece}
        for _ in range(2):  # Another holder may leave between the two writes.
            if self._put_back(piece, {again: {"$not": {"$gt": 0}}}):
                return
            left = self._pools.update_one({**own, again: {"$gt": 0}}, {"$inc": {again: -1}})
            if left.matched_count:
                return

    def put_back_unmoved(self, piece: InFlight) -> None:
        """Return a unit to its pool if its taker hasn't tried again since it was read."""
        self._put_back(piece, {f"taken.{piece.token}.at": piece.since})

    def _put_back(self, piece: InFlight, where: Document) -> bool:
        """Return a unit in flight to its pool; the filter names it, so that happens only once."""
        own = {"_id": piece.subject, f"taken.{piece.token}.piece": piece.piece}
        back = self._pools.update_one(
            {**own, **where},
            {
                "$inc": {"left": piece.pieces, "left_fen": piece.fen},
                "$unset": {f"taken.{piece.token}": ""},
            },
        )
        return back.matched_count == 1

    def add(self, subject: str, pieces: int, fen: int, session: ClientSession) -> None:
        """Return what a cancelled order had used, in the transaction that cancels it."""
        self._pools.update_one(
            {"_id": subject}, {"$inc": {"left": pieces, "left_fen": fen}}, session=session
        )

    def left(self, subjects: list[str]) -> dict[str, Left]:
        """Return what each pool has left; a subject without a pool is missing."""
        found = self._pools.find({"_id": {"$in": subjects}}, {"left": 1, "left_fen": 1})
        return {pool["_id"]: Left(pool["left"], pool["left_fen"]) for pool in found}

    def in_flight(self, before: float) -> Iterator[InFlight]:
        """Yield the units that were taken before a moment and are still in flight.

        The cost depends on how many pools were touched, not on how many there are.
        """
        due = self._pools.find({"due_at": {"$lt": before}}).sort("due_at", 1).limit(DUE_AT_ONCE)
        for pool in map(Pool.model_validate, due):
            old = {t: note for t, note in pool.taken.items() if note["at"] < before}
            for token, note in old.items():
                more = {name: value for name, value in note.items() if name not in _OF_A_PIECE}
                yield InFlight(
                    pool.id, token, note["piece"], note["pieces"], note["fen"], note["at"], more
                )
            self._update_due_at(pool)

    def _update_due_at(self, pool: Pool) -> None:
        found = self._pools.find_one({"_id": pool.id})
        if found is None:
            return
        now = Pool.model_validate(found)
        due = min((note["at"] for note in now.taken.values()), default=None)
        change: Document = {"$unset": {"due_at": ""}} if due is None else {"$set": {"due_at": due}}
        # If somebody takes from the pool meanwhile, `last_taken_at` differs and the pool stays due.
        self._pools.update_one({"_id": pool.id, "last_taken_at": now.last_taken_at}, change)

    def uses(self, ids: list[str], session: ClientSession | None = None) -> dict[str, MemberUses]:
        """Return those of these counters that exist, by id."""
        found = self._uses.find({"_id": {"$in": ids}}, session=session).limit(len(ids) or 1)
        return {uses.id: uses for uses in map(MemberUses.model_validate, found)}

    def insert_uses(self, uses: MemberUses, session: ClientSession) -> None:
        """Insert a new counter; if two transactions do so, one conflicts and runs again."""
        self._uses.insert_one(uses.document(), session=session)

    def uses_of(self, member_id: str, session: ClientSession) -> list[MemberUses]:
        """Return all counters of a member; there is one for each limited offer they used."""
        found = self._uses.find({"member_id": member_id}, session=session)
        return [MemberUses.model_validate(document) for document in found]

    def add_uses(self, identity: str, uses: MemberUses, session: ClientSession) -> None:
        """Add the figures of one counter to another one, and delete the first."""
        figures = {"total": uses.total}
        figures |= {f"days.{day}": count for day, count in uses.days.items()}
        figures |= {f"months.{month}": count for month, count in uses.months.items()}
        new = {"schema": 1, "member_id": identity.rpartition("|")[2]}
        self._uses.update_one(
            {"_id": identity}, {"$inc": figures, "$setOnInsert": new}, upsert=True, session=session
        )
        self._uses.delete_one({"_id": uses.id}, session=session)

    def count(
        self,
        identity: str,
        below: Mapping[str, int],
        fields: list[str],
        by: int,
        session: ClientSession,
    ) -> bool:
        """Add `by` to a counter's figures; False if a figure isn't below its limit.

        The filter names the limits. If two orders count at once, one conflicts, runs again and
        finds the limit reached.
        """
        where: Document = {"_id": identity}
        where |= {name: {"$not": {"$gte": limit}} for name, limit in below.items()}
        counted = self._uses.update_one(where, {"$inc": dict.fromkeys(fields, by)}, session=session)
        return counted.matched_count == 1


def _units_of(member_id: str) -> Document:
    """Return the expression that counts a member's units in flight in a pool."""
    notes = {"$objectToArray": "$taken"}
    own = {"$eq": ["$$note.v.member_id", {"$literal": member_id}]}
    return {"$size": {"$filter": {"input": notes, "as": "note", "cond": own}}}
