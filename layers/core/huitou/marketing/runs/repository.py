"""Every query that finds members for a campaign's trigger, and every query on its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo import UpdateOne

from huitou.marketing.campaigns.triggers import Kind
from huitou.marketing.runs.events import EVENTS, Event
from huitou.marketing.runs.models import LATE, Run, Waiting
from huitou.runtime.database import Database

MOST_RUNS = 1_000
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST_COUNTED = 100_000  # Events that an outage missed are counted up to this number.


class Range(NamedTuple):
    """The members with ids from `low` to below `high` that come behind `after`."""

    after: str
    low: str
    high: str

    def ids(self) -> dict[str, str]:
        """Return it as a filter on `_id`."""
        lower = {"$gt": self.after} if self.after >= self.low else {"$gte": self.low}
        return {**lower, "$lt": self.high}


class CampaignRunRepository:
    def __init__(self, database: Database) -> None:
        self._runs = database.collection("campaign_runs")
        self._waiting = database.collection("campaign_waiting")
        self._features = database.collection("features")
        self._members = database.collection("members")
        self._accounts = database.collection("accounts")
        self._coupons = database.collection("coupons")
        self._orders = database.collection("orders")
        self._notices = database.collection("notices")
        self._tier_changes = database.collection("tier_changes")
        self._arrivals = database.collection("arrivals")

    # --- runs ---------------------------------------------------------------------------------

    def put(self, runs: Sequence[Run]) -> None:
        """Write planned runs; a run that exists already stays as it is."""
        updates = []
        for run in runs:
            document = run.document()
            named = {"_id": document.pop("_id")}
            updates.append(UpdateOne(named, {"$setOnInsert": document}, upsert=True))
        if updates:
            self._runs.bulk_write(updates, ordered=False)

    def due(self, campaign_id: str) -> list[Run]:
        """Return a campaign's runs that aren't done."""
        found = self._runs.find({"status": "due", "campaign_id": campaign_id}).sort("_id", 1)
        return [Run.model_validate(row) for row in found.limit(MOST_RUNS)]

    def count_due(self) -> int:
        """Return how many runs aren't done."""
        return self._runs.count_documents({"status": "due"})

    def move(self, run: Run, cursor: str | None, counts: dict[str, int]) -> bool:
        """Move a run's cursor, None for its end, and add to its counts.

        Returns False if another worker has moved the cursor since it was read.
        """
        moved: dict[str, Any] = {"status": "done"} if cursor is None else {"cursor": cursor}
        plus = {f"counts.{name}": count for name, count in counts.items() if count}
        update: dict[str, Any] = {"$set": moved} | ({"$inc": plus} if plus else {})
        was = {"_id": run.id, "status": "due", "cursor": run.cursor}
        return self._runs.update_one(was, update).matched_count == 1

    def leave(self, run: Run, *, missed: bool) -> None:
        """Close a run whose time is over. If the campaign was paused then, it wasn't `missed`."""
        status = "skipped" if missed else "done"
        self._runs.update_one({"_id": run.id, "status": "due"}, {"$set": {"status": status}})

    def note_skipped(self, campaign_id: str, day: str, at: datetime, occasions: int) -> None:
        """Add to the number of occasions that were too late on a day.

        A worker that is killed before it moves its cursor makes them count twice.
        """
        run = Run(
            id=f"{campaign_id}:{day}:late",
            campaign_id=campaign_id,
            day=day,
            part=LATE,
            low="",
            high="",
            status="skipped",
            due_at=at,
        ).document()
        del run["counts"]
        named = {"_id": run.pop("_id")}
        self._runs.update_one(
            named, {"$setOnInsert": run, "$inc": {"counts.stale": occasions}}, upsert=True
        )

    def skipped(self, campaign_id: str, since: str, limit: int) -> list[Run]:
        """Return a campaign's skipped runs since a day, newest first."""
        where = {"status": "skipped", "campaign_id": campaign_id, "day": {"$gte": since}}
        found = self._runs.find(where).sort([("day", -1)]).limit(limit)
        return [Run.model_validate(row) for row in found]

    def unfinished(self) -> set[str]:
        """Return the ids of the campaigns that have runs due or occasions waiting."""
        due = self._runs.distinct("campaign_id", {"status": "due"})
        return {*due, *self._waiting.distinct("campaign_id", {"campaign_id": {"$gt": ""}})}

    def campaigns_with_work(self, now: datetime) -> set[str]:
        """Return the ids of the campaigns that have runs due, or occasions whose time has come."""
        due = self._runs.distinct("campaign_id", {"status": "due"})
        come = {"campaign_id": {"$gt": ""}, "due_at": {"$lte": now}}
        return {*due, *self._waiting.distinct("campaign_id", come)}

    def drop(self, campaign_id: str) -> None:
        """Skip the due runs of an ended campaign, and delete its waiting occasions."""
        due = {"status": "due", "campaign_id": campaign_id}
        self._runs.update_many(due, {"$set": {"status": "skipped"}})
        self._waiting.delete_many({"campaign_id": campaign_id, "due_at": {"$gt": _EVER}})

    def are_waiting(self, ids: Sequence[str]) -> set[str]:
        """Return which of these occasions wait."""
        found = self._waiting.find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {row["_id"] for row in found}

    def done_days(self, campaign_id: str, days: Sequence[str]) -> set[str]:
        """Return the days among these on which at least a part of a campaign's run was done."""
        where = {"campaign_id": campaign_id, "day": {"$in": list(days)}}
        found = self._runs.find(where, {"day": 1, "status": 1, "cursor": 1})
        return {row["day"] for row in found if row["status"] != "skipped" or row.get("cursor")}

    def skipped_days(self, since: str, limit: int) -> int:
        """Return on how many days of campaigns something was too late, `limit` at most."""
        found = self._runs.aggregate(
            [
                {"$match": {"status": "skipped", "day": {"$gte": since}}},
                {"$group": {"_id": {"campaign": "$campaign_id", "day": "$day"}}},
                {"$limit": limit},
                {"$count": "days"},
            ]
        )
        return next((int(row["days"]) for row in found), 0)

    def of_campaign(self, campaign_id: str, limit: int) -> list[Run]:
        """Return a campaign's runs, the newest day first."""
        where = {"campaign_id": campaign_id, "part": {"$ne": LATE}}
        found = self._runs.find(where).sort([("day", -1), ("part", 1)])
        return [Run.model_validate(row) for row in found.limit(limit)]

    def members_in_all(self) -> int:
        """Return approximately how many members there are."""
        return self._members.estimated_document_count()

    # --- members of a day ---------------------------------------------------------------------

    def by_feature(
        self, where: dict[str, Any], within: Range, limit: int
    ) -> list[tuple[str, str | None]]:
        """Return members with a feature, by id, and the day of each one's last order.

        The feature needs an index together with `_id`.
        """
        found = self._features.find({**where, "_id": within.ids()}, {"last_order_day": 1})
        return [
            (row["_id"], row.get("last_order_day"))
            for row in found.sort("_id", 1).limit(limit).batch_size(limit + 1)
        ]

    def by_birthday(self, month_days: list[str], within: Range, limit: int) -> list[str]:
        """Return the members with one of these birthdays (MM-DD), by id."""
        where = {"birthday_md": {"$in": month_days}, "_id": within.ids()}
        return [
            row["_id"] for row in self._accounts.find(where, {"_id": 1}).sort("_id", 1).limit(limit)
        ]

    def everybody(self, within: Range, limit: int) -> list[str]:
        """Return the next members by id."""
        found = self._members.find({"_id": within.ids()}, {"_id": 1})
        return [row["_id"] for row in found.sort("_id", 1).limit(limit)]

    def coupons_ending(
        self, since: datetime, until: datetime, after: str, limit: int
    ) -> list[Event]:
        """Return the unused coupons that end between two moments, in the order of their ends."""
        where = {"status": "issued"}
        rows = self._between("coupons", "valid_until", where, since, until, after, limit)
        return [Event(r["valid_until"], r["_id"], r["member_id"], r["_id"]) for r in rows]

    # --- events -------------------------------------------------------------------------------

    def events(
        self, kind: Kind, since: datetime, until: datetime, after: str, limit: int
    ) -> list[Event]:
        """Return a page of what campaigns of this kind follow, by its moment."""
        source = EVENTS[kind]
        where, moment = dict(source.where), source.moment
        rows = self._between(source.collection, moment, where, since, until, after, limit)
        return [source.event(row) for row in rows]

    def count_events(self, kind: Kind, since: datetime, until: datetime) -> int:
        """Return how many events a campaign of this kind would have followed, about."""
        source = EVENTS[kind]
        where = {source.moment: {"$gt": since, "$lte": until}, **source.where}
        found = getattr(self, f"_{source.collection}")
        return int(found.count_documents(where, limit=MOST_COUNTED))

    def last_moves(self, member_ids: Sequence[str]) -> dict[str, str]:
        """Return the occasion of each member's last move between tiers."""
        found = self._tier_changes.aggregate(
            [
                {"$match": {"member_id": {"$in": list(member_ids)}}},
                {"$sort": {"member_id": 1, "at": -1}},
                {"$group": {"_id": "$member_id", "last": {"$first": "$_id"}}},
            ]
        )
        return {move["_id"]: move["last"].rpartition(":")[2] for move in found}

    def usable_coupons(self, ids: Sequence[str], now: datetime) -> set[tuple[str, str]]:
        """Return the coupons among these that can still be used, as pairs of member and coupon."""
        where = {"_id": {"$in": list(ids)}, "status": "issued", "valid_until": {"$gte": now}}
        return {
            (row["member_id"], row["_id"]) for row in self._coupons.find(where, {"member_id": 1})
        }

    def kept_orders(self, ids: Sequence[str]) -> set[str]:
        """Return the orders among these that weren't refunded completely."""
        where = {"_id": {"$in": list(ids)}, "status": {"$ne": "refunded"}}
        return {row["_id"] for row in self._orders.find(where, {"_id": 1})}

    def lots(self, member_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return each member's points by the last day on which they are valid."""
        where = {"_id": {"$in": list(member_ids)}}
        return {row["_id"]: row.get("lots", {}) for row in self._accounts.find(where, {"lots": 1})}

    def _between(
        self,
        collection: str,
        moment: str,
        where: dict[str, Any],
        since: datetime,
        until: datetime,
        after: str,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return a page of documents in the order of a moment, and of ids within a moment.

        The page begins behind the document with the moment `since` and the id `after`.
        """
        first = {moment: since, "_id": {"$gt": after}}
        later = {moment: {"$gt": since, "$lte": until}}
        found = getattr(self, f"_{collection}").find({"$or": [where | first, where | later]})
        return list(found.sort([(moment, 1), ("_id", 1)]).limit(limit))

    # --- waiting occasions --------------------------------------------------------------------

    def wait(self, waiting: Iterable[Waiting]) -> None:
        """Keep occasions for later. One that waits already gets the new `due_at`."""
        updates = []
        for one in waiting:
            document = one.document()
            named, due = {"_id": document.pop("_id")}, {"due_at": document.pop("due_at")}
            updates.append(UpdateOne(named, {"$set": due, "$setOnInsert": document}, upsert=True))
        if updates:
            self._waiting.bulk_write(updates, ordered=False)

    def waiting(self, campaign_id: str, until: datetime, limit: int) -> list[Waiting]:
        """Return the waiting occasions of a campaign whose time has come."""
        where = {"campaign_id": campaign_id, "due_at": {"$lte": until}}
        found = self._waiting.find(where).sort([("due_at", 1), ("_id", 1)]).limit(limit)
        return [Waiting.model_validate(row) for row in found]

    def served(self, ids: Sequence[str], until: datetime) -> None:
        """Delete occasions that were looked at, unless they now wait for a later moment."""
        self._waiting.delete_many({"_id": {"$in": list(ids)}, "due_at": {"$lte": until}})
