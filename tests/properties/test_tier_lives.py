"""Tiers of random members: two properties, and a model that computes the tier day by day.

`scripts/test --hunt` tries more cases; HUITOU_TIER_CASES=50000 sets their number. The author of
the model had read functions/tier-evaluate/TIERS.md and not the code. So if the two disagree,
the code, the model or the page is wrong.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pytest

from huitou.loyalty.tiers.models import Promise, Standing, TierRules
from hunting import examples
from tier_lives import JOINED, START, Life, Paid, some_order, some_rules
from tier_sums import Order
from tiers_by_days import Promised, held_on

CASES = int(os.environ.get("HUITOU_TIER_CASES", examples(600)))
BLOCKS = 4
pytestmark = [pytest.mark.timeout(7_200), pytest.mark.hypothesis]  # Hunts run them.
blocks = pytest.mark.parametrize("block", range(BLOCKS))


def of_block(block: int, what: str) -> list[Random]:
    numbers = range(block * CASES // BLOCKS, (block + 1) * CASES // BLOCKS)
    return [Random(f"{what} {number}") for number in numbers]


def place(rules: TierRules, standing: Standing) -> tuple[int, str]:
    """Return how good a standing is: its level, and its last day."""
    levels = [level.level for level in rules.levels]
    return levels.index(standing.level), standing.holds_through or "for ever"


def some_days(random: Random, since: date, count: int) -> list[date]:
    return [since + timedelta(days=random.randrange(900)) for _ in range(count)]


@blocks
def test_a_fully_refunded_order_changes_nothing(block: int) -> None:
    """After the refund the tier is that of a member who never placed the order."""
    for random in of_block(block, "went back"):
        rules, joined = some_rules(random), random.choice(JOINED)
        others = [some_order(random, 800) for _ in range(random.choice([1, 3, 6, 12]))]
        order = some_order(random, 800, stays=True)
        back = order.seen + timedelta(days=random.choice([0, 0, 1, 30, 200, 364]))
        order = replace(order, back=back, back_fen=order.fen)
        changes = []
        if random.random() < 0.3:
            changes = [(START + timedelta(days=random.randrange(500)), some_rules(random, 2))]
        looked_at = [back, *some_days(random, back, 4)]
        found = [
            Life(rules, joined, orders, changes).go_through(looked_at)
            for orders in ([*others, order], others)
        ]
        for day in looked_at:
            with_it, without = (seen[day].standing for seen in found)
            same = (with_it.level, with_it.holds_through) == (without.level, without.holds_through)
            assert same, (day, with_it, without, rules, changes, joined, order, others)


@blocks
def test_one_more_order_never_makes_a_tier_worse_or_shorter(block: int) -> None:
    for random in of_block(block, "one more"):
        rules, joined = some_rules(random), random.choice(JOINED)
        orders = [some_order(random, 800) for _ in range(random.choice([1, 3, 6, 12]))]
        more = some_order(random, 800, stays=True)
        looked_at = some_days(random, START, 5)
        found = [
            Life(rules, joined, ordered).go_through(looked_at)
            for ordered in (orders, [*orders, more])
        ]
        for day in looked_at:
            without, with_it = (place(rules, seen[day].standing) for seen in found)
            assert with_it >= without, (day, with_it, without, rules, joined, more, orders)


@blocks
def test_the_tier_equals_that_of_a_model_that_goes_day_by_day(block: int) -> None:
    for random in of_block(block, "day by day"):
        rules, joined = some_rules(random), random.choice(JOINED)
        orders = [some_order(random, 700) for _ in range(random.choice([1, 3, 6, 12]))]
        changes = []
        if random.random() < 0.3:
            changes = [(START + timedelta(days=random.randrange(500)), some_rules(random, 2))]
        promised = []
        if random.random() < 0.15:
            through = START + timedelta(days=random.randrange(30, 500))
            promised = [Promised(rules.levels[-1].level, through)]
        promises = [
            Promise(level=p.level, revision=1, through=p.through.isoformat()) for p in promised
        ]
        today = START + timedelta(days=random.randrange(900))
        found = Life(rules, joined, orders, changes, promises).go_through([today])[today]
        remaining = [remains for order in orders if (remains := left_of(order, today))]
        timeline = [(None, rules), *changes]
        wanted = held_on(remaining, timeline, today, joined, promised)
        through = found.standing.holds_through
        got = found.standing.level, date.fromisoformat(through) if through else None
        assert got == (wanted.level, wanted.holds_through), (today, timeline, joined, orders)


def left_of(order: Paid, today: date) -> Order | None:
    """Return the part of an order that remains on a day, as the model takes it; None if nothing."""
    figures = order.figures(today)
    return Order(order.on, *figures) if any(figures) else None
