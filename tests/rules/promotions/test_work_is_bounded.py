"""The largest carts take no longer than the search may: its work is bounded, and its answer honest.

Fifty lines and twenty-five coupons that all stand in each other's way can't be tried out.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from cli.bench.price import NOON
from huitou.promotions.best_price.one_pass import best_in_force
from huitou.promotions.best_price.search import MOST_STEPS
from huitou.promotions.discounts.models import CartLine, Outcome, Rule
from huitou.promotions.offers.models import Group, Offer, StackingRules, Terms
from huitou.promotions.offers.rules import Compiled

LINES, COUPONS, OFFERS = 50, 20, 40  # A search weighs 20 coupons at most.
TREES = [
    StackingRules(groups=[Group(group="activity"), Group(group="coupon", most=3)]),
    StackingRules(
        groups=[Group(group="activity", mode="best", per="item"), Group(group="coupon", most=1)]
    ),
]


def terms(rng: random.Random) -> Terms:
    """Return terms about single pieces of many lines, which take the longest to choose."""
    some = [f"p{n}" for n in rng.sample(range(LINES), rng.randint(20, LINES))]
    kinds: list[dict[str, Any]] = [
        {"kind": "nth_item", "nth": 2, "off_bp": 5_000, "most_times": 9_999},
        {"kind": "nth_item", "nth": 3, "off_bp": 10_000, "most_times": 3},
        {"kind": "exchange", "most_times": 2},
        {"kind": "free_item", "threshold_fen": 5_000},
        {"kind": "percent_off", "off_bp": 1_000},
        {
            "kind": "bundle", "price_fen": 2_500, "most_times": 3,
            "slots": [{"scope": {"dish_ids": some[at::3]}, "quantity": 2} for at in range(3)],
        },
    ]  # fmt: skip
    chosen = rng.choice(kinds)
    base = {} if chosen["kind"] == "exchange" else {"base": rng.choice(("list", "running"))}
    return Terms.model_validate({**chosen, **base, "scope": {"dish_ids": some}})


def priced(seed: int, most_steps: int) -> Outcome:
    rng = random.Random(seed)
    offers = [
        Offer(id=f"o{n}", name="x", terms=made, group="activity", optional=rng.random() < 0.7)
        for n, made in enumerate(terms(rng) for _ in range(OFFERS))
        if "base" in made.model_fields_set
    ]
    compiled = Compiled(offers, TREES[seed % len(TREES)])
    coupons = [
        compiled.rule(Rule("coupon", f"c{n}", 1, "c", terms(rng), "coupon", soonest=f"{n:02}"))
        for n in range(COUPONS)
    ]
    prices = [rng.choice((900, 1_500, 2_333)) for _ in range(LINES)]
    cart = [
        CartLine(f"p{n}", "m", "menu", rng.randint(1, 3), fen, fen) for n, fen in enumerate(prices)
    ]
    return best_in_force(cart, compiled.at(NOON), coupons, most_steps=most_steps)


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_carts_take_as_many_steps_as_a_search_may(seed: int) -> None:
    found = priced(seed, MOST_STEPS)
    assert found.steps <= 3 * MOST_STEPS  # Without a first price it may take twice as many.
    assert not found.proved


@pytest.mark.parametrize("seed", range(6))
def test_a_search_that_stops_early_is_never_worse_than_taking_what_applies(seed: int) -> None:
    at_once, later = priced(seed, 0), priced(seed, MOST_STEPS)
    assert at_once.taken
    assert later.items_fen <= at_once.items_fen
    assert not at_once.proved
