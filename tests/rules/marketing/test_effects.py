"""Intervals that one may look at every day: they are valid at all looks together."""

from __future__ import annotations

import random

import pytest

from huitou.marketing.measurement.rules import (
    ALPHA,
    Outcomes,
    enough,
    interval,
    members_needed,
    verdict,
)

RUNS, MEMBERS, LOOK_EVERY = 300, 2_000, 25


def misses(dice: random.Random, treated: float, alone: float, holdout: float) -> tuple[int, int]:
    """Play many campaigns and look at each one often.

    `treated` and `alone` are the true rates, `holdout` the hold-out's share. Returns in how many
    campaigns an interval missed the true difference, and how many found a positive effect.
    """
    missed = found_any = 0
    for _ in range(RUNS):
        groups = {True: Outcomes(), False: Outcomes()}
        wrong = positive = False
        for number in range(1, MEMBERS + 1):
            is_treated = dice.random() >= holdout
            groups[is_treated].add(float(dice.random() < (treated if is_treated else alone)))
            if number % LOOK_EVERY == 0 and enough(groups[True], groups[False]):
                found = interval(groups[True], groups[False])
                wrong |= not found.low <= treated - alone <= found.high
                positive |= found.low > 0
        missed, found_any = missed + wrong, found_any + positive
    return missed, found_any


@pytest.mark.parametrize(
    ("treated", "alone", "holdout"), [(0.3, 0.3, 0.1), (0.1, 0.1, 0.3), (0.45, 0.3, 0.2)]
)
def test_the_interval_is_right_in_95_percent_of_campaigns_at_all_80_looks(
    treated: float, alone: float, holdout: float
) -> None:
    missed, _ = misses(random.Random(7), treated, alone, holdout)
    # 5 % of 300 campaigns are 15. Another 15 are 4 standard errors, which chance doesn't reach.
    assert missed <= RUNS * ALPHA + 15


def test_an_ordinary_interval_is_wrong_too_often_at_80_looks() -> None:
    dice, wrong = random.Random(7), 0
    for _ in range(RUNS):
        groups, bad = {True: Outcomes(), False: Outcomes()}, False
        for number in range(1, MEMBERS + 1):
            groups[dice.random() >= 0.2].add(float(dice.random() < 0.3))
            if number % LOOK_EVERY == 0 and enough(groups[True], groups[False]):
                treated, alone = groups[True], groups[False]
                error = (treated.variance / treated.count + alone.variance / alone.count) ** 0.5
                bad |= abs(treated.mean - alone.mean) > 1.96 * error
        wrong += bad
    assert wrong > RUNS * ALPHA * 2


def test_a_real_effect_is_found() -> None:
    _, found = misses(random.Random(7), 0.45, 0.3, 0.2)
    assert found > RUNS * 0.6


def test_running_sums_give_mean_and_variance() -> None:
    outcomes = Outcomes()
    for value in (0.0, 1.0, 1.0, 4.0):
        outcomes.add(value)
    assert (outcomes.mean, outcomes.variance, outcomes.positive) == (1.5, 3.0, 3)


def test_the_verdict_says_what_the_data_can_and_can_not_tell() -> None:
    few = Outcomes(10, 5, 5, 5)
    assert "人数太少" in verdict(few, few, 30, 0)
    assert "还有 7 位" in verdict(few, few, 30, 7)
    assert "没有对照组" in verdict(Outcomes(500, 100, 100, 100), Outcomes(), 30, 0)
    same = verdict(Outcomes(1_000, 300, 300, 300), Outcomes(200, 60, 60, 60), 30, 0, "en")
    assert same.startswith("The data can't tell")
    assert "members" in same
    strong = verdict(Outcomes(4_000, 2_000, 2_000, 2_000), Outcomes(800, 200, 200, 200), 30, 0)
    assert "提高 25.0 个百分点" in strong


def test_a_larger_hold_out_needs_fewer_members() -> None:
    needed = members_needed(0.3, 0.1)
    assert 10_000 < needed < 200_000
    assert members_needed(0.3, 0.5) < needed
