"""Every query on `exposures`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from huitou.marketing.deliveries.models import Delivery, Exposure, Push
from huitou.runtime.database import Database, is_duplicate
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DONE

AT_ONCE = 1_001  # In one answer of the server: one more, and it knows that this is all.


class ExposureRepository:
    def __init__(self, database: Database) -> None:
        self._exposures = database.collection("exposures")
        self._deliveries = database.collection("deliveries")

    def recent(self, member_ids: Sequence[str], since: str) -> list[tuple[str, str, str, str]]:
        """Return member, day, campaign and occasion of what these members were told since a day."""
        wanted = {"member_id": {"$in": list(member_ids)}, "day": {"$gte": since}}
        shown = {"_id": 0, "member_id": 1, "day": 1, "campaign_id": 1, "occasion": 1}
        found = self._exposures.find(wanted, shown).batch_size(AT_ONCE)
        return [(row["member_id"], row["day"], row["campaign_id"], row["occasion"])
                for row in found]  # fmt: skip

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of these occasions were served, however long ago."""
        found = self._exposures.find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {row["_id"] for row in found}

    def counted(self, campaign_id: str, member_ids: Sequence[str]) -> Counter[str]:
        """Return how often each of these members was told by one campaign."""
        wanted = {"member_id": {"$in": list(member_ids)}, "campaign_id": campaign_id}
        found = self._exposures.find(wanted, {"_id": 0, "member_id": 1})
        return Counter(row["member_id"] for row in found)

    def insert(self, exposures: Sequence[Exposure]) -> set[str]:
        """Insert those that are new; returns their ids.

        Of two workers with the same occasion, or with two for one place of a member's day, one
        must lose: the ids are the occasions, and a place is unique.
        """
        if not exposures:
            return set()
        ids = [exposure.id for exposure in exposures]
        try:
            self._exposures.insert_many([e.document() for e in exposures], ordered=False)
        except BulkWriteError as error:
            if not is_duplicate(error):
                raise
            lost = {ids[wrong["index"]] for wrong in (error.details or {})["writeErrors"]}
            return set(ids) - lost
        return set(ids)

    def begin(self, delivery: Delivery) -> None:
        """Note that these exposures' gifts are about to be given."""
        self._deliveries.insert_one(delivery.document())

    def end(self, delivery: Delivery) -> None:
        """Their gifts are given."""
        self._deliveries.delete_one({"_id": delivery.id})

    def unfinished(self, before: datetime) -> list[tuple[Delivery, list[Exposure]]]:
        """Return deliveries that were begun and not ended, with their exposures."""
        found = self._deliveries.find({"since": {"$lt": before}}).sort("since", 1).limit(100)
        deliveries = [Delivery.model_validate(row) for row in found]
        return [(delivery, self._named(delivery.exposure_ids)) for delivery in deliveries]

    def _named(self, ids: Sequence[str]) -> list[Exposure]:
        found = self._exposures.find({"_id": {"$in": list(ids)}})
        return [Exposure.model_validate(row) for row in found]

    def withhold(self, ids: Sequence[str]) -> None:
        """Take messages back whose gift there is none of."""
        self._exposures.update_many(
            {"_id": {"$in": list(ids)}},
            {"$set": {"delivery": "withheld"}, "$unset": {"push": ""}},
        )

    # --- pushes -------------------------------------------------------------------------------

    def push_due(self, limit: int) -> list[Exposure]:
        """Return some whose push waits; of one page the order says nothing."""
        found = self._exposures.find({"push": "due"}).sort("_id", 1).limit(limit)
        return [Exposure.model_validate(row) for row in found]

    def take_push(self, exposure_id: str, at: datetime) -> bool:
        """Take a push that waits; of two senders one must lose, or a message goes out twice."""
        taken = self._exposures.update_one(
            {"_id": exposure_id, "push": "due"}, {"$set": {"push": "sending", "sent_at": at}}
        )
        return taken.matched_count == 1

    def end_push(self, exposure_id: str, push: Push, error: int | None = None) -> None:
        """Note what became of a push that was taken."""
        change: dict[str, Any] = {"push": push} | ({"push_error": error} if error else {})
        update: dict[str, Any] = {"$set": change}
        if push not in ("sent", "unknown"):
            update["$unset"] = {"sent_at": ""}
        self._exposures.update_one({"_id": exposure_id, "push": "sending"}, update)

    def abandoned_pushes(self, before: datetime) -> int:
        """End pushes whose sender was killed: they may be out, so nobody sends them again."""
        stuck = {"push": "sending", "sent_at": {"$lt": before}}
        return self._exposures.update_many(stuck, {"$set": {"push": "unknown"}}).modified_count

    # --- the inbox ----------------------------------------------------------------------------

    def inbox(self, member_id: str, page: PageRequest) -> tuple[list[Exposure], str | None]:
        """Return a page of what a member was told."""
        where = {"member_id": member_id, "delivery": DONE}
        rows, after = newest_first(self._exposures, where, page, "at")
        return [Exposure.model_validate(row) for row in rows], after

    def of_campaign(self, campaign_id: str, after: str | None, limit: int) -> list[Exposure]:
        """A campaign's exposures by id, those after a cursor: ids begin with the campaign's."""
        first = f"{campaign_id}:"
        ids = {"$gt": max(after or "", first), "$lt": f"{campaign_id};"}  # ; follows :
        found = self._exposures.find({"_id": ids}).sort("_id", 1).limit(limit)
        return [Exposure.model_validate(row) for row in found]

    def open(self, exposure_id: str, member_id: str, at: datetime) -> bool:
        """Note when a member first opened their message; False if they have none such."""
        mine = {"_id": exposure_id, "member_id": member_id, "delivery": DONE}
        if self._exposures.find_one(mine, {"_id": 1}) is None:
            return False
        self._exposures.update_one(
            mine | {"opened_at": {"$exists": False}}, {"$set": {"opened_at": at}}
        )
        return True

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Let one member have the messages of another one they turned out to be.

        They keep no place in the days of who had them.
        """
        self._exposures.update_many(
            {"member_id": source_id},
            {"$set": {"member_id": into_id}, "$unset": {"place": ""}},
            session=session,
        )
