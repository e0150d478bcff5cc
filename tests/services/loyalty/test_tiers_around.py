"""Tiers together with imports, other systems, erasures and interrupted changes of rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pymongo.collection import Collection

from chain_data import FakeClock, Shop, item
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.loyalty.tier_rollouts.models import DryRunRequest
from huitou.loyalty.tier_rollouts.service import TierRuns
from huitou.loyalty.tiers.brought_in_service import BroughtTier, BroughtTiers
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.repository import RulesRepository
from huitou.operations.maintenance.service import Maintenance
from huitou.runtime.database import Database
from huitou.runtime.paging import PageRequest
from merging import merged

LEVELS: list[dict[str, Any]] = [
    {"level": "basic", "name": "普通"},
    {"level": "silver", "name": "白银", "spend_fen": 50_000},
    {"level": "gold", "name": "黄金", "spend_fen": 200_000},
]
BY_POINTS = [LEVELS[0], {"level": "silver", "name": "白银", "points": 500}]


def levels(silver_fen: int, **silver: Any) -> list[dict[str, Any]]:
    return [LEVELS[0], {**LEVELS[1], "spend_fen": silver_fen, **silver}, LEVELS[2]]


def rules(revision: int, **more: Any) -> TierRules:
    fields = {"revision": revision, "levels": LEVELS, "notice_days": 0, **more}
    return TierRules.model_validate(fields)


class World(Shop):
    """A shop with tier rules of its own, and a timer that evaluates members who are due."""

    @property
    def tiers(self) -> Tiers:
        return Tiers(self.database, self.clock)

    def set_first_rules(self, first: TierRules) -> None:
        """Make these the chain's first rules."""
        self.database.collection("rules").delete_one({"_id": "tiers"})
        self.database.collection("rule_revisions").delete_many({})
        self.tiers.put_rules(first)
        self.database.cache.clear()

    def apply(self, new: TierRules) -> None:
        TierRuns(self.database, self.clock).apply_rules(new)
        self.database.cache.clear()
        TierRuns(self.database, self.clock).show_progress(5)

    def at(self, day: str) -> None:
        self.clock.moment = datetime.fromisoformat(day).replace(hour=4, tzinfo=UTC)

    def evaluate_due(self) -> None:
        for member_id in list(self.tiers.due_reviews()):
            self.tiers.evaluate_member(member_id)

    def tier(self, member_id: str) -> tuple[str, str | None]:
        found = self.account(member_id).get("tier", {})
        return found.get("level", "basic"), found.get("holds_through")

    def refund_and_settle(self, order: Any) -> None:
        self.refund(order)
        self.settlement.settle_order(order.id)

    def bring_in(self, member_id: str) -> str:
        tier = BroughtTier("silver", "2025-08-01", "2026-12-31", "crm")
        return BroughtTiers(self.database, self.clock).bring_in_tier(member_id, tier)

    def imported(self, *rows: dict[str, Any]) -> str:
        """Import orders of one till member; return the member's id."""
        given = [ImportedRow(**{"line": 2, "member": "7", **row}) for row in rows]
        run = OrderImport(self.database, self.clock, "huitou").run
        run(ImportOrdersRequest(rows=given))
        found = self.database.collection("identities").find_one({"_id": "till:7"})
        assert found
        return str(found["member_id"])

    def erase(self, member_id: str) -> None:
        orders = self.database.collection("orders")
        orders.update_many({"member_id": member_id}, {"$set": {"status": "completed"}})
        request = EraseMemberRequest(member_id=member_id, actor="ann", reason="本人要求")
        Erasures(self.database, self.clock, "huitou").erase_member(request)


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> World:
    return World(chain, clock)


# --- imports --------------------------------------------------------------------------------------


def test_a_notice_that_an_import_makes_due_is_given(world: World) -> None:
    world.set_first_rules(rules(1, notice_days=30))
    member = world.imported({"amount_fen": 60_000, "paid_on": date(2025, 3, 20)})
    world.evaluate_due()
    notices = Notices(world.database, world.clock).list_notices(member, PageRequest(), "zh")[
        "notices"
    ]
    assert len(notices) == 1


@pytest.mark.parametrize("evaluated_before", [False, True])
def test_an_older_imported_order_moves_the_day_of_joining_even_after_an_evaluation(
    world: World, evaluated_before: bool
) -> None:
    world.set_first_rules(rules(1, window="anchor"))
    member = world.imported({"amount_fen": 30_000, "paid_on": date(2025, 10, 1), "order": "b"})
    if evaluated_before:
        world.tiers.evaluate_member(member)
    world.imported({"amount_fen": 30_000, "paid_on": date(2025, 6, 1), "order": "a"})
    world.tiers.evaluate_member(member)
    assert world.tier(member) == ("silver", "2027-05-31")


