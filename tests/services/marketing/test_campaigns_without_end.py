"""A campaign may last from the calendar's first day to its last one, which means "without end"."""

from __future__ import annotations

from typing import Any

import pytest

from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from huitou.runtime.database import Database

FIRST, LAST = "0001-01-01", "9999-12-31"
TRIGGERS: list[dict[str, Any]] = [
    {"kind": "absent", "days": 3},
    {"kind": "birthday", "days": 3},
    {"kind": "coupon_expiring", "days": 3},
    {"kind": "first_order"},
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: str(trigger["kind"]))
@pytest.mark.parametrize(("first", "last"), [(FIRST, LAST), ("2026-03-01", LAST), (LAST, LAST)])
def test_a_campaign_until_the_end_of_the_calendar_stops_no_other_campaign(
    chain: Database, clock: FakeClock, trigger: dict[str, Any], first: str, last: str
) -> None:
    world = CampaignWorld(chain, clock)
    alice = world.guest("alice")
    world.orders(alice, "2026-03-01 12:00")
    world.run(campaign(_id="endless", trigger=trigger, valid_from=first, valid_until=last))
    world.run(campaign())
    world.tick("2026-03-02 13:00")
    world.tick("2026-03-04 12:00")
    assert {one["campaign_id"] for one in world.exposures()} >= {"day-3"}


def test_a_campaign_from_the_first_day_of_the_calendar_can_be_checked(
    chain: Database, clock: FakeClock
) -> None:
    world = CampaignWorld(chain, clock)
    first = campaign(valid_from=FIRST, send_at="00:00")
    assert world.campaigns.lint_campaign(first)
