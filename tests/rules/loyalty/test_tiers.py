"""Tier rules: what an operator may write, and which tier a member's figures give."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.birthdays.rules import birthday_from
from huitou.loyalty.notices.rules import words
from huitou.loyalty.tiers.models import Standing, TierAccount, TierRules, default_rules
from huitou.loyalty.tiers.rules import BEFORE_BASE_DAYS, MOST_DAYS_KEPT
from hunting import examples
from tier_lives import evaluate

START = date(2026, 1, 1)
LEVELS: list[dict[str, Any]] = [
    {"level": "basic", "name": "普通", "spend_fen": 0},
    {"level": "silver", "name": "白银", "spend_fen": 500, "orders": 4, "match": "any"},
    {"level": "gold", "name": "黄金", "spend_fen": 2_000, "keep": {"spend_fen": 1_500}},
]
WINDOWS: list[dict[str, Any]] = [
    {"window": "rolling", "window_days": 90},
    {"window": "calendar_year"},
    {"window": "anchor", "anchor": "joined"},
    {"window": "anchor", "anchor": "level_start"},
]


def rules(revision: int = 1, **more: Any) -> TierRules:
    return TierRules.model_validate({"revision": revision, "levels": LEVELS, **more})


def day(ahead: int) -> str:
    return (START + timedelta(days=ahead)).isoformat()


# --- the rules' document ------------------------------------------------------------------------


def test_every_field_of_the_form_has_a_chinese_title_and_help() -> None:
    schema = TierRules.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    assert len(models) == 3
    for model in models:
        for name, field in model["properties"].items():
            for words_of in ("title", "description"):
                text = field.get(words_of, "")
                assert any("\u4e00" <= sign <= "\u9fff" for sign in text), f"{name}: {words_of}"


def test_rules_stored_by_an_older_version_are_read_as_they_were_meant() -> None:
    old = {"_id": "tiers", "schema": 1, "revision": 3, "window_days": 180, "levels": [
        {"level": "basic", "name": "普通", "spend_fen": 0, "discount_bp": 10_000,
         "entry_coupons": []},
        {"level": "silver", "name": "白银", "spend_fen": 50_000, "discount_bp": 9_000,
         "entry_coupons": ["silver-30-8"]},
    ]}  # fmt: skip
    read = TierRules.model_validate(old)
    assert (read.window, read.window_days, read.downgrade) == ("rolling", 180, "to_earned")
    assert read.levels[1].wanted() == {"spend_fen": 50_000}
    assert read.levels[1].kept_by is read.levels[1]
    assert TierRules.model_validate(read.document()) == read


SILVER: dict[str, Any] = {"level": "silver", "name": "", "spend_fen": 500}
GOLD: dict[str, Any] = {"level": "gold", "name": "", "spend_fen": 2_000}


@pytest.mark.parametrize(
    ("levels", "words_of_it"),
    [
        ([{**SILVER}], "levels.0"),
        ([LEVELS[0], SILVER, SILVER], "another"),
        ([LEVELS[0], SILVER, {**GOLD, "spend_fen": 500}], "levels.2: the levels must rise"),
        ([LEVELS[0], GOLD, SILVER | {"level": "x"}], "levels.2: the levels must rise"),
        ([LEVELS[0], SILVER, {**GOLD, "orders": 3, "match": "any"}], "levels.2: the levels"),
        ([LEVELS[0], {**SILVER, "keep": {"spend_fen": 501}}], "levels.1.keep: harder"),
        ([LEVELS[0], {**SILVER, "keep": {"orders": 1}}], "levels.1.keep: harder"),
        ([LEVELS[0], {**SILVER, "keep": {}}], "levels.1.keep: silver would be kept by anybody"),
        ([LEVELS[0], SILVER, {**GOLD, "keep": {"spend_fen": 9}}], "levels.2.keep: easier"),
    ],
)
def test_levels_that_do_not_rise_are_refused_and_the_field_is_named(
    levels: list[dict[str, Any]], words_of_it: str
) -> None:
    with pytest.raises(ValidationError, match=words_of_it):
        TierRules.model_validate({"levels": levels})


# --- faults of earlier versions, each with the right answer -------------------------------------

YUAN = 100
SILVER_GOLD: list[dict[str, Any]] = [
    {"level": "basic", "name": "普通"},
    {"level": "silver", "name": "白银", "spend_fen": 1_000 * YUAN,
     "keep": {"spend_fen": 600 * YUAN}},
    {"level": "gold", "name": "黄金", "spend_fen": 3_000 * YUAN,
     "keep": {"spend_fen": 2_000 * YUAN}},
]  # fmt: skip


def spent(*days: tuple[str, int], tier: Standing | None = None, **more: Any) -> TierAccount:
    standing = (tier or Standing()).model_dump()
    return TierAccount.model_validate(
        {"_id": "m", "spend_by_day": dict(days), "tier": standing, "joined_day": day(0), **more}
    )


def stands(account: TierAccount, held: TierRules, today: str) -> tuple[str, str | None]:
    found = evaluate(account, held, today).standing
    return found.level, found.holds_through


def yuan(*days: tuple[str, int]) -> TierAccount:
    return spent(*((on, count * YUAN) for on, count in days))


def test_a_cancelled_order_does_not_prolong_a_tier() -> None:
    held = rules(levels=SILVER_GOLD, window_days=365)
    assert stands(yuan((day(0), 400), (day(100), 600)), held, day(100)) == ("silver", day(464))
    for today in (day(400), day(464)):
        cancelled = yuan((day(0), 400), (day(100), 600), (day(400), 0))
        assert stands(cancelled, held, today) == ("silver", day(464))
    assert stands(yuan((day(0), 400), (day(100), 600), (day(400), 0)), held, day(465))[0] == "basic"
    gold = yuan((day(0), 1_000), (day(100), 2_000), (day(400), 0))
    assert stands(gold, held, day(400)) == ("gold", day(464))


@pytest.mark.parametrize(
    "window", [{"window": "calendar_year"}, {"window": "anchor", "anchor": "joined"}], ids=str
)
def test_a_tier_reached_on_the_last_day_of_a_year_is_lost_if_its_order_is_refunded(
    window: dict[str, Any],
) -> None:
    held = rules(levels=SILVER_GOLD, **window)
    reached = yuan(("2026-12-31", 3_000))
    gold = evaluate(reached, held, "2026-12-31").standing
    assert (gold.level, gold.holds_through) == ("gold", "2027-12-31")
    seen_later = reached.model_copy(update={"tier": gold})
    for tier in (gold, evaluate(seen_later, held, "2027-01-01").standing):
        account = spent(("2026-12-31", 0), tier=tier, tier_base={})
        back = evaluate(account, held, "2027-01-01")
        assert (back.level.level, back.cause) == ("basic", "refund")


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_tier_rises_with_the_order_that_reaches_it_even_if_the_stores_day_differs(
    window: dict[str, Any],
) -> None:
    """At 00:30 on 1 January a store is a day ahead of the brand, whose day ends at 04:00."""
    held = rules(levels=SILVER_GOLD, **window)
    found = evaluate(yuan(("2027-01-01", 3_000)), held, "2026-12-31")
    assert (found.level.level, found.raised) == ("gold", True)
    later = yuan(("2027-01-01", 3_000)).model_copy(update={"tier": found.standing})
    assert evaluate(later, held, "2027-03-31").level.level == "gold"
    # A store's day may be behind too: then its order is seen only in the new year.
    behind = yuan(("2026-12-31", 3_000))
    assert evaluate(behind, held, "2027-01-01").level.level == "gold"


def test_refunding_a_later_order_costs_no_tier_that_was_held_without_it() -> None:
    held = rules(levels=SILVER_GOLD, window_days=365)
    orders = ((day(0), 1_000), (day(100), 2_000))
    assert stands(yuan(*orders, (day(300), 1_000)), held, day(300))[0] == "gold"
    assert stands(yuan(*orders, (day(300), 0)), held, day(370)) == ("gold", day(464))


def test_with_falls_by_one_step_a_further_order_never_ends_a_tier_sooner() -> None:
    levels = [{**level, "keep": None} for level in SILVER_GOLD]
    levels[1]["spend_fen"], levels[2]["spend_fen"] = 600 * YUAN, 1_500 * YUAN
    held = rules(levels=levels, window_days=180, downgrade="one_step")
    alone, more = yuan((day(0), 1_500)), yuan((day(0), 1_500), (day(100), 600))
    for account in (alone, more):
        assert stands(account, held, day(179))[0] == "gold"
        assert stands(account, held, day(180)) == ("silver", day(359))


# --- single rules ---------------------------------------------------------------------------------


def test_a_level_reached_in_a_calendar_year_is_held_through_the_next_year() -> None:
    held = rules(window="calendar_year")
    account = spent(("2026-11-05", 600))
    assert stands(account, held, "2026-11-05") == ("silver", "2027-12-31")
    reached = account.model_copy(update={"tier": evaluate(account, held, "2026-11-05").standing})
    fallen = evaluate(reached, held, "2028-01-01")
    assert (fallen.level.level, fallen.cause) == ("basic", "review")
    again = spent(("2026-11-05", 600), ("2027-03-01", 500))
    # An order counts the day before, too: its store may be a day ahead.
    assert stands(again, held, "2027-02-28") == ("silver", "2028-12-31")
    assert stands(again, held, "2027-03-01") == ("silver", "2028-12-31")


def test_a_member_who_joined_on_29_february_has_years_from_28_february() -> None:
    held = rules(window="anchor")
    account = spent(("2026-02-27", 600), joined_day="2024-02-29")
    assert stands(account, held, "2026-02-27") == ("silver", "2027-02-27")
    account = spent(("2026-02-28", 600), joined_day="2024-02-29")
    assert stands(account, held, "2026-02-28") == ("silver", "2028-02-28")


def test_the_goals_to_keep_a_level_may_be_easier_than_to_reach_it() -> None:
    held = rules(window="calendar_year")
    assert stands(spent(("2026-03-01", 2_000), ("2027-05-05", 1_500)), held, "2028-01-01") == (
        "gold", "2028-12-31",
    )  # fmt: skip
    fallen = spent(("2026-03-01", 2_000), ("2027-05-05", 1_499))
    # A gold member's spend keeps silver at least.
    assert stands(fallen, held, "2028-01-01") == ("silver", "2028-12-31")


def test_spending_in_the_days_of_grace_keeps_the_level() -> None:
    held = rules(window="calendar_year", grace_days=15)
    reached = ("2025-05-05", 600)
    assert stands(spent(reached, ("2026-05-05", 400)), held, "2027-01-01") == (
        "silver", "2026-12-31",
    )  # fmt: skip
    found = evaluate(spent(reached, ("2026-05-05", 400)), held, "2027-01-01")
    assert found.review_on == "2027-01-16"
    late = spent(reached, ("2026-05-05", 400), ("2027-01-15", 100))
    assert stands(late, held, "2027-01-15") == ("silver", "2027-12-31")
    assert stands(late, held, "2027-01-16") == ("silver", "2027-12-31")
    later = spent(reached, ("2026-05-05", 400), ("2027-01-16", 100))
    assert stands(later, held, "2027-01-16")[0] == "basic"


def test_with_level_start_a_membership_year_begins_each_time_a_level_is_reached() -> None:
    held = rules(window="anchor", anchor="level_start")
    assert stands(spent((day(0), 600)), held, day(0)) == ("silver", "2027-12-31")
    twice = spent((day(0), 600), (day(200), 500))
    assert stands(twice, held, day(200)) == ("silver", "2028-07-19")


def test_a_level_that_never_falls_is_lost_if_its_order_is_refunded() -> None:
    held = rules(downgrade="never")
    assert stands(spent((day(0), 600)), held, day(700)) == ("silver", None)
    assert stands(spent((day(0), 0)), held, day(300)) == ("basic", None)


# --- new rules ------------------------------------------------------------------------------------


def changed_on(today: str, new: TierRules) -> list[tuple[int, TierRules]]:
    return [(date.fromisoformat(today).toordinal(), new)]


def test_new_rules_do_not_end_a_level_before_its_last_day() -> None:
    old, harder = rules(1), [{**level} for level in LEVELS]
    harder[1] |= {"spend_fen": 900, "orders": 9}
    new = changed_on(day(1), rules(2, levels=harder))

    def found(account: TierAccount, number: int) -> tuple[str, str | None, int]:
        standing = evaluate(account, old, day(number), new).standing
        return standing.level, standing.holds_through, standing.rules_revision

    for number in (1, 200, 364):
        assert found(spent((day(0), 600)), number) == ("silver", day(364), 2)
    assert found(spent((day(0), 600)), 365)[0] == "basic"
    # With less spend, silver was never reached under the old rules.
    assert found(spent((day(0), 400)), 9)[0] == "basic"
    assert found(spent((day(0), 600), (day(100), 250)), 100)[1] == day(364)
    assert found(spent((day(0), 600), (day(100), 900)), 100)[1] == day(464)


def test_new_rules_raise_on_the_day_they_come_into_force() -> None:
    easier = [{**LEVELS[0]}, {**LEVELS[1], "spend_fen": 200}, {**LEVELS[2]}]
    new = changed_on(day(50), rules(2, levels=easier))
    account = spent((day(0), 250))
    assert evaluate(account, rules(1), day(49)).level.level == "basic"
    assert evaluate(account, rules(1), day(50), new).level.level == "silver"


def test_a_removed_level_keeps_its_benefits_until_its_last_day_and_may_rise() -> None:
    old = rules(1)
    plus = rules(2, levels=[LEVELS[0], {"level": "plus", "name": "Plus", "spend_fen": 700}])
    new = changed_on(day(5), plus)
    silver = evaluate(spent((day(0), 600)), old, day(0)).standing
    stays = evaluate(spent((day(0), 600), tier=silver), old, day(9), new)
    assert (stays.level.name, stays.cause) == ("白银", None)
    fallen = evaluate(spent((day(0), 600), tier=silver), old, day(365), new)
    assert fallen.level.level == "basic"
    risen = evaluate(spent((day(0), 600), (day(9), 100), tier=silver), old, day(9), new)
    assert (risen.level.level, risen.raised) == ("plus", True)


# --- accounts that older versions stored, and old days ------------------------------------------


def test_an_old_standing_gets_no_promise_if_the_days_give_the_same_level() -> None:
    silver = Standing(level="silver", rules_revision=1, since_day=day(0), holds_through=day(364))
    account = spent((day(0), 600), tier=silver)
    found = evaluate(account, rules(window_days=365), day(9))
    assert (found.standing.level, found.base.promises) == ("silver", [])
    refunded = spent((day(0), 0), tier=silver.model_copy(update={"earned_through": day(364)}))
    assert evaluate(refunded, rules(window_days=365), day(9)).level.level == "basic"


def test_an_old_standing_is_promised_through_its_day_if_the_days_give_less() -> None:
    silver = Standing(level="silver", rules_revision=1, holds_through="2026-12-31")
    account, held = spent(("2026-05-05", 400), tier=silver), rules(window="calendar_year")
    assert stands(account, held, "2026-12-31") == ("silver", "2026-12-31")
    assert stands(account, held, "2027-01-01")[0] == "basic"
    dated = Standing(level="silver", rules_revision=1, since_day=day(0))
    account = spent(tier=dated, review_on=day(365))
    assert evaluate(account, default_rules(), day(364)).level.level == "silver"
    assert evaluate(account, default_rules(), day(365)).level.level == "basic"


def test_a_refund_before_this_version_evaluates_undoes_an_old_standing() -> None:
    held = rules(window="calendar_year")
    silver = Standing(level="silver", rules_revision=1, holds_through="2026-12-31")
    gold = Standing(level="gold", rules_revision=1, earned_from="2026-01-01", under=silver,
                    earned_through="2026-12-31", holds_through="2026-12-31")  # fmt: skip
    assert stands(spent(("2026-03-01", 0), tier=gold), held, "2026-03-09") == (
        "silver", "2026-12-31",
    )  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@settings(max_examples=examples(20))
@given(
    days=st.dictionaries(st.integers(0, 1_500), st.sampled_from([100, 300, 600, 2_500]),
                         max_size=40)
)  # fmt: skip
def test_an_account_keeps_only_days_that_may_still_count(
    window: dict[str, Any], days: dict[int, int]
) -> None:
    """Dropping the other days changes no later evaluation."""
    held, account = rules(**window), spent()
    orders = {day(number): fen for number, fen in days.items()}
    for number in sorted({*days, 600, 1_200, 1_500}):
        known = {on: fen for on, fen in orders.items() if on <= day(number)}
        oldest = account.tier_base.day if account.tier_base else ""
        first = shifted(oldest, -BEFORE_BASE_DAYS) if oldest else ""
        spend = {on: fen for on, fen in known.items() if on >= first}
        found = evaluate(account.model_copy(update={"spend_by_day": spend}), held, day(number))
        assert len(found.kept(spend)) <= MOST_DAYS_KEPT + 1
        whole = evaluate(spent(*known.items()), held, day(number))
        assert (found.standing.level, found.standing.holds_through) == (
            whole.standing.level, whole.standing.holds_through,
        )  # fmt: skip
        account = account.model_copy(update={"tier": found.standing, "tier_base": found.base})


@pytest.mark.parametrize(
    ("month_day", "today", "found"),
    [
        ("05-01", "2026-05-01", "2026-05-01"),
        ("05-01", "2026-05-02", "2027-05-01"),
        ("02-29", "2026-01-01", "2026-02-28"),
        ("02-29", "2028-01-01", "2028-02-29"),
        ("02-29", "2028-03-01", "2029-02-28"),
    ],
)
def test_a_birthday_on_29_february_falls_on_the_28th_in_other_years(
    month_day: str, today: str, found: str
) -> None:
    assert birthday_from(month_day, today) == found


def test_a_notice_says_what_is_missing_in_the_members_language() -> None:
    data = {"name": "黄金", "by": "2026-12-31", "match": "any", "spend_fen": 12_000, "orders": 3}
    zh = words("tier-keep", data, "2027-01-01", "zh")
    assert zh == "再消费 ¥120或再下 3 单（12 月 31 日前）可保留 黄金"
    alone = {name: value for name, value in data.items() if name != "orders"}
    assert words("tier-keep", alone, "", "zh") == "再消费 ¥120（12 月 31 日前）可保留 黄金"
    assert words("tier-keep", alone, "", "en") == "Spend ¥120 more by 31 December to keep 黄金"
    expiring = words("points-expiring", {"points": 30}, "2027-01-01", "zh")
    assert expiring == "30 积分将于 12 月 31 日结束时过期"