# --- tiers of other systems -----------------------------------------------------------------------


@pytest.mark.parametrize("first", ["brought in", "gold"])
def test_a_tier_from_another_system_remains_if_a_higher_one_is_refunded(
    world: World, first: str
) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()
    if first == "brought in":
        assert world.bring_in(alice) == "brought in"
    order = world.paid(alice, items=[item(99), item(40)])
    world.evaluate_due()
    if first == "gold":
        assert world.bring_in(alice) == "stands higher"
        assert world.bring_in(alice) == "brought in before"
    assert world.tier(alice)[0] == "gold"
    world.refund_and_settle(order)
    world.evaluate_due()
    assert world.tier(alice) == ("silver", "2026-12-31")


def test_a_refunded_higher_tier_does_not_count_against_a_tier_from_another_system(
    world: World,
) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()
    order = world.paid(alice, items=[item(99), item(40)])
    world.evaluate_due()
    world.refund_and_settle(order)
    assert world.bring_in(alice) == "brought in"
    world.evaluate_due()
    assert world.tier(alice) == ("silver", "2026-12-31")


# --- erased and merged members ------------------------------------------------------------------


@pytest.mark.parametrize("seen", [False, True])
def test_an_erased_member_gets_no_tier_no_coupon_and_no_notice_again(
    world: World, seen: bool
) -> None:
    world.set_first_rules(rules(1, window="calendar_year", notice_days=30,
                      levels=levels(50_000, entry_coupons=["silver-30-8"])))  # fmt: skip
    alice = world.register()
    world.paid(alice, items=[item(40)])
    if seen:
        world.evaluate_due()
    world.erase(alice)
    world.evaluate_due()
    world.at("2026-03-10")
    world.apply(rules(2, levels=levels(40_000, entry_coupons=["silver-30-8"])))
    world.evaluate_due()
    granting = TierCoupons(world.database, world.clock)
    for member_id in list(granting.due_entry_coupons()):
        granting.grant_entry_coupons(member_id)
    world.at("2027-12-03")
    world.evaluate_due()
    account = world.account(alice)
    assert not {"tier", "tier_base", "joined_day", "review_on", "benefits"} & set(account)
    assert list(world.database.collection("coupons").find({"member_id": alice})) == []
    assert list(world.database.collection("notices").find({"member_id": alice})) == []
    assert list(world.tiers.due_reviews()) == []


def test_a_merged_member_has_the_tier_of_both_accounts_orders_until_a_refund(
    world: World,
) -> None:
    world.set_first_rules(rules(1))
    alice, bob = world.register("alice"), world.register("bob")
    world.paid(alice, items=[item(20)])
    order = world.paid(bob, items=[item(20)])
    world.evaluate_due()
    merged(world.database, world.clock, alice, bob)
    world.evaluate_due()
    assert world.tier(bob)[0] == "silver"
    assert world.tier(alice) == ("basic", None)
    world.refund_and_settle(order)
    world.evaluate_due()
    assert world.tier(bob) == ("basic", None)


# --- points that a refund waives ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("points_rules", "back_on"),
    [
        ({"claw_back": "pending_only"}, "2026-03-02"),
        ({"expiry": {"kind": "rolling_months", "months": 1}}, "2026-05-02"),
    ],
    ids=["waived", "expired"],
)
def test_points_of_an_order_that_went_back_count_for_no_tier(
    world: World, points_rules: dict[str, Any], back_on: str
) -> None:
    world.set_first_rules(rules(1, levels=BY_POINTS))
    put = PointsRules.model_validate({"revision": 2, **points_rules})
    RulesRepository(world.database).put(put, "points_rules")
    world.database.cache.clear()
    alice = world.register()
    order = world.paid(alice, items=[item(40)])
    world.evaluate_due()
    assert world.tier(alice)[0] == "silver"
    world.at(back_on)
    world.refund_and_settle(order)
    world.evaluate_due()
    assert world.tier(alice) == ("basic", None)
    assert world.differences() == []


# --- rules stored half-way, loaded, tried out ---------------------------------------------------


def test_rules_count_from_the_day_they_come_into_force_not_from_an_interrupted_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()
    world.at("2026-03-10")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "replace_one", killed)
        with pytest.raises(KeyboardInterrupt):
            world.apply(rules(2, levels=levels(80_000)))
    world.at("2026-03-15")
    world.paid(alice, items=[item(40)])
    world.evaluate_due()
    assert world.tier(alice) == ("silver", "2027-03-14")
    world.at("2026-03-20")
    world.apply(rules(2, levels=levels(80_000)))
    assert world.tier(alice) == ("silver", "2027-03-14")


