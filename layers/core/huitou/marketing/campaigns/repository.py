"""Every query on `campaigns` and `campaign_states`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from huitou.marketing.campaigns.models import Acceptance, Campaign, CampaignState, Change, Status
from huitou.runtime.database import Database, insert_new
from huitou.runtime.revisions import put_revision, revision_of

MOST_CAMPAIGNS = 500


class CampaignRepository:
    def __init__(self, database: Database) -> None:
        self._campaigns = database.collection("campaigns")
        self._states = database.collection("campaign_states")

    def put(self, campaign: Campaign) -> None:
        """Store a campaign's content as its latest revision."""
        put_revision(self._campaigns, campaign.document(), "campaign.revision")

    def find(self, campaign_id: str) -> Campaign | None:
        """Return a campaign's latest revision; None if there is no such campaign."""
        found = self._campaigns.find_one({"_id": campaign_id})
        return Campaign.model_validate(found) if found else None

    def revision(self, campaign_id: str, revision: int) -> Campaign | None:
        """Return one revision of a campaign; None if there is no such revision."""
        found = revision_of(self._campaigns, campaign_id, revision)
        return Campaign.model_validate(found) if found else None

    def insert_state(self, state: CampaignState) -> bool:
        """Store a new campaign's state; returns False if there is one already."""
        return insert_new(self._states, state.document())

    def state(self, campaign_id: str) -> CampaignState | None:
        found = self._states.find_one({"_id": campaign_id})
        return CampaignState.model_validate(found) if found else None

    def states(self, status: Status | None = None) -> list[CampaignState]:
        """Return the states of all campaigns, or of those with a status, highest priority first."""
        where: dict[str, Any] = {"status": status} if status else {"_id": {"$gt": ""}}
        found = self._states.find(where).sort([("priority", -1), ("_id", 1)])
        return [CampaignState.model_validate(row) for row in found.limit(MOST_CAMPAIGNS)]

    def named(self, ids: Sequence[str]) -> dict[str, Campaign]:
        """Return the latest revisions of these campaigns by id."""
        found = self._campaigns.find({"_id": {"$in": list(ids)}})
        return {row["_id"]: Campaign.model_validate(row) for row in found}

    def step(self, state: CampaignState, change: Change, **changes: Any) -> bool:
        """Take a step from the state that was read.

        Returns False if somebody has taken another step since then.
        """
        stepped = self._states.update_one(
            {
                "_id": state.id,
                "status": state.status,
                "revision": state.revision,
                "changes": {"$size": len(state.changes)},
            },
            {
                "$set": {"status": change.to, **changes},
                "$push": {"changes": change.model_dump(exclude_none=True)},
            },
        )
        return stepped.matched_count == 1

    def accept(self, campaign_id: str, acceptance: Acceptance) -> None:
        """Store that somebody accepted a warning."""
        self._states.update_one(
            {"_id": campaign_id}, {"$push": {"acceptances": acceptance.model_dump()}}
        )

    def seen(self, campaign_id: str, moment: datetime) -> None:
        """Note up to which moment a campaign's events were looked at; it never goes back."""
        self._states.update_one({"_id": campaign_id}, {"$max": {"seen_to": moment}})

    def planned(self, campaign_id: str, day: str) -> None:
        """Note up to which day a campaign's runs are planned; it never goes back."""
        self._states.update_one({"_id": campaign_id}, {"$max": {"planned_to": day}})

    def reserve(self, campaign_id: str, wanted: int, most: int, counter: str) -> int:
        """Add `wanted` to a counter, but never beyond `most`; returns how many were added.

        The server adds in one step, so two workers can't both take the last one.
        """
        so_far = {"$ifNull": [f"${counter}", 0]}
        taken = self._states.find_one_and_update(
            {"_id": campaign_id},
            [{"$set": {counter: {"$min": [most, {"$add": [so_far, wanted]}]}}}],
            projection={counter: 1},
        )
        before: Any = taken or {}
        for name in counter.split("."):
            before = before.get(name, {})
        return max(0, min(wanted, most - (before or 0)))
