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
        """Store a later revision of the content."""
        put_revision(self._campaigns, campaign.document(), "campaign.revision")

    def find(self, campaign_id: str) -> Campaign | None:
        """Return a campaign as it was last written."""
        found = self._campaigns.find_one({"_id": campaign_id})
        return Campaign.model_validate(found) if found else None

    def revision(self, campaign_id: str, revision: int) -> Campaign | None:
        """Return a campaign as it was in a revision."""
        found = revision_of(self._campaigns, campaign_id, revision)
        return Campaign.model_validate(found) if found else None

    def insert_state(self, state: CampaignState) -> bool:
        """Begin a campaign's life; False if it has begun."""
        return insert_new(self._states, state.document())

    def state(self, campaign_id: str) -> CampaignState | None:
        found = self._states.find_one({"_id": campaign_id})
        return CampaignState.model_validate(found) if found else None

    def states(self, status: Status | None = None) -> list[CampaignState]:
        """Return the states, those of the highest priority first."""
        where: dict[str, Any] = {"status": status} if status else {"_id": {"$gt": ""}}
        found = self._states.find(where).sort([("priority", -1), ("_id", 1)])
        return [CampaignState.model_validate(row) for row in found.limit(MOST_CAMPAIGNS)]

    def named(self, ids: Sequence[str]) -> dict[str, Campaign]:
        """Return these campaigns as they were last written."""
        found = self._campaigns.find({"_id": {"$in": list(ids)}})
        return {row["_id"]: Campaign.model_validate(row) for row in found}

    def step(self, state: CampaignState, change: Change, **changes: Any) -> bool:
        """Take a step from the state read; False if another one was taken meanwhile."""
        stepped = self._states.update_one(
            {
                "_id": state.id, "status": state.status, "revision": state.revision,
                "changes": {"$size": len(state.changes)},
            },
            {
                "$set": {"status": change.to, **changes},
                "$push": {"changes": change.model_dump(exclude_none=True)},
            },
        )  # fmt: skip
        return stepped.matched_count == 1

    def accept(self, campaign_id: str, acceptance: Acceptance) -> None:
        """Keep who accepted which warning."""
        self._states.update_one(
            {"_id": campaign_id}, {"$push": {"acceptances": acceptance.model_dump()}}
        )

    def seen(self, campaign_id: str, moment: datetime) -> None:
        """Note up to when a campaign's events were looked at; never goes back."""
        self._states.update_one({"_id": campaign_id}, {"$max": {"seen_to": moment}})

    def planned(self, campaign_id: str, day: str) -> None:
        """Note up to which day a campaign's runs are planned; never goes back."""
        self._states.update_one({"_id": campaign_id}, {"$max": {"planned_to": day}})

    def reserve(self, campaign_id: str, wanted: int, most: int, counter: str) -> int:
        """Count so many, or what is left until `most`; returns how many.

        Of two for the last one the second finds it counted.
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
