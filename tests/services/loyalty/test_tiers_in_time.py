"""Tiers on a real database: raises, refunds, reviews, notices, coupons, other systems."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.loyalty.tiers.brought_in_service import BroughtTier, BroughtTiers
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.members.profiles.errors import ProfileErrors
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.runtime.database import Database
from huitou.runtime.declarations import migrations
from huitou.runtime.errors import Refusal
from huitou.runtime.paging import PageRequest
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


def put_rules_into_force(
    shop: Shop, revision: int = 2, levels: Any = None, **more: Any
) -> TierRules:
    """Put changed rules into force and empty the cache of rules."""
    rules = changed(revision, levels, **more)
    Tiers(shop.database, shop.clock).put_rules(rules)
    shop.database.cache.clear()
    return rules


def changed(revision: int = 2, levels: Any = None, **more: Any) -> TierRules:
    """Return the sample chain's rules with some fields of levels changed."""
    merged = [{**level, **(levels or {}).get(level["level"], {})} for level in TIERS["levels"]]
    return TierRules.model_validate({**TIERS, "revision": revision, "levels": merged, **more})


def coupon_causes(shop: Shop) -> list[str]:
    """Return the causes of all coupons, without the member's id."""
    causes = [coupon["cause"] for coupon in shop.database.collection("coupons").find({})]
    return sorted(":".join(c.split(":")[:1] + c.split(":")[2:]) for c in causes)


def changes(shop: Shop) -> list[tuple[str, str]]:
    found = shop.database.collection("tier_changes").find({}).sort("at", 1)
    return [(change["after"], change["cause"]) for change in found]


def at(shop: Shop, text: str) -> None:
    shop.clock.moment = datetime.fromisoformat(text).replace(hour=4, tzinfo=UTC)


