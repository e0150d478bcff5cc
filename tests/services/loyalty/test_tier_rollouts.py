"""Changed tier rules are kept, tried out, and rolled out to all members page by page."""

from __future__ import annotations

from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tier_rollouts.models import DryRunRequest
from huitou.loyalty.tier_rollouts.service import PAGE, TierRuns
from huitou.loyalty.tiers.models import TierRules, default_rules
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.maintenance.repository import RulesRepository
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.revisions import revision_of
from simulation.chain import TIERS


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def tiers(shop: Shop) -> Tiers:
    return Tiers(shop.database, shop.clock)


def changed(revision: int = 2, levels: Any = None, **more: Any) -> TierRules:
    """Return the sample chain's rules with some fields of levels changed."""
    merged = [{**level, **(levels or {}).get(level["level"], {})} for level in TIERS["levels"]]
    return TierRules.model_validate({**TIERS, "revision": revision, "levels": merged, **more})


def test_every_revision_of_the_rules_is_kept_and_only_one_of_two_editors_wins(shop: Shop) -> None:
    rules = shop.database.collection("rules")

    def edit(fen: int) -> int:
        put = PointsRules(revision=2, fen_per_point=fen)
        RulesRepository(shop.database).put(put, "points_rules")
        return fen

    results = at_once([lambda n=n: edit(n) for n in (10, 20, 30)])
    [won] = [result for result in results if isinstance(result, int)]
    kept = [revision_of(rules, "points", revision) for revision in (1, 2, 3)]
    assert [found and found["fen_per_point"] for found in kept] == [100, won, None]
    RulesRepository(shop.database).put(PointsRules(revision=3), "points_rules")
    again = revision_of(rules, "points", 2)
    assert again
    assert again["fen_per_point"] == won
    with pytest.raises(Refusal):
        RulesRepository(shop.database).put(
            PointsRules(revision=2, fen_per_point=won), "points_rules"
        )


def test_the_default_rules_are_kept_as_the_first_revision(shop: Shop, tiers: Tiers) -> None:
    for name in ("rules", "rule_revisions"):
        shop.database.collection(name).delete_many({})
    tiers.put_rules(changed(2))
    kept = revision_of(shop.database.collection("rules"), "tiers", 1)
    assert kept == default_rules().document()


def test_an_interrupted_edit_of_rules_can_be_repeated(shop: Shop) -> None:
    wanted = PointsRules(revision=2, fen_per_point=50)
    shop.database.collection("rule_revisions").insert_one(
        {"_id": "rules:points@2", "schema": 1, "document": wanted.document()}
    )
    RulesRepository(shop.database).put(wanted, "points_rules")
    found = shop.database.collection("rules").find_one({"_id": "points"})
    assert found == wanted.document()


# --- new rules on all members ---------------------------------------------------------------------


def crowd(shop: Shop, spends: list[int]) -> list[str]:
    """Register and evaluate members who have spent these amounts today."""
    members = [shop.register(f"guest{number}") for number in range(len(spends))]
    for member_id, fen in zip(members, spends, strict=True):
        shop.database.collection("accounts").update_one(
            {"_id": member_id},
            {"$set": {"spend_by_day": {"2026-03-02": fen}, "tier_review": "due"}},
        )
        Tiers(shop.database, shop.clock).evaluate_member(member_id)
    return members


def test_a_dry_run_shows_moves_and_costs_and_writes_nothing(shop: Shop) -> None:
    low, silver, strong, gold = crowd(shop, [30_000, 60_000, 90_000, 250_000])
    before = list(shop.database.collection("accounts").find({}).sort("_id", 1))
    new = changed(
        levels={
            "silver": {"spend_fen": 80_000},
            "gold": {
                "spend_fen": 90_000,
                "discount_bp": 8_000,
                "entry_coupons": ["gold-50-15", "no"],
            },
        }
    )
    runs, pages, after = TierRuns(shop.database, shop.clock), [], None
    for _ in range(5):
        request = DryRunRequest(rules=new, after=after, limit=1)
        pages.append(runs.dry_run_rules(request))
        after = pages[-1]["next"]
    assert after is None
    moves = [move for page in pages for move in page["moves"]]
    assert sorted((m["when"], m["before"], m["after"], m["members"]) for m in moves) == [
        ("now", "silver", "gold", 1),
        ("review", "silver", "basic", 1),
    ]
    examples = {example["member_id"]: example for page in pages for example in page["examples"]}
    assert set(examples) == {silver, strong}
    assert examples[silver]["on"] == "2027-03-02"
    assert sum(page["coupon_cost_fen"] for page in pages) == 1_500
    assert [page["unknown_templates"] for page in pages if page["coupons"]] == [["no"]]
    # ¥900 at 9 折 is ¥1,000 at list price, of which another tenth comes off now. ¥2,500 at 8.8 折
    # is ¥2,840.90 at list price.
    assert sum(page["discount_cost_fen"] for page in pages) == 10_000 + 22_727
    assert sum(page["discount_saved_fen"] for page in pages) == 6_667
    assert list(shop.database.collection("accounts").find({}).sort("_id", 1)) == before
    assert revision_of(shop.database.collection("rules"), "tiers", 2) is None
    assert low not in examples
    assert gold not in examples


