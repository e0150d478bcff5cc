"""Intervals that may be looked at every day: they hold at all looks together."""

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


def misses(dice: random.Random, told: float, alone: float, holdout: float) -> tuple[int, int]:
    """Play many campaigns and look often; returns how many missed the truth once, or told."""
    missed = told_any = 0
    for _ in range(RUNS):
        groups = {True: Outcomes(), False: Outcomes()}
        wrong = said = False
        for number in range(1, MEMBERS + 1):
            is_told = dice.random() >= holdout
            groups[is_told].add(float(dice.random() < (told if is_told else alone)))
            if number % LOOK_EVERY == 0 and enough(groups[True], groups[False]):
                found = interval(groups[True], groups[False])
                wrong |= not found.low <= told - alone <= found.high
                said |= found.low > 0
        missed, told_any = missed + wrong, told_any + said
    return missed, told_any


@pytest.mark.parametrize(
    ("told", "alone", "holdout"), [(0.3, 0.3, 0.1), (0.1, 0.1, 0.3), (0.45, 0.3, 0.2)]
)
def test_looking_eighty_times_does_no_harm(told: float, alone: float, holdout: float) -> None:
    missed, _ = misses(random.Random(7), told, alone, holdout)
    # With 5 % allowed, 300 campaigns miss 15 times; 4 standard errors more would be 30.
    assert missed <= RUNS * ALPHA + 15


def test_an_ordinary_interval_would_have_been_wrong_often() -> None:
    dice, wrong = random.Random(7), 0
    for _ in range(RUNS):
        groups, bad = {True: Outcomes(), False: Outcomes()}, False
        for number in range(1, MEMBERS + 1):
            groups[dice.random() >= 0.2].add(float(dice.random() < 0.3))
            if number % LOOK_EVERY == 0 and enough(groups[True], groups[False]):
                told, alone = groups[True], groups[False]
                error = (told.variance / told.count + alone.variance / alone.count) ** 0.5
                bad |= abs(told.mean - alone.mean) > 1.96 * error
        wrong += bad
    assert wrong > RUNS * ALPHA * 2


def test_a_real_effect_is_found() -> None:
    _, found = misses(random.Random(7), 0.45, 0.3, 0.2)
    assert found > RUNS * 0.6


def test_running_sums_are_mean_and_variance() -> None:
    outcomes = Outcomes()
    for value in (0.0, 1.0, 1.0, 4.0):
        outcomes.add(value)
    assert (outcomes.mean, outcomes.variance, outcomes.positive) == (1.5, 3.0, 3)


def test_what_the_data_can_not_tell_is_said() -> None:
    few = Outcomes(10, 5, 5, 5)
    assert "人数太少" in verdict(few, few, 30, 0)
    assert "还有 7 位" in verdict(few, few, 30, 7)
    assert "没有对照组" in verdict(Outcomes(500, 100, 100, 100), Outcomes(), 30, 0)
    same = verdict(Outcomes(1_000, 300, 300, 300), Outcomes(200, 60, 60, 60), 30, 0, "en")
    assert same.startswith("The data can't tell")
    assert "members" in same
    strong = verdict(Outcomes(4_000, 2_000, 2_000, 2_000), Outcomes(800, 200, 200, 200), 30, 0)
    assert "提高 25.0 个百分点" in strong


def test_more_members_tell_smaller_differences() -> None:
    needed = members_needed(0.3, 0.1)
    assert 10_000 < needed < 200_000
    assert members_needed(0.3, 0.5) < needed
