"""Sums of `points_entries` by day, and every query on closed months (`points_months`)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from pymongo.client_session import ClientSession

from huitou.loyalty.liability.models import PointsMonth
from huitou.runtime.database import Database, Document

MOST_MONTHS = 1_200  # A hundred years.


class LiabilityRepository:
    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._entries = database.collection("points_entries")
        self._months = database.collection("points_months")

    def snapshot(self) -> AbstractContextManager[ClientSession]:
        """Open a session in which all reads see the same moment."""
        return self._client.start_session(snapshot=True)

    def first_day(self) -> str | None:
        """Return the day on which the first entry was booked, or None if there is none."""
        first = (
            self._entries.find({"booked_on": {"$gt": ""}}, {"_id": 0, "booked_on": 1})
            .sort("booked_on", 1)
            .limit(1)
        )
        return next((str(entry["booked_on"]) for entry in first), None)

    def last_closed(self) -> str | None:
        """Return the last month that is closed."""
        last = self._months.find({}, {"_id": 1}).sort("_id", -1).limit(1)
        return next((str(month["_id"]) for month in last), None)

    def closed(self, before: str) -> list[PointsMonth]:
        """Return the closed months before this month, the oldest first."""
        where = {"_id": {"$lt": before}}
        found = self._months.find(where).sort("_id", 1).limit(MOST_MONTHS)
        return [PointsMonth.model_validate(month) for month in found]

    def close(self, month: PointsMonth) -> None:
        """Store a month for good; if two calls count it at once, both have the same sums."""
        self._months.update_one(
            {"_id": month.id}, {"$setOnInsert": _without_id(month.document())}, upsert=True
        )

    def kinds_of(self, day: str, session: ClientSession) -> list[dict[str, Any]]:
        """Sum one day's entries by kind and sign; an index alone answers it."""
        return list(
            self._entries.aggregate(
                [
                    {"$match": {"booked_on": day}},
                    {
                        "$group": {
                            "_id": {
                                "kind": "$kind",
                                "taken": {"$lt": ["$points", 0]},
                                "is_test": {"$eq": ["$is_test", True]},
                            },
                            "points": {"$sum": "$points"},
                            "debt": {"$sum": "$debt"},
                        }
                    },
                ],
                session=session,
            )
        )

    def lots_of(self, day: str, session: ClientSession) -> list[dict[str, Any]]:
        """Sum one day's moves of lots, by the lots' year of expiry."""
        return list(
            self._entries.aggregate(
                [
                    {"$match": {"booked_on": day, "is_test": {"$ne": True}}},
                    {"$project": {"_id": 0, "lots": 1}},
                    {"$unwind": "$lots"},
                    {
                        "$group": {
                            "_id": {
                                "year": {"$substrBytes": ["$lots.expires_on", 0, 4]},
                                "pending": {"$gt": ["$lots.usable", None]},
                            },
                            "points": {"$sum": "$lots.points"},
                        }
                    },
                ],
                session=session,
            )
        )


def _without_id(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_id"}
