"""A campaign's report: how many members came back because of it, their orders and money."""

from __future__ import annotations

import random

import pytest

from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from cli.bench.orders import paid_order
from huitou.insight.kpis.service import Kpis
from huitou.marketing.deliveries.models import Exposure
from huitou.marketing.measurement.models import EffectAnswer
from huitou.marketing.measurement.service import Effects
from huitou.runtime.database import Database


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> CampaignWorld:
    return CampaignWorld(chain, clock)


def report(world: CampaignWorld) -> EffectAnswer:
    return Effects(world.database, world.clock).report_effects("day-3")


def test_only_orders_in_the_days_after_the_message_count(world: CampaignWorld) -> None:
    ann, bob = world.guest("ann"), world.guest("bob")
    for guest in (ann, bob):
        world.orders(guest, "2026-03-02 12:00")
    world.run(campaign(effect_days=7))
    world.tick("2026-03-05 10:00")
    (coupon,) = world.database.collection("coupons").find({"member_id": ann})
    used = world.orders(
        ann,
        "2026-03-05 12:00",
        store_id="jingan",
        coupon_id=coupon["_id"],
        items=[{"dish_id": "beef-noodles", "sku_id": "s", "quantity": 1}],
    )
    world.orders(ann, "2026-03-12 12:00")
    world.orders(ann, "2026-03-13 12:00")  # The eighth day after the message: too late to count.
    world.orders(bob, "2026-03-13 12:00")
    _count(world)
    assert report(world).groups[0].complete == 0
    world.at("2026-03-14 12:00")
    found = report(world)
    (group,) = found.groups
    assert (group.group, group.members, group.complete) == ("a", 2, 2)
    assert (group.gifts, group.redeemed) == (2, 1)
    assert group.repurchase_rate == 0.5
    assert group.orders_per_member == 1.0  # Ann has two, Bob has none.
    off = world.shop.orders.get_order(used).discounts[0]
    assert found.cost_fen == off.amount_fen == 800
    assert "没有对照组" in found.verdict


def test_the_report_finds_a_difference_of_15_points_to_the_hold_out(world: CampaignWorld) -> None:
    """1,500 members, of whom a fifth is in the hold-out."""
    dice = random.Random(3)
    world.run(campaign(holdout_bp=2_000, effect_days=7))
    exposures, orders, truth = [], [], {"a": 0, "holdout": 0}
    for number in range(1_500):
        group = "holdout" if dice.random() < 0.2 else "a"
        exposures.append(
            Exposure(
                id=f"day-3:m{number}:x",
                campaign_id="day-3",
                revision=1,
                member_id=f"m{number}",
                occasion="x",
                at=world.clock.now(),
                day="2026-03-02",
                group=group,
            ).document()
        )
        if dice.random() < (0.45 if group == "a" else 0.3):
            truth[group] += 1
            order = paid_order(f"o{number}", f"m{number}") | {
                "business_day": "2026-03-04",
                "counted_fen": 7_200,
            }
            world.clock.advance(days=2)
            orders.append(order | {"created_at": world.clock.now()})
            world.clock.advance(days=-2)
    world.database.collection("exposures").insert_many(exposures)
    world.database.collection("orders").insert_many(orders)
    world.clock.advance(days=9)
    found = report(world)
    groups = {group.group: group for group in found.groups}
    for name, group in groups.items():
        assert group.repurchase_rate == pytest.approx(truth[name] / group.complete, abs=1e-4)
    effect = next(e for e in found.effects if e.metric == "repurchase")
    assert effect.tells
    assert effect.low < 0.15 < effect.high
    assert found.incremental_orders is not None
    assert found.incremental_orders_low is not None
    assert found.incremental_orders_low < found.incremental_orders
    assert "复购率因此提高" in found.verdict


def _count(world: CampaignWorld) -> None:
    """Have the KPIs count the orders: reports read `counted_fen`, which these write."""
    Kpis(world.database, world.clock).roll_up_figures(60)