@pytest.mark.slow
def test_several_workers_roll_out_rules_together_and_each_page_counts_once(shop: Shop) -> None:
    spends = [30_000, 60_000, 90_000] * ((PAGE + 50) // 3)
    members = crowd(shop, spends)
    shop.clock.advance(days=1)
    new = changed(levels={"silver": {"spend_fen": 80_000}, "gold": {"spend_fen": 85_000}})
    runs = TierRuns(shop.database, shop.clock)
    assert runs.apply_rules(new)["status"] == "running"
    assert runs.apply_rules(new) == runs.apply_rules(new)  # A repeat changes nothing.

    def go_on() -> None:
        mine = TierRuns(shop.database, shop.clock)
        for member_id in mine.members_to_do():
            mine.evaluate_member(member_id)

    at_once([go_on] * 3)
    go_on()  # A worker that lost the race for a page stopped; the timer runs again.
    done = runs.show_progress()
    expected = spends.count(90_000)
    assert (done["status"], done["members"], done["raised"]) == ("done", len(members), expected)
    levels = [shop.account(member_id)["tier"]["level"] for member_id in members]
    assert (levels.count("gold"), levels.count("silver")) == (expected, spends.count(60_000))
    causes = shop.database.collection("tier_changes").count_documents({"cause": "rules"})
    assert causes == expected
    shop.clock.advance(days=365)  # The others keep silver until their review.
    tiers = Tiers(shop.database, shop.clock)
    assert tiers.evaluate_member(members[1]) == "lowered"


def test_an_interrupted_roll_out_does_its_page_again(shop: Shop) -> None:
    members = crowd(shop, [60_000] * 4)
    new = changed(levels={"gold": {"spend_fen": 55_000}})
    runs = TierRuns(shop.database, shop.clock)
    runs.apply_rules(new)
    for number, member_id in enumerate(TierRuns(shop.database, shop.clock).members_to_do()):
        if number == 2:
            break  # The platform ends it here: the cursor is still before the page.
        Tiers(shop.database, shop.clock).evaluate_member(member_id, applying=2)
    assert runs.show_progress()["members"] == 0
    done = runs.show_progress(seconds=20)
    assert (done["status"], done["members"], done["raised"]) == ("done", 4, 4)
    assert {shop.account(m)["tier"]["level"] for m in members} == {"gold"}


def test_later_rules_end_the_roll_out_of_earlier_ones(shop: Shop) -> None:
    crowd(shop, [60_000])
    runs = TierRuns(shop.database, shop.clock)
    runs.apply_rules(changed(2))
    shop.clock.advance(hours=1)
    runs.apply_rules(changed(3))
    found = shop.database.collection("tier_runs").find({}).sort("_id", 1)
    assert [run["status"] for run in found] == ["superseded", "running"]
    with pytest.raises(Refusal) as refused:
        runs.apply_rules(changed(2, window_days=90))
    assert refused.value.code is Code.RULES_CONFLICT


def test_a_quote_at_a_removed_level_has_its_old_discount(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    without = [level for level in TIERS["levels"] if level["level"] != "silver"]
    tiers.put_rules(TierRules.model_validate({**TIERS, "revision": 2, "levels": without}))
    shop.database.cache.clear()
    assert shop.request(alice, items=[item(10)]).payable_fen == 13_500
    assert tiers.level_of(alice)[0].name == "白银"
    shop.clock.advance(days=365)
    assert tiers.evaluate_member(alice) == "lowered"
    assert shop.request(alice, items=[item(10)]).payable_fen == 15_000


def test_due_accounts_are_found_by_an_index_on_their_day(shop: Shop) -> None:
    crowd(shop, [60_000] * 3)
    collection = shop.database.collection("accounts")
    for name in ("review_on", "monthly_on", "birthday_on"):
        plan = collection.find({name: {"$lte": "2026-03-02"}}).sort([(name, 1), ("_id", 1)])
        stats = plan.explain()["executionStats"]
        assert stats["totalKeysExamined"] <= 1
