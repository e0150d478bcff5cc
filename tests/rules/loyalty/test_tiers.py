"""Tier rules: what an operator may write, and what they make of a member's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.birthdays.rules import birthday_from
from huitou.loyalty.notices.rules import words
from huitou.loyalty.tiers.models import DEFAULT_RULES, Standing, TierAccount, TierRules
from huitou.loyalty.tiers.rules import Evaluation, evaluate, figures_of, period

START = date(2026, 1, 1)
LEVELS: list[dict[str, Any]] = [
    {"level": "basic", "name": "普通", "spend_fen": 0},
    {"level": "silver", "name": "白银", "spend_fen": 500, "orders": 4, "match": "any"},
    {"level": "gold", "name": "黄金", "spend_fen": 2_000, "keep": {"spend_fen": 1_500}},
]
PLACES = {level["level"]: place for place, level in enumerate(LEVELS)}
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


# --- the document -------------------------------------------------------------------------------


def test_every_field_of_the_form_has_a_chinese_title_and_help() -> None:
    schema = TierRules.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    assert len(models) == 3
    for model in models:
        for name, field in model["properties"].items():
            for words_of in ("title", "description"):
                text = field.get(words_of, "")
                assert any("\u4e00" <= sign <= "\u9fff" for sign in text), f"{name}: {words_of}"


def test_rules_of_before_are_read_as_they_were_meant() -> None:
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
def test_levels_that_do_not_rise_are_refused_by_name(
    levels: list[dict[str, Any]], words_of_it: str
) -> None:
    with pytest.raises(ValidationError, match=words_of_it):
        TierRules.model_validate({"levels": levels})


# --- figures from days against the orders ---------------------------------------------------------


@dataclass(frozen=True)
class Paid:
    """One order of a history, as a re-read finds it."""

    on: int
    fen: int
    points: int
    refunded: bool
    back_on: int = 9_999

    def is_back(self, upto: int) -> bool:
        """Whether it has been refunded by that day."""
        return self.refunded or self.back_on <= upto


orders = st.lists(
    st.builds(Paid, st.integers(0, 900), st.integers(1, 1_200), st.integers(0, 50), st.booleans()),
    max_size=12,
)


def account_of(history: list[Paid], upto: int, **more: Any) -> TierAccount:
    """Day buckets as settling leaves them: added when paid, taken back when refunded."""
    buckets: dict[str, dict[str, int]] = {"spend_by_day": {}, "orders_by_day": {},
                                          "points_by_day": {}}  # fmt: skip
    for order in history:
        if order.on > upto:
            continue
        for sign in (1, -1) if order.is_back(upto) else (1,):
            for name, count in (("spend", order.fen), ("orders", 1), ("points", order.points)):
                by_day = buckets[f"{name}_by_day"]
                by_day[day(order.on)] = by_day.get(day(order.on), 0) + sign * count
    return TierAccount.model_validate({"_id": "m", "joined_day": day(0), **buckets, **more})


def reread(history: list[Paid], upto: int, first: str, last: str) -> tuple[int, int, int]:
    """What counts, from the orders themselves."""
    counted = [
        order
        for order in history
        if not order.refunded and order.on <= upto and first <= day(order.on) <= last
    ]
    return sum(o.fen for o in counted), len(counted), sum(o.points for o in counted)


def first_day(window: dict[str, Any], today: date, since: str | None) -> date:
    """The first day that counts, found by going back day by day."""
    if window["window"] == "rolling":
        return today - timedelta(days=window["window_days"] - 1)
    anchor = (
        START if window.get("anchor") == "joined" or since is None else date.fromisoformat(since)
    )
    month_day = (1, 1) if window["window"] == "calendar_year" else (anchor.month, anchor.day)
    found = today
    while (found.month, found.day) != month_day and not (
        month_day == (2, 29) and (found + timedelta(days=1)).month == 3 and found.day == 28
        and found.month == 2
    ):  # fmt: skip
        found -= timedelta(days=1)
    return found


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@given(history=orders, today=st.integers(0, 900), since=st.none() | st.integers(0, 900))
def test_figures_from_day_buckets_equal_a_reread_of_the_orders(
    window: dict[str, Any], history: list[Paid], today: int, since: int | None
) -> None:
    since_day = day(min(since, today)) if since is not None else None
    standing = Standing(since_day=since_day)
    account = account_of(history, today, tier=standing.model_dump())
    first, last = period(rules(**window), account, standing, day(today))
    assert first == first_day(window, START + timedelta(days=today), since_day).isoformat()
    figures = figures_of(account, first, last)
    assert (figures.spend_fen, figures.orders, figures.points) == reread(
        history, today, first, day(today)
    )
    found = evaluate(account, rules(**window), day(today))
    reached = [level for level in rules(**window).levels if level.reached(figures)]
    assert PLACES[found.level.level] >= PLACES[reached[-1].level]


# --- the days of review, against every day in turn ------------------------------------------------


def lived(history: list[Paid], given_rules: TierRules, days: int) -> Iterator[tuple[int, Any, Any]]:
    """Evaluate every day, each from what the day before left; yields day, before, found."""
    standing, account = Standing(), None
    for number in range(days):
        account = account_of(history, number, tier=standing.model_dump())
        found = evaluate(account, given_rules, day(number))
        kept = {name: found.kept(getattr(account, name))
                for name in ("spend_by_day", "orders_by_day", "points_by_day")}  # fmt: skip
        again = evaluate(
            account.model_copy(update={**kept, "tier": found.standing}), given_rules, day(number)
        )
        assert (again.standing, again.review_on) == (found.standing, found.review_on)
        yield number, account, found
        standing = found.standing


unrefunded = st.lists(
    st.builds(Paid, st.integers(0, 400), st.integers(1, 1_200), st.just(0), st.just(False)),
    max_size=8,
)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("downgrade", ["to_earned", "one_step", "never"])
@settings(max_examples=15, deadline=None)
@given(history=unrefunded, grace=st.sampled_from([0, 10]))
def test_levels_move_only_on_order_days_and_review_days(
    window: dict[str, Any], downgrade: str, history: list[Paid], grace: int
) -> None:
    """Whoever looks only when an order came or the review day has come misses nothing."""
    held = rules(**window, downgrade=downgrade, grace_days=grace, notice_days=20)
    ordered = {order.on for order in history}
    skipping, look = Standing(), None
    for number, account, found in lived(history, held, 800):
        if number in ordered or (look is not None and look <= day(number)):
            mine = evaluate(account.model_copy(update={"tier": skipping}), held, day(number))
            skipping, look = mine.standing, mine.review_on
        assert skipping.level == found.standing.level
        assert skipping.holds_through == found.standing.holds_through
        before, after = PLACES[account.tier.level], PLACES[found.level.level]
        if after > before:
            assert number in ordered
        if after < before:
            assert account.tier.holds_through
            assert day(number) == shifted(account.tier.holds_through, grace + 1)
            assert downgrade != "never"
            assert downgrade != "one_step" or after == before - 1


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("downgrade", ["to_earned", "one_step"])
@settings(max_examples=20, deadline=None)
@given(
    history=st.lists(
        st.builds(
            lambda on, fen, later: Paid(on, fen, 0, False, on + later),
            st.integers(0, 400), st.integers(1, 2_500), st.sampled_from([1, 3, 40, 200, 9_000]),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_with_refunds_a_level_falls_on_their_days_or_at_its_review_never_under_what_is_earned(
    window: dict[str, Any], downgrade: str, history: list[Paid]
) -> None:
    held = rules(**window, downgrade=downgrade, notice_days=20)
    ordered = {order.on for order in history}
    back = {order.back_on for order in history}
    skipping, look = Standing(), None
    for number, account, found in lived(history, held, 700):
        if number in ordered | back or (look is not None and look <= day(number)):
            mine = evaluate(account.model_copy(update={"tier": skipping}), held, day(number))
            skipping, look = mine.standing, mine.review_on
        assert skipping.level == found.standing.level
        before, after = PLACES[account.tier.level], PLACES[found.level.level]
        figures = figures_of(account, *period(held, account, account.tier, day(number)))
        assert after >= PLACES[held.earned(figures).level]
        if after < before:
            reviewed = day(number) == shifted(account.tier.holds_through or day(0), 1)
            assert reviewed or number in back
        if after > before and number not in ordered:
            assert number in back  # Other figures count for a level that stands again.


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@settings(max_examples=15, deadline=None)
@given(history=unrefunded, gap=st.integers(1, 700))
def test_a_timer_that_stood_still_finds_what_it_would_have_found(
    window: dict[str, Any], history: list[Paid], gap: int
) -> None:
    """Without orders meanwhile, looking once at the end is the same as looking every day."""
    last = max((order.on for order in history), default=0)
    held, late = rules(**window), None
    for number, _, found in lived(history, held, last + gap + 1):
        if number == last:
            late = found.standing
    assert late is not None
    found_late = evaluate(account_of(history, 900, tier=late.model_dump()), held, day(last + gap))
    assert found_late.level == found.level
    assert found_late.standing.holds_through == found.standing.holds_through


# --- single facts -------------------------------------------------------------------------------


def spent(*days: tuple[str, int], tier: Standing | None = None, **more: Any) -> TierAccount:
    standing = (tier or Standing()).model_dump()
    return TierAccount.model_validate(
        {"_id": "m", "spend_by_day": dict(days), "tier": standing, "joined_day": day(0), **more}
    )


def follow(account: TierAccount, held: TierRules, today: str, **past: TierRules) -> Evaluation:
    return evaluate(account, held, today, {r.revision: r for r in past.values()})


def test_a_level_of_a_year_holds_to_the_end_of_the_next_if_nothing_more_is_spent() -> None:
    held = rules(window="calendar_year", notice_days=0)
    found = follow(spent(("2026-11-05", 600)), held, "2026-11-05")
    assert (found.level.level, found.standing.holds_through) == ("silver", "2026-12-31")
    account = spent(("2026-11-05", 600), tier=found.standing)
    kept = follow(account, held, "2027-01-01")  # The year in which it was earned suffices …
    assert (kept.level.level, kept.standing.holds_through) == ("silver", "2027-12-31")
    fallen = follow(spent(("2026-11-05", 600), tier=kept.standing), held, "2028-01-01")
    assert (fallen.level.level, fallen.cause) == ("basic", "review")  # … the next one doesn't.


def test_an_order_of_the_old_year_that_is_evaluated_in_the_new_one_still_raises() -> None:
    found = follow(spent(("2026-12-31", 600)), rules(window="calendar_year"), "2027-01-01")
    assert (found.level.level, found.standing.holds_through) == ("silver", "2027-12-31")


def test_a_refund_undoes_what_this_year_gave_but_not_what_the_last_one_did() -> None:
    held = rules(window="calendar_year", notice_days=0)
    silver = Standing(level="silver", rules_revision=1, since_day="2025-06-01",
                      earned_from="2025-01-01", earned_through="2025-12-31",
                      holds_through="2026-12-31")  # fmt: skip
    gold = follow(spent(("2026-03-01", 2_500), tier=silver), held, "2026-03-01")
    assert gold.level.level == "gold"
    undone = follow(spent(("2026-03-01", 0), tier=gold.standing), held, "2026-03-09")
    assert (undone.level.level, undone.cause) == ("silver", "refund")
    assert undone.standing == silver


def test_the_goals_to_keep_a_level_may_be_easier_than_to_reach_it() -> None:
    held = rules(window="calendar_year", notice_days=0)
    gold = follow(spent(("2026-03-01", 2_000)), held, "2026-03-01").standing
    kept = follow(spent(("2026-03-01", 2_000), tier=gold), held, "2027-01-01").standing
    year = (("2026-03-01", 2_000), ("2027-05-05", 1_500))
    assert follow(spent(*year, tier=kept), held, "2028-01-01").level.level == "gold"
    year = (("2026-03-01", 2_000), ("2027-05-05", 1_499))
    fallen = follow(spent(*year, tier=kept), held, "2028-01-01")
    assert fallen.level.level == "silver"  # What a gold member spent keeps silver at least.


def test_spending_in_the_days_of_grace_keeps_the_level() -> None:
    held = rules(window="calendar_year", grace_days=15, notice_days=0)
    standing = Standing(level="silver", rules_revision=1, holds_through="2026-12-31")
    waiting = follow(spent(("2026-05-05", 400), tier=standing), held, "2027-01-01")
    assert (waiting.level.level, waiting.review_on) == ("silver", "2027-01-16")
    late = spent(("2026-05-05", 400), ("2027-01-15", 100), tier=waiting.standing)
    saved = follow(late, held, "2027-01-15")
    assert (saved.level.level, saved.standing.holds_through) == ("silver", "2027-12-31")
    assert follow(late, held, "2027-01-16").level.level == "silver"
    later = spent(("2026-05-05", 400), ("2027-01-16", 100), tier=waiting.standing)
    assert follow(later, held, "2027-01-16").level.level == "basic"


def test_new_rules_leave_a_level_alone_until_its_review() -> None:
    old, harder = rules(1), [{**level} for level in LEVELS]
    harder[1] |= {"spend_fen": 900, "orders": 9}
    new = rules(2, levels=harder)
    silver = follow(spent((day(0), 600)), old, day(0)).standing
    account = spent((day(0), 600), tier=silver)
    assert silver.holds_through == day(364)
    for number in (1, 200, 364):
        found = follow(account, new, day(number), old=old)
        assert (found.level.level, found.standing.holds_through) == ("silver", day(364))
    assert follow(account, new, day(365), old=old).level.level == "basic"
    refunded = spent((day(0), 400), tier=silver)  # By the rules of then it is no longer earned.
    assert follow(refunded, new, day(9), old=old).cause == "refund"
    more = spent((day(0), 600), (day(100), 250), tier=silver)
    assert follow(more, new, day(100), old=old).standing.holds_through == day(364)
    enough = spent((day(0), 600), (day(100), 300), tier=silver)
    adopted = follow(enough, new, day(100), old=old).standing
    assert (adopted.rules_revision, adopted.holds_through) == (2, day(364))


def test_a_level_that_is_gone_keeps_its_benefits_until_its_review_and_may_rise() -> None:
    old = rules(1)
    new = rules(2, levels=[LEVELS[0], {"level": "plus", "name": "Plus", "spend_fen": 700}])
    silver = follow(spent((day(0), 600)), old, day(0)).standing
    stays = follow(spent((day(0), 600), tier=silver), new, day(9), old=old)
    assert (stays.level.name, stays.cause) == ("白银", None)
    assert follow(spent((day(0), 600), tier=silver), new, day(365), old=old).level.level == "basic"
    risen = follow(spent((day(0), 700), tier=silver), new, day(9), old=old)
    assert (risen.level.level, risen.raised) == ("plus", True)


def test_a_standing_from_before_falls_on_the_day_that_was_stored() -> None:
    standing = Standing(level="silver", rules_revision=1, since_day=day(0))
    account = spent((day(0), 60_000), tier=standing, review_on=day(365))
    assert evaluate(account, DEFAULT_RULES, day(364)).level.level == "silver"
    assert evaluate(account, DEFAULT_RULES, day(365)).level.level == "basic"


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
def test_29_february_is_the_28th_in_other_years(month_day: str, today: str, found: str) -> None:
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