def test_simultaneous_evaluations_and_a_refund_lose_nothing(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    order = shop.paid(alice, items=[item(40)])
    shop.refund(order)
    at_once(
        [
            *[lambda: tiers.evaluate_member(alice)] * 3,
            lambda: shop.settlement.settle_order(order.id),
        ]
    )
    for member_id in list(tiers.due_reviews()):  # The refund makes a review due if it came last.
        tiers.evaluate_member(member_id)
    account = shop.account(alice)
    assert account["tier"]["level"] == "basic"
    assert sum(account["spend_by_day"].values()) == 0
    moves = changes(shop)
    assert moves in ([], [("silver", "figures"), ("basic", "refund")])
    assert shop.differences() == []


def test_an_evaluation_that_changes_nothing_writes_nothing(shop: Shop, tiers: Tiers) -> None:
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    assert tiers.evaluate_member(alice) == "raised"
    before = shop.account(alice)
    assert tiers.evaluate_member(alice) == "unchanged"
    assert shop.account(alice) == before


def test_a_membership_year_counts_from_the_day_of_joining(shop: Shop, tiers: Tiers) -> None:
    put_rules_into_force(shop, window="anchor", notice_days=0)
    at(shop, "2026-03-10")
    alice = shop.register()
    at(shop, "2027-03-01")
    shop.paid(alice, items=[item(20)])
    tiers.evaluate_member(alice)
    at(shop, "2027-03-20")  # In the next membership year the first ¥300 don't count any more.
    shop.paid(alice, items=[item(20)])
    assert tiers.evaluate_member(alice) == "unchanged"
    shop.paid(alice, items=[item(20)])
    assert tiers.evaluate_member(alice) == "raised"
    assert shop.account(alice)["tier"]["holds_through"] == "2029-03-09"


def test_the_review_of_a_calendar_year_counts_all_its_days_and_the_days_of_grace(
    shop: Shop, tiers: Tiers
) -> None:
    put_rules_into_force(shop, window="calendar_year", grace_days=60, notice_days=0)
    at(shop, "2026-01-02")
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    assert shop.account(alice)["tier"]["holds_through"] == "2027-12-31"  # Kept by 2026.
    at(shop, "2027-01-01")
    assert list(tiers.due_reviews()) == []
    at(shop, "2027-01-02")
    shop.paid(alice, items=[item(36)])
    tiers.evaluate_member(alice)
    at(shop, "2028-02-29")
    tiers.evaluate_member(alice)
    assert shop.account(alice)["tier"]["level"] == "silver"
    shop.paid(alice, items=[item(2)])  # ¥486 in January 2027, ¥27 on the last day of grace.
    tiers.evaluate_member(alice)
    assert shop.account(alice)["tier"]["holds_through"] == "2028-12-31"


def test_a_member_gets_one_notice_of_what_keeps_the_tier(shop: Shop, tiers: Tiers) -> None:
    put_rules_into_force(shop, window="calendar_year")
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    assert "keep" not in tiers.show_tier(alice)
    at(shop, "2027-01-01")
    tiers.evaluate_member(alice)
    shop.paid(alice, items=[item(20)])
    tiers.evaluate_member(alice)
    assert shop.account(alice)["review_on"] == "2027-12-02"
    at(shop, "2027-12-02")
    assert list(tiers.due_reviews()) == [alice]
    assert "noticed" in at_once([lambda: tiers.evaluate_member(alice)] * 4)
    assert list(tiers.due_reviews()) == []
    assert shop.account(alice)["review_on"] == "2028-01-01"
    keep = tiers.show_tier(alice)["keep"]
    missing = 50_000 - sum(
        fen for day, fen in shop.account(alice)["spend_by_day"].items() if day >= "2027"
    )
    assert (keep["missing_fen"], keep["by"]) == (missing, "2027-12-31")
    assert keep["text"] == f"再消费 ¥{missing // 100}（12 月 31 日前）可保留 白银"
    assert tiers.show_tier(alice, "en")["keep"]["text"].startswith("Spend ¥")
    listed = Notices(shop.database, shop.clock).list_notices(alice, PageRequest(), "zh")
    assert [notice["text"] for notice in listed["notices"]] == [keep["text"]]
    assert listed["notices"][0]["notice_id"] == f"tier-keep:{alice}:2028-01-01:silver"
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    assert "keep" not in tiers.show_tier(alice)
    assert (
        len(Notices(shop.database, shop.clock).list_notices(alice, PageRequest(), "zh")["notices"])
        == 1
    )


def test_notices_are_paged_newest_first(shop: Shop) -> None:
    notices, alice = Notices(shop.database, shop.clock), shop.register()
    for points in range(3):
        shop.clock.advance(hours=1)
        assert notices.put_notice(
            "points-expiring", alice, f"2026-04-0{points + 1}", {"points": points}
        )
        assert not notices.put_notice(
            "points-expiring", alice, f"2026-04-0{points + 1}", {"points": 9}
        )
    first = notices.list_notices(alice, PageRequest(limit=2), "zh")
    rest = notices.list_notices(alice, PageRequest(limit=2, after=first["next"]), "zh")
    days = [notice["for_day"][-1] for notice in first["notices"] + rest["notices"]]
    assert (days, rest["next"]) == (["3", "2", "1"], None)


def test_monthly_coupons_are_issued_once_a_month_even_by_simultaneous_calls(
    shop: Shop, tiers: Tiers, granting: TierCoupons
) -> None:
    put_rules_into_force(
        shop, levels={"silver": {"monthly_coupons": ["welcome-20-5"], "entry_coupons": []}}
    )
    template = CouponTemplate.model_validate(
        {
            "_id": "welcome-20-5",
            "revision": 2,
            "name": "",
            "valid_days": 7,
            "terms": {"threshold_fen": 0, "off_fen": 500},
        }
    )
    Coupons(shop.database, shop.clock).put_templates([template], [])
    alice = shop.register()
    shop.paid(alice, items=[item(40)])
    tiers.evaluate_member(alice)
    for month in ("2026-03-02", "2026-04-01", "2026-12-31", "2027-01-05"):
        at(shop, month)
        assert list(granting.due_monthly_coupons()) == [alice]
        assert at_once([lambda: granting.grant_monthly_coupons(alice)] * 4).count("issued") == 1
        assert list(granting.due_monthly_coupons()) == []
    causes = coupon_causes(shop)
    assert causes == [
        f"tier-month:silver:{month}:welcome-20-5"
        for month in ("2026-03", "2026-04", "2026-12", "2027-01")
    ]
    at(shop, "2027-03-02")
    tiers.evaluate_member(alice)
    assert shop.account(alice)["tier"]["level"] == "basic"
    assert granting.grant_monthly_coupons(alice) == "nothing new"  # The account isn't due any more.
    assert list(granting.due_monthly_coupons()) == []


def test_a_birthday_is_set_once_and_brings_its_coupons_once_a_year(
    shop: Shop, granting: TierCoupons
) -> None:
    put_rules_into_force(shop, levels={"basic": {"birthday_coupons": ["silver-30-8"]}})
    alice = shop.register()
    say = [
        lambda d=day: shop.members.update_profile(
            alice, UpdateProfileRequest(birthday=date(1992, 2, d))
        )
        for day in (28, 29)
    ]
    results = at_once(say)
    refused = [result for result in results if isinstance(result, Refusal)]
    # The second one is refused, or, if it came after the first, corrects it.
    assert {refusal.code for refusal in refused} <= {ProfileErrors.BIRTHDAY_FIXED}
    birthday = shop.members.show_profile(alice)["birthday"]
    same = UpdateProfileRequest(birthday=date.fromisoformat(birthday), nickname="A")
    assert shop.members.update_profile(alice, same)["nickname"] == "A"
    assert list(granting.due_birthday_coupons()) == []
    for year in (2027, 2028):
        at(shop, f"{year}-02-{birthday[-2:] if year == 2028 else 28}")
        assert list(granting.due_birthday_coupons()) == [alice]
        assert at_once([lambda: granting.grant_birthday_coupons(alice)] * 4).count("issued") == 1
        assert list(granting.due_birthday_coupons()) == []
    assert coupon_causes(shop) == [f"birthday:{year}:silver-30-8" for year in (2027, 2028)]


def test_the_migration_copies_birthdays_to_accounts(shop: Shop) -> None:
    alice, bob = shop.register("alice"), shop.register("bob")
    members = shop.database.collection("members")
    members.update_one({"_id": alice}, {"$set": {"birthday": "1990-12-31"}})
    [note] = [step for step in migrations() if "birthday" in step.title]
    for _ in range(2):
        note.run(shop.database)
    account = shop.account(alice)
    assert (account["birthday_md"], account["birthday_on"][4:]) == ("12-31", "-12-31")
    assert "birthday_on" not in shop.account(bob)


def test_a_tier_from_another_system_is_taken_over_once_with_its_review_day(
    shop: Shop, tiers: Tiers, granting: TierCoupons
) -> None:
    alice = shop.register()
    brought = BroughtTiers(shop.database, shop.clock)
    tier = BroughtTier("silver", "2025-08-01", "2026-07-31", "old-crm")
    results = at_once([lambda: brought.bring_in_tier(alice, tier)] * 4)
    assert sorted(results) == ["brought in", *["brought in before"] * 3]
    for member_id in list(tiers.due_reviews()):
        tiers.evaluate_member(member_id)
    assert shop.account(alice)["review_on"] == "2026-07-02"  # The notice comes first.
    assert list(granting.due_entry_coupons()) == []
    shop.refund(order := shop.paid(alice))  # A refund doesn't end it.
    shop.settlement.settle_order(order.id)
    assert tiers.evaluate_member(alice) == "unchanged"
    at(shop, "2026-08-01")
    assert list(tiers.due_reviews()) == [alice]
    assert tiers.evaluate_member(alice) == "lowered"
    assert changes(shop) == [("silver", "migration"), ("basic", "review")]
    shop.paid(alice, items=[item(99), item(40)])
    tiers.evaluate_member(alice)
    later = BroughtTier("silver", "2025-08-01", "2026-12-31", "crm2")
    assert brought.bring_in_tier(alice, later) == "stands higher"
