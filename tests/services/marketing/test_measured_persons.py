"""A person who was in the hold-out with one id and got messages with another tells nothing."""

from __future__ import annotations

import pytest

from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from huitou.marketing.deliveries.models import Exposure
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.marketing.measurement.service import Effects
from huitou.runtime.database import Database
from merging import merged


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    return CampaignWorld(chain, clock)


def exposure(world: CampaignWorld, member_id: str, group: str) -> None:
    told = "done" if group != "holdout" else None
    ExposureRepository(world.database).insert(
        [
            Exposure(
                id=f"day-3:{member_id}:o1",
                campaign_id="day-3",
                revision=1,
                member_id=member_id,
                occasion="o1",
                at=world.clock.now(),
                day="2026-03-02",
                group=group,
                place="2026-03-02#1" if told else None,
                delivery=told,
            )
        ]
    )


def measured(world: CampaignWorld) -> dict[str, int]:
    groups = Effects(world.database, world.clock).report_effects("day-3").groups
    return {found.group: found.members for found in groups if found.members}


def test_a_person_in_both_groups_is_left_out_and_one_with_two_messages_counts_once(
    world: CampaignWorld,
) -> None:
    world.run(campaign())
    ann, ann2, bob, bob2 = (world.guest(name) for name in ("ann", "ann-2", "bob", "bob-2"))
    for member_id, group in ((ann, "holdout"), (ann2, "a"), (bob, "a"), (bob2, "a")):
        exposure(world, member_id, group)
    assert measured(world) == {"holdout": 1, "a": 3}
    merged(world.database, world.clock, ann, ann2)
    merged(world.database, world.clock, bob, bob2)
    assert measured(world) == {"a": 1}
    inbox = world.database.collection("exposures").count_documents({"member_id": bob2})
    assert inbox == 2
