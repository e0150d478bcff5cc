"""Every query of the roll-ups: the orders, log-ins and points they read, the days they write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pymongo import UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from huitou.catalog.stores.rules import shifted
from huitou.insight.kpis.models import Before, KpiDay, Login, RollUpOrder, Visit
from huitou.insight.kpis.rules import EVERYTHING, REACH_DAYS, Cell, Series, counted_fen
from huitou.runtime.database import Database, Document
from huitou.runtime.documents import Record
from huitou.runtime.triggers import DONE, DUE

MOST_MARKED = 1_000  # Marked days that are read at a time.
_STATE = "roll-up"
_POINTS = {
    "earn": "points_issued", "bonus": "points_issued", "migrate": "points_issued",
    "claw-back": "points_clawed_back", "use": "points_used", "return": "points_used",
}  # fmt: skip


class KpiRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")
        self._members = database.collection("members")
        self._logins = database.collection("logins")
        self._entries = database.collection("points_entries")
        self._days = database.collection("kpi_days")
        self._marks = database.collection("kpi_marks")
        self._state = database.collection("kpi_state")

    # --- orders -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the document that `one_at_a_time` updates; two upserts there could collide."""
        self._state.update_one(
            {"_id": _STATE}, {"$setOnInsert": {"schema": 1, "turn": 0}}, upsert=True
        )

    def one_at_a_time(self, session: ClientSession) -> None:
        """Make two roll-ups that count at once conflict, so that the second one runs again.

        Otherwise each would miss the visits that the other one is counting: they read the same
        member's neighbouring visits but write different ones, so nothing else makes them conflict.
        """
        self._state.update_one({"_id": _STATE}, {"$inc": {"turn": 1}}, session=session)

    def any_due(self, collection: Literal["orders", "logins"]) -> bool:
        """Tell whether any document of this collection is still to be counted."""
        facts = self._orders if collection == "orders" else self._logins
        return facts.find_one({"rollup": DUE}, {"_id": 1}) is not None

    def due_orders(self, limit: int, session: ClientSession) -> list[RollUpOrder]:
        """Return orders that are new or have changed since they were counted, oldest day first."""
        return [
            RollUpOrder.model_validate(d) for d in _due(self._orders, RollUpOrder, limit, session)
        ]

    def counted(
        self, member_ids: list[str], first: str, last: str, session: ClientSession
    ) -> list[Visit]:
        """Return the counted orders of these members between two business days, both included."""
        found = self._orders.find(
            {
                "member_id": {"$in": member_ids},
                "business_day": {"$gte": first, "$lte": last},
                "counted_fen": {"$gt": 0},
            },
            {**_fields(Visit), "_id": 0},  # Without `_id`, the index alone answers it.
            session=session,
        )
        return [Visit.model_validate(order) for order in found]

    def every_visit(self, member_id: str, session: ClientSession) -> list[Visit]:
        """Return all counted orders of one member; the index alone answers it."""
        return self.counted([member_id], "0001-01-01", "9999-12-31", session)

    def counted_logins(self, member_id: str, session: ClientSession) -> list[str]:
        """Return the business days of one member's counted log-ins."""
        found = self.logins_of([member_id], "0001-01-01", "9999-12-31", session)
        return [login.business_day for login in found if login.rollup == DONE]

    def move(self, moves: Mapping[Cell, Counter[str]], session: ClientSession) -> None:
        """Add these changes to the figures of their days."""
        if moves:
            updates = [_update(cell, {"$inc": dict(moved)}) for cell, moved in moves.items()]
            self._days.bulk_write(updates, ordered=False, session=session)

    def mark_counted(self, orders: list[RollUpOrder], session: ClientSession) -> None:
        """Store on each order how much of it is counted; an order changed meanwhile conflicts."""
        by_sum: dict[Any, list[str]] = {}
        for order in orders:
            now = counted_fen(order)
            # Most orders count with their whole amount: one update sets these from their own field.
            sum_fen = "$payable_fen" if now == order.payable_fen else now
            by_sum.setdefault(sum_fen, []).append(order.id)
        updates = [
            UpdateMany({"_id": {"$in": ids}}, [{"$set": {"rollup": DONE, "counted_fen": fen}}])
            for fen, ids in by_sum.items()
        ]
        self._orders.bulk_write(updates, ordered=False, session=session)

    # --- log-ins ------------------------------------------------------------------------------

    def due_logins(self, limit: int, session: ClientSession) -> list[Login]:
        """Return log-ins that are not counted yet, oldest business day first."""
        return [Login.model_validate(d) for d in _due(self._logins, Login, limit, session)]

    def logins_of(
        self, member_ids: list[str], first: str, last: str, session: ClientSession
    ) -> list[Login]:
        """Return these members' log-ins between two business days, counted or not."""
        days = {"$gte": first, "$lte": last}
        found = self._logins.find(
            {"member_id": {"$in": member_ids}, "business_day": days},
            _fields(Login),
            session=session,
        )
        return [Login.model_validate(login) for login in found]

    def registered_days(self, member_ids: list[str], session: ClientSession) -> dict[str, str]:
        found = self._members.find(
            {"_id": {"$in": member_ids}}, {"registered_day": 1}, session=session
        )
        return {member["_id"]: member["registered_day"] for member in found}

    def mark_logins_counted(self, logins: list[Login], session: ClientSession) -> None:
        ids = [login.id for login in logins]
        self._logins.update_many({"_id": {"$in": ids}}, {"$set": {"rollup": DONE}}, session=session)

    # --- days ---------------------------------------------------------------------------------

    def mark(self, days: Iterable[str], session: ClientSession) -> None:
        """Mark these days, so that their members and points are counted again.

        A mark is always a real write, also on a day that is marked already. Counting a day deletes
        its mark. If it began before all of the caller's changes were there, it therefore conflicts
        with this write and can't delete a mark that is still needed.
        """
        self._marks.bulk_write(
            [
                UpdateOne(
                    {"_id": day}, {"$inc": {"times": 1}, "$setOnInsert": {"schema": 1}}, upsert=True
                )
                for day in sorted(days)
            ],
            session=session,
        )

    def marked(self) -> list[str]:
        """Return up to `MOST_MARKED` marked days, the earliest first."""
        found = self._marks.find({}, {"_id": 1}).sort("_id", 1).limit(MOST_MARKED)
        return [document["_id"] for document in found]

    def registered_on(self, day: str, session: ClientSession) -> Counter[tuple[str | None, str]]:
        """Return how many people registered on a day, by (store or None, channel).

        A member who was merged into another one is no other person: the other one counts. Who was
        taken back with an import never registered.
        """
        groups = self._members.aggregate(
            [
                {"$match": {"registered_day": day, "merged_into": None, "undone_by": None}},
                {
                    "$group": {
                        "_id": {
                            "store_id": "$registered_store_id",
                            "channel": "$registered_channel",
                        },
                        "members": {"$sum": 1},
                    }
                },
            ],
            session=session,
        )
        counts: Counter[tuple[str | None, str]] = Counter()
        for group in groups:
            who = group["_id"]
            counts[who.get("store_id"), who.get("channel") or "mini_program"] += group["members"]
        return counts

    def points_between(self, start: datetime, end: datetime, session: ClientSession) -> Document:
        """Return the points issued, clawed back and used in a period.

        Points that were given back after use count as not used. Test entries don't count.
        """
        groups = self._entries.aggregate(
            [
                {"$match": {"at": {"$gte": start, "$lt": end}, "is_test": {"$ne": True}}},
                {"$group": {"_id": "$kind", "points": {"$sum": "$points"}}},
            ],
            session=session,
        )
        sums = dict.fromkeys(_POINTS.values(), 0)
        for group in groups:
            if name := _POINTS.get(group["_id"]):
                sums[name] += group["points"] if name == "points_issued" else -group["points"]
        return sums

    def set_day(
        self, day: str, points: Document, new_members: Mapping[Series, int], session: ClientSession
    ) -> None:
        """Write a day's points and those numbers of new members that differ; delete its mark."""
        joined = {"day": day, "new_members": {"$gt": 0}}
        fields = {"store_id": 1, "channel": 1, "new_members": 1}
        before = {
            (found.get("store_id"), found.get("channel")): found["new_members"]
            for found in self._days.find(joined, fields, session=session)
        }
        updates = [_update((day, *EVERYTHING), {"$set": points})]
        updates += [
            _update((day, *series), {"$set": {"new_members": new_members.get(series, 0)}})
            for series in before.keys() | new_members.keys()
            if before.get(series, 0) != new_members.get(series, 0)
        ]
        self._days.bulk_write(updates, session=session)
        self._marks.delete_one({"_id": day}, session=session)

    # --- which days are over ------------------------------------------------------------------

    def closed_through(self) -> str | None:
        """Return the last day that was counted after it was over; None if there is none."""
        state = self._state.find_one({"_id": _STATE}) or {}
        return state.get("closed_through")

    def close_through(self, day: str, session: ClientSession) -> None:
        self._state.update_one({"_id": _STATE}, {"$max": {"closed_through": day}}, session=session)

    def first_registered_day(self) -> str | None:
        """Return the day on which the first member registered by themselves; None if nobody has.

        Before it there is nothing to count, except imports, which mark their days.
        """
        found = self._members.find({"registered_channel": "mini_program"}, {"registered_day": 1})
        return next((m["registered_day"] for m in found.sort("registered_day", 1).limit(1)), None)

    # --- figures ------------------------------------------------------------------------------

    def days(
        self, series: Iterable[Series], first: str, last: str, session: ClientSession
    ) -> dict[Series, dict[str, KpiDay]]:
        """Return the days of each of these series, by day; both ends are included."""
        found: dict[Series, dict[str, KpiDay]] = {one: {} for one in series}
        stores = sorted({store_id for store_id, _ in found}, key=str)
        channels = sorted({channel for _, channel in found}, key=str)
        documents = self._days.find(
            {
                "store_id": {"$in": stores},
                "channel": {"$in": channels},
                "day": {"$gte": first, "$lte": last},
            },
            session=session,
        )
        for document in documents:
            day = KpiDay.model_validate(document)
            if (of := found.get((day.store_id, day.channel))) is not None:
                of[day.day] = day
        return found

    def sums_before(self, day: str, session: ClientSession) -> Before:
        """Return the whole chain's sums over all days before `day`; each is a small document."""
        fields = {name: {"$sum": f"${name}"} for name in Before.model_fields}
        groups = self._days.aggregate(
            [
                {"$match": {"store_id": None, "channel": None, "day": {"$lt": day}}},
                {"$group": {"_id": None, **fields}},
            ],
            session=session,
        )
        return next((Before.model_validate(group) for group in groups), Before())


def _due(
    collection: Collection[Document], model: type[Record], limit: int, session: ClientSession
) -> Iterator[Document]:
    """Yield documents that are due, oldest business day first, within `REACH_DAYS` of the first.

    Otherwise one late order among today's would make the batch read years of visits.
    """
    due = collection.find({"rollup": DUE}, _fields(model), session=session)
    latest = None
    for document in due.sort([("business_day", 1), ("_id", 1)]).limit(limit):
        latest = latest or shifted(document["business_day"], REACH_DAYS)
        if document["business_day"] > latest:
            break
        yield document


def _update(cell: Cell, update: dict[str, Any]) -> UpdateOne:
    day, store_id, channel = cell
    document_id = f"{day}|{store_id or ''}|{channel or ''}"
    new = {"schema": 1, "day": day, "store_id": store_id, "channel": channel}
    return UpdateOne({"_id": document_id}, {**update, "$setOnInsert": new}, upsert=True)


def _fields(model: type[Record]) -> dict[str, int]:
    return {field.alias or name: 1 for name, field in model.model_fields.items()}