def test_rules_that_never_came_into_force_raise_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    world.at("2026-03-10")
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "replace_one", killed)
        with pytest.raises(KeyboardInterrupt):
            world.apply(rules(2, levels=levels(10_000)))
    world.at("2026-03-12")
    world.paid(alice, items=[item(10)])
    world.evaluate_due()
    world.at("2026-03-20")
    world.apply(rules(3, levels=levels(60_000)))
    assert world.tier(alice) == ("basic", None)


def test_loaded_rules_are_rolled_out_to_all_members(world: World) -> None:
    world.set_first_rules(rules(1, downgrade="never"))
    alice, bob = world.register("alice"), world.register("bob")
    world.paid(alice, items=[item(40)])
    world.paid(bob, items=[item(20)])
    world.evaluate_due()
    assert world.tier(alice) == ("silver", None)
    world.at("2026-03-05")
    loaded = LoadRequest.model_validate({"tier_rules": rules(2, levels=levels(20_000)).document()})
    Maintenance(world.database, world.clock).load_chain(loaded)
    world.database.cache.clear()
    TierRuns(world.database, world.clock).show_progress(5)
    assert world.tier(bob)[0] == "silver"
    assert world.tier(alice) == ("silver", "2027-03-04")  # One period of the new rules.
    world.at("2027-06-01")
    world.evaluate_due()
    assert world.tier(alice)[0] == "basic"


def test_a_dry_run_says_on_which_day_a_removed_level_is_lost(world: World) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()
    world.paid(alice, items=[item(40)])
    world.evaluate_due()
    world.at("2026-03-05")
    vip = {"level": "vip", "name": "VIP", "spend_fen": 300_000}
    new = rules(2, grace_days=30, levels=[LEVELS[0], vip])
    outlook = TierRuns(world.database, world.clock).dry_run_rules(DryRunRequest(rules=new))
    assert outlook["examples"][0]["on"] == "2027-03-02"
    world.apply(new)
    for day, level in (("2027-03-01", "silver"), ("2027-03-02", "basic")):
        world.at(day)
        world.evaluate_due()
        assert world.tier(alice)[0] == level


def test_if_rules_change_twice_on_one_day_the_last_ones_count(world: World) -> None:
    world.set_first_rules(rules(1))
    alice = world.register()
    world.paid(alice, items=[item(20)])
    world.evaluate_due()
    world.at("2026-03-04")
    world.apply(rules(2, levels=levels(20_000)))
    assert world.tier(alice)[0] == "silver"
    world.clock.advance(hours=1)
    world.apply(rules(3, levels=levels(40_000)))
    assert world.tier(alice)[0] == "basic"
    moves = list(world.database.collection("tier_changes").find({}).sort("at", 1))
    assert [(move["after"], move["cause"]) for move in moves] == [
        ("silver", "rules"), ("basic", "rules"),
    ]  # fmt: skip


# --- notices --------------------------------------------------------------------------------------


def test_the_figures_that_keep_a_stretch_from_29_february_count_from_that_day(world: World) -> None:
    world.set_first_rules(rules(1, window="anchor", anchor="level_start", notice_days=30))
    alice = world.register()
    world.at("2028-02-28")
    world.paid(alice, items=[item(30)])
    world.evaluate_due()
    world.at("2028-02-29")
    world.paid(alice, items=[item(10)])
    world.evaluate_due()
    world.at("2029-02-10")
    world.evaluate_due()
    assert world.tiers.show_tier(alice)["keep"]["missing_fen"] == 50_000 - 15_000


@pytest.mark.parametrize(("window_days", "notice_on"), [(30, "2026-03-03"), (90, "2026-05-01")])
def test_with_a_short_window_the_notice_comes_when_spending_can_still_help(
    world: World, window_days: int, notice_on: str
) -> None:
    """What the member spends then still counts on the day after the last sure one."""
    world.set_first_rules(rules(1, window_days=window_days, notice_days=30))
    alice = world.register()
    world.paid(alice, items=[item(40)])
    world.evaluate_due()
    assert "keep" not in world.tiers.show_tier(alice)
    world.at(notice_on)
    assert "keep" in world.tiers.show_tier(alice)
    world.paid(alice, items=[item(40)])
    world.evaluate_due()
    assert "keep" not in world.tiers.show_tier(alice)


def test_a_member_who_falls_by_a_refund_gets_a_notice_for_the_lower_level_too(world: World) -> None:
    world.set_first_rules(rules(1, notice_days=30))
    alice = world.register()
    world.paid(alice, items=[item(40)])
    order = world.paid(alice, items=[item(99)])
    world.evaluate_due()
    world.at("2027-01-31")
    world.evaluate_due()
    world.at("2027-02-10")
    world.refund_and_settle(order)
    world.evaluate_due()
    notices = Notices(world.database, world.clock).list_notices(alice, PageRequest(), "zh")[
        "notices"
    ]
    assert [text["text"].split()[-1] for text in notices] == ["白银", "黄金"]
