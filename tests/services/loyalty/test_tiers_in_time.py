"""Tiers on a real database: raised at once, undone, reviewed, noticed, given, applied."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.loyalty.tier_rollouts.models import DryRunRequest
from huitou.loyalty.tier_rollouts.service import PAGE, TierRuns
from huitou.loyalty.tiers.models import DEFAULT_RULES, TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.members.profiles.errors import ProfileErrors
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.maintenance.repository import RulesRepository
from huitou.runtime.database import Database
from huitou.runtime.declarations import migrations
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest
from huitou.runtime.recent import Recent
from huitou.runtime.revisions import revision_of
from simulation.chain import TIERS


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def tiers(shop: Shop) -> Tiers:
    return Tiers(shop.database, shop.clock)


@pytest.fixture
def granting(shop: Shop) -> TierCoupons:
    return TierCoupons(shop.database, shop.clock)


def ruled(shop: Shop, revision: int = 2, levels: Any = None, **more: Any) -> TierRules:
    """Put changed rules in force, as they are known to everybody at once."""
    rules = changed(revision, levels, **more)
    Tiers(shop.database, shop.clock).put_rules(rules)
    shop.database.recent = Recent()
    return rules


def changed(revision: int = 2, levels: Any = None, **more: Any) -> TierRules:
    """The sample chain's rules with some of each level's fields changed."""
    merged = [{**level, **(levels or {}).get(level["level"], {})} for level in TIERS["levels"]]
    return TierRules.model_validate({**TIERS, "revision": revision, "levels": merged, **more})


def coupon_causes(shop: Shop) -> list[str]:
    """Why coupons were issued, the member left out."""
    causes = [coupon["cause"] for coupon in shop.database.collection("coupons").find({})]
    return sorted(":".join(c.split(":")[:1] + c.split(":")[2:]) for c in causes)


def changes(shop: Shop) -> list[tuple[str, str]]:
    found = shop.database.collection("tier_changes").find({}).sort("at", 1)
    return [(change["after"], change["cause"]) for change in found]


def at(shop: Shop, text: str) -> None:
    shop.clock.moment = datetime.fromisoformat(text).replace(hour=4, tzinfo=UTC)


def test_two_evaluators_and_a_refund_at_once_lose_nothing(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    order = shop.paid(alice, items=[item(40)])
    shop.refund(order)
    at_once([
        *[lambda: tiers.evaluate(alice)] * 3,
        lambda: shop.settlement.settle(order.id),
    ])  # fmt: skip
    for member_id in list(tiers.due()):  # What the refund left due if it came last.
        tiers.evaluate(member_id)
    account = shop.account(alice)
    assert account["tier"]["level"] == "basic"
    assert sum(account["spend_by_day"].values()) == 0
    moves = changes(shop)
    assert moves in ([], [("silver", "figures"), ("basic", "refund")])
    assert shop.differences() == []


def test_nothing_is_written_where_nothing_has_changed(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    assert tiers.evaluate(alice) == "raised"
    before = shop.account(alice)
    assert tiers.evaluate(alice) == "unchanged"
    assert shop.account(alice) == before


def test_a_membership_year_counts_from_the_day_of_joining(shop: Shop, tiers: Tiers) -> None:
    ruled(shop, window="anchor", notice_days=0)
    at(shop, "2026-03-10")
    alice = shop.register()
    at(shop, "2027-03-01")
    shop.paid(alice, items=[item(20)])
    tiers.evaluate(alice)
    at(shop, "2027-03-20")  # The next membership year: the first ¥300 count no more.
    shop.paid(alice, items=[item(20)])
    assert tiers.evaluate(alice) == "unchanged"
    shop.paid(alice, items=[item(20)])
    assert tiers.evaluate(alice) == "raised"
    assert shop.account(alice)["tier"]["holds_through"] == "2029-03-09"


def test_a_calendar_year_is_reviewed_with_all_its_days_even_after_the_grace(
    shop: Shop, tiers: Tiers
) -> None:
    ruled(shop, window="calendar_year", grace_days=60, notice_days=0)
    at(shop, "2026-01-02")
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate(alice)
    assert shop.account(alice)["tier"]["holds_through"] == "2027-12-31"  # Kept by 2026.
    at(shop, "2027-01-01")
    assert list(tiers.due()) == []
    at(shop, "2027-01-02")
    shop.paid(alice, items=[item(36)])
    tiers.evaluate(alice)
    at(shop, "2028-02-29")
    tiers.evaluate(alice)
    assert shop.account(alice)["tier"]["level"] == "silver"
    shop.paid(alice, items=[item(2)])  # ¥486 in January 2027, ¥27 on the last day of grace.
    tiers.evaluate(alice)
    assert shop.account(alice)["tier"]["holds_through"] == "2028-12-31"


def test_a_member_is_told_once_in_time_what_keeps_the_tier(shop: Shop, tiers: Tiers) -> None:
    ruled(shop, window="calendar_year")
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate(alice)
    assert "keep" not in tiers.shown(alice)
    at(shop, "2027-01-01")
    tiers.evaluate(alice)
    shop.paid(alice, items=[item(20)])
    tiers.evaluate(alice)
    assert shop.account(alice)["review_on"] == "2027-12-02"
    at(shop, "2027-12-02")
    assert list(tiers.due()) == [alice]
    assert "noticed" in at_once([lambda: tiers.evaluate(alice)] * 4)
    assert list(tiers.due()) == []
    assert shop.account(alice)["review_on"] == "2028-01-01"
    keep = tiers.shown(alice)["keep"]
    missing = 50_000 - sum(
        fen for day, fen in shop.account(alice)["spend_by_day"].items() if day >= "2027"
    )
    assert (keep["missing_fen"], keep["by"]) == (missing, "2027-12-31")
    assert keep["text"] == f"再消费 ¥{missing // 100}（12 月 31 日前）可保留 白银"
    assert tiers.shown(alice, "en")["keep"]["text"].startswith("Spend ¥")
    listed = Notices(shop.database, shop.clock).listing(alice, PageRequest(), "zh")
    assert [notice["text"] for notice in listed["notices"]] == [keep["text"]]
    assert listed["notices"][0]["notice_id"] == f"tier-keep:{alice}:2028-01-01:silver"
    shop.paid(alice, items=[item(40)])
    tiers.evaluate(alice)
    assert "keep" not in tiers.shown(alice)
    assert (
        len(Notices(shop.database, shop.clock).listing(alice, PageRequest(), "zh")["notices"]) == 1
    )


def test_notices_are_paged_newest_first(shop: Shop) -> None:
    notices, alice = Notices(shop.database, shop.clock), shop.register()
    for points in range(3):
        shop.clock.advance(hours=1)
        assert notices.put("points-expiring", alice, f"2026-04-0{points + 1}", {"points": points})
        assert not notices.put("points-expiring", alice, f"2026-04-0{points + 1}", {"points": 9})
    first = notices.listing(alice, PageRequest(limit=2), "zh")
    rest = notices.listing(alice, PageRequest(limit=2, after=first["next"]), "zh")
    days = [notice["for_day"][-1] for notice in first["notices"] + rest["notices"]]
    assert (days, rest["next"]) == (["3", "2", "1"], None)


def test_monthly_coupons_come_once_a_month_however_often_it_is_asked(
    shop: Shop, tiers: Tiers, granting: TierCoupons
) -> None:
    ruled(shop, levels={"silver": {"monthly_coupons": ["welcome-20-5"], "entry_coupons": []}})
    template = CouponTemplate.model_validate(
        {"_id": "welcome-20-5", "revision": 2, "name": "", "valid_days": 7,
         "terms": {"threshold_fen": 0, "off_fen": 500}})  # fmt: skip
    Coupons(shop.database, shop.clock).put([template], [])
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate(alice)
    for month in ("2026-03-02", "2026-04-01", "2026-12-31", "2027-01-05"):
        at(shop, month)
        assert list(granting.monthly_due()) == [alice]
        assert at_once([lambda: granting.grant_month(alice)] * 4).count("issued") == 1
        assert list(granting.monthly_due()) == []
    causes = coupon_causes(shop)
    assert causes == [
        f"tier-month:silver:{month}:welcome-20-5"
        for month in ("2026-03", "2026-04", "2026-12", "2027-01")
    ]
    at(shop, "2027-03-02")
    tiers.evaluate(alice)
    assert shop.account(alice)["tier"]["level"] == "basic"
    assert granting.grant_month(alice) == "nothing new"  # And the account is asked no more.
    assert list(granting.monthly_due()) == []


def test_a_birthday_is_said_once_and_brings_its_coupons_once_a_year(
    shop: Shop, granting: TierCoupons
) -> None:
    ruled(shop, levels={"basic": {"birthday_coupons": ["silver-30-8"]}})
    alice = shop.register()
    say = [lambda d=day: shop.members.update(
        alice, UpdateProfileRequest(birthday=date(1992, 2, d)))
        for day in (28, 29)]  # fmt: skip
    results = at_once(say)
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [refusal.code for refusal in refused] == [ProfileErrors.BIRTHDAY_FIXED]
    birthday = shop.members.profile(alice)["birthday"]
    same = UpdateProfileRequest(birthday=date.fromisoformat(birthday), nickname="A")
    assert shop.members.update(alice, same)["nickname"] == "A"
    assert list(granting.birthdays_due()) == []
    for year in (2027, 2028):
        at(shop, f"{year}-02-{birthday[-2:] if year == 2028 else 28}")
        assert list(granting.birthdays_due()) == [alice]
        assert at_once([lambda: granting.grant_birthday(alice)] * 4).count("issued") == 1
        assert list(granting.birthdays_due()) == []
    assert coupon_causes(shop) == [f"birthday:{year}:silver-30-8" for year in (2027, 2028)]


def test_birthdays_from_before_are_noted_for_their_accounts(shop: Shop) -> None:
    alice, bob = shop.register("alice"), shop.register("bob")
    members = shop.database.collection("members")
    members.update_one({"_id": alice}, {"$set": {"birthday": "1990-12-31"}})
    [note] = [step for step in migrations() if "birthday" in step.title]
    for _ in range(2):
        note.run(shop.database)
    account = shop.account(alice)
    assert (account["birthday_md"], account["birthday_on"][4:]) == ("12-31", "-12-31")
    assert "birthday_on" not in shop.account(bob)


def test_every_revision_of_rules_is_kept_and_two_editors_have_one_winner(shop: Shop) -> None:
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


def test_the_defaults_that_served_before_the_first_rules_are_kept(shop: Shop, tiers: Tiers) -> None:
    for name in ("rules", "rule_revisions"):
        shop.database.collection(name).delete_many({})
    tiers.put_rules(changed(2))
    kept = revision_of(shop.database.collection("rules"), "tiers", 1)
    assert kept == DEFAULT_RULES.document()


def test_an_editor_who_stopped_half_way_goes_on(shop: Shop) -> None:
    wanted = PointsRules(revision=2, fen_per_point=50)
    shop.database.collection("rule_revisions").insert_one(
        {"_id": "rules:points@2", "schema": 1, "document": wanted.document()}
    )
    RulesRepository(shop.database).put(wanted, "points_rules")
    found = shop.database.collection("rules").find_one({"_id": "points"})
    assert found == wanted.document()


def test_a_tier_of_another_system_comes_in_once_with_its_review_day(
    shop: Shop, tiers: Tiers, granting: TierCoupons
) -> None:
    alice = shop.register()
    terms = (alice, "silver", "2025-08-01", "2026-07-31", "old-crm")
    results = at_once([lambda: tiers.bring_in(*terms)] * 4)
    assert sorted(results) == ["brought in", *["brought in before"] * 3]
    for member_id in list(tiers.due()):
        tiers.evaluate(member_id)
    assert shop.account(alice)["review_on"] == "2026-07-02"  # The notice comes first.
    assert list(granting.due()) == []
    shop.refund(order := shop.paid(alice))  # A refund doesn't touch what came from elsewhere.
    shop.settlement.settle(order.id)
    assert tiers.evaluate(alice) == "unchanged"
    at(shop, "2026-08-01")
    assert list(tiers.due()) == [alice]
    assert tiers.evaluate(alice) == "lowered"
    assert changes(shop) == [("silver", "migration"), ("basic", "review")]
    shop.paid(alice, items=[item(99), item(40)])
    tiers.evaluate(alice)
    assert tiers.bring_in(alice, "silver", "2025-08-01", "2026-12-31", "crm2") == "stands higher"


# --- new rules on all members ---------------------------------------------------------------------


def crowd(shop: Shop, spends: list[int]) -> list[str]:
    """Members who spent so much today, evaluated."""
    members = [shop.register(f"guest{number}") for number in range(len(spends))]
    for member_id, fen in zip(members, spends, strict=True):
        shop.database.collection("accounts").update_one(
            {"_id": member_id},
            {"$set": {"spend_by_day": {"2026-03-02": fen}, "tier_review": "due"}},
        )
        Tiers(shop.database, shop.clock).evaluate(member_id)
    return members


def test_a_dry_run_says_who_moves_when_and_what_it_costs_and_writes_nothing(shop: Shop) -> None:
    low, silver, strong, gold = crowd(shop, [30_000, 60_000, 90_000, 250_000])
    before = list(shop.database.collection("accounts").find({}).sort("_id", 1))
    new = changed(levels={
        "silver": {"spend_fen": 80_000},
        "gold": {"spend_fen": 90_000, "discount_bp": 8_000, "entry_coupons": ["gold-50-15", "no"]},
    })  # fmt: skip
    runs, pages, after = TierRuns(shop.database, shop.clock), [], None
    for _ in range(5):
        request = DryRunRequest(rules=new, after=after, limit=1)
        pages.append(runs.dry_run(request))
        after = pages[-1]["next"]
    assert after is None
    moves = [move for page in pages for move in page["moves"]]
    assert sorted((m["when"], m["before"], m["after"], m["members"]) for m in moves) == [
        ("now", "silver", "gold", 1), ("review", "silver", "basic", 1),
    ]  # fmt: skip
    examples = {example["member_id"]: example for page in pages for example in page["examples"]}
    assert set(examples) == {silver, strong}
    assert examples[silver]["on"] == "2027-03-02"
    assert sum(page["coupon_cost_fen"] for page in pages) == 1_500
    assert [page["unknown_templates"] for page in pages if page["coupons"]] == [["no"]]
    # ¥900 at 9 折 were ¥1,000 at list price: a tenth more off; ¥2,500 at 8.8 折 ¥2,840.90.
    assert sum(page["discount_cost_fen"] for page in pages) == 10_000 + 22_727
    assert sum(page["discount_saved_fen"] for page in pages) == 6_667
    assert list(shop.database.collection("accounts").find({}).sort("_id", 1)) == before
    assert revision_of(shop.database.collection("rules"), "tiers", 2) is None
    assert low not in examples
    assert gold not in examples


def test_applying_rules_raises_all_in_pages_whoever_and_however_many_do_it(shop: Shop) -> None:
    spends = [30_000, 60_000, 90_000] * ((PAGE + 50) // 3)
    members = crowd(shop, spends)
    shop.clock.advance(days=1)
    new = changed(levels={"silver": {"spend_fen": 80_000}, "gold": {"spend_fen": 85_000}})
    runs = TierRuns(shop.database, shop.clock)
    assert runs.apply(new)["status"] == "running"
    assert runs.apply(new) == runs.apply(new)  # Again changes nothing.

    def go_on() -> None:
        mine = TierRuns(shop.database, shop.clock)
        for member_id in mine.members_to_do():
            mine.bring(member_id)

    at_once([go_on] * 3)
    go_on()  # Whoever lost a page stopped; a timer comes again.
    done = runs.progress()
    expected = spends.count(90_000)
    assert (done["status"], done["members"], done["raised"]) == ("done", len(members), expected)
    levels = [shop.account(member_id)["tier"]["level"] for member_id in members]
    assert (levels.count("gold"), levels.count("silver")) == (expected, spends.count(60_000))
    causes = shop.database.collection("tier_changes").count_documents({"cause": "rules"})
    assert causes == expected
    shop.clock.advance(days=365)  # The others keep silver until their review.
    tiers = Tiers(shop.database, shop.clock)
    assert tiers.evaluate(members[1]) == "lowered"


def test_a_run_that_was_interrupted_does_its_page_again(shop: Shop) -> None:
    members = crowd(shop, [60_000] * 4)
    new = changed(levels={"gold": {"spend_fen": 55_000}})
    runs = TierRuns(shop.database, shop.clock)
    runs.apply(new)
    for number, member_id in enumerate(TierRuns(shop.database, shop.clock).members_to_do()):
        if number == 2:
            break  # Ended by the platform; the cursor still stands before the page.
        Tiers(shop.database, shop.clock).evaluate(member_id, applying=2)
    assert runs.progress()["members"] == 0
    done = runs.progress(seconds=20)
    assert (done["status"], done["members"], done["raised"]) == ("done", 4, 4)
    assert {shop.account(m)["tier"]["level"] for m in members} == {"gold"}


def test_later_rules_take_over_from_those_still_being_applied(shop: Shop) -> None:
    crowd(shop, [60_000])
    runs = TierRuns(shop.database, shop.clock)
    runs.apply(changed(2))
    shop.clock.advance(hours=1)
    runs.apply(changed(3))
    found = shop.database.collection("tier_runs").find({}).sort("_id", 1)
    assert [run["status"] for run in found] == ["superseded", "running"]
    with pytest.raises(Refusal) as refused:
        runs.apply(changed(2, window_days=90))
    assert refused.value.code is Code.RULES_CONFLICT


def test_a_quote_of_a_level_that_is_gone_has_its_old_discount(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate(alice)
    without = [level for level in TIERS["levels"] if level["level"] != "silver"]
    tiers.put_rules(TierRules.model_validate({**TIERS, "revision": 2, "levels": without}))
    shop.database.recent = Recent()
    assert shop.request(alice, items=[item(10)]).payable_fen == 13_500
    assert tiers.level_of(alice)[0].name == "白银"
    shop.clock.advance(days=365)
    assert tiers.evaluate(alice) == "lowered"
    assert shop.request(alice, items=[item(10)]).payable_fen == 15_000


def test_what_is_due_is_found_by_its_day_not_by_looking_at_members(shop: Shop) -> None:
    crowd(shop, [60_000] * 3)
    collection = shop.database.collection("accounts")
    for name in ("review_on", "monthly_on", "birthday_on"):
        plan = collection.find({name: {"$lte": "2026-03-02"}}).sort([(name, 1), ("_id", 1)])
        stats = plan.explain()["executionStats"]
        assert stats["totalKeysExamined"] <= 1
