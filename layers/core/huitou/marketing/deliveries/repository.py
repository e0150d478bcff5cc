"""Every query on `exposures` and `deliveries`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import BulkWriteError

from huitou.marketing.deliveries.models import Delivery, Exposure, Push
from huitou.runtime.database import Database, is_duplicate
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DONE

# Documents in one answer of the server. One more than a page has: then the server needn't be
# asked again whether there are more.
AT_ONCE = 1_001


class ExposureRepository:
    def __init__(self, database: Database) -> None:
        self._exposures = database.collection("exposures")
        self._deliveries = database.collection("deliveries")

    def recent(self, member_ids: Sequence[str], since: str) -> list[tuple[str, str, str, str]]:
        """Return these members' exposures since a day: member, day, campaign and occasion."""
        wanted = {"member_id": {"$in": list(member_ids)}, "day": {"$gte": since}}
        shown = {"_id": 0, "member_id": 1, "day": 1, "campaign_id": 1, "occasion": 1}
        found = self._exposures.find(wanted, shown).batch_size(AT_ONCE)
        return [
            (row["member_id"], row["day"], row["campaign_id"], row["occasion"]) for row in found
        ]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of these exposures exist, however old they are."""
        found = self._exposures.find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {row["_id"] for row in found}

    def counted(self, campaign_id: str, member_ids: Sequence[str]) -> Counter[str]:
        """Return how many exposures each of these members has had in one campaign."""
        wanted = {"member_id": {"$in": list(member_ids)}, "campaign_id": campaign_id}
        found = self._exposures.find(wanted, {"_id": 0, "member_id": 1})
        return Counter(row["member_id"] for row in found)

    def insert(self, exposures: Sequence[Exposure]) -> set[str]:
        """Insert the exposures that are new; returns the ids of those that this call has written.

        If two workers have the same occasion, or two messages for the same place in a member's
        day, one of them loses the race: ids are made of occasions, and places are unique.
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
        """Note that a worker begins to give the gifts of these exposures."""
        self._deliveries.insert_one(delivery.document())

    def end(self, delivery: Delivery) -> None:
        """Delete the note: all its gifts are given."""
        self._deliveries.delete_one({"_id": delivery.id})

    def unfinished(self, before: datetime) -> list[tuple[Delivery, list[Exposure]]]:
        """Return the deliveries begun before a moment and not ended, with their exposures."""
        found = self._deliveries.find({"since": {"$lt": before}}).sort("since", 1).limit(100)
        deliveries = [Delivery.model_validate(row) for row in found]
        return [(delivery, self._with_ids(delivery.exposure_ids)) for delivery in deliveries]

    def _with_ids(self, ids: Sequence[str]) -> list[Exposure]:
        found = self._exposures.find({"_id": {"$in": list(ids)}})
        return [Exposure.model_validate(row) for row in found]

    def withhold(self, ids: Sequence[str]) -> None:
        """Take back messages whose gift could not be given: nobody sends or shows them."""
        self._exposures.update_many(
            {"_id": {"$in": list(ids)}},
            {"$set": {"delivery": "withheld"}, "$unset": {"push": ""}},
        )

    # --- pushes -------------------------------------------------------------------------------

    def push_due(self, limit: int) -> list[Exposure]:
        """Return some exposures whose push waits; their order has no meaning."""
        found = self._exposures.find({"push": "due"}).sort("_id", 1).limit(limit)
        return [Exposure.model_validate(row) for row in found]

    def take_push(self, exposure_id: str, at: datetime) -> bool:
        """Take a push that waits. Returns whether this call took it.

        If two senders try at once, one of them loses the race. Otherwise both would send it.
        """
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
        """End the pushes whose sender was killed; returns how many.

        WeChat may have sent them, so nobody sends them again.
        """
        stuck = {"push": "sending", "sent_at": {"$lt": before}}
        return self._exposures.update_many(stuck, {"$set": {"push": "unknown"}}).modified_count

    # --- the inbox ----------------------------------------------------------------------------

    def inbox(self, member_id: str, page: PageRequest) -> tuple[list[Exposure], str | None]:
        """Return a page of a member's messages, newest first, and the cursor of the next page."""
        where = {"member_id": member_id, "delivery": DONE}
        rows, after = newest_first(self._exposures, where, page, "at")
        return [Exposure.model_validate(row) for row in rows], after

    def of_campaign(self, campaign_id: str, after: str | None, limit: int) -> list[Exposure]:
        """Return the next exposures of a campaign by id. Their ids begin with the campaign's id."""
        first = f"{campaign_id}:"
        ids = {"$gt": max(after or "", first), "$lt": f"{campaign_id};"}  # ; follows :
        found = self._exposures.find({"_id": ids}).sort("_id", 1).limit(limit)
        return [Exposure.model_validate(row) for row in found]

    def open(self, exposure_id: str, member_id: str, at: datetime) -> bool:
        """Note when a member first opened a message; returns False if it isn't theirs."""
        mine = {"_id": exposure_id, "member_id": member_id, "delivery": DONE}
        if self._exposures.find_one(mine, {"_id": 1}) is None:
            return False
        self._exposures.update_one(
            mine | {"opened_at": {"$exists": False}}, {"$set": {"opened_at": at}}
        )
        return True
