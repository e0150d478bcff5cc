"""The largest carts take no longer than the search may: its work is bounded, and its answer honest.

Fifty lines and twenty-five coupons that all stand in each other's way can't be tried out.
"""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from pydantic import ValidationError

from cli.bench.price import NOON
from huitou.promotions.best_price.one_pass import best_in_force
from huitou.promotions.best_price.search import MOST_STEPS
from huitou.promotions.discounts.models import CartLine, Outcome, Rule
from huitou.promotions.offers.models import Group, Offer, StackingRules, Terms, walk
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


def priced(seed: int, most_steps: int, count: int = OFFERS) -> Outcome:
    rng = random.Random(seed)
    offers = [
        Offer(id=f"o{n}", name="x", terms=made, group="activity", optional=rng.random() < 0.7)
        for n, made in enumerate(terms(rng) for _ in range(count))
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


@pytest.mark.parametrize("seed", range(2))
def test_five_hundred_offers_of_before_take_no_more_steps(seed: int) -> None:
    """A search that was over measured once more on each of its levels: 16,855 steps."""
    found = priced(seed, MOST_STEPS, 500)
    assert found.steps <= 3 * MOST_STEPS
    assert found.taken
    assert not found.proved


@pytest.mark.parametrize("seed", range(6))
def test_a_search_that_stops_early_is_never_worse_than_taking_what_applies(seed: int) -> None:
    at_once, later = priced(seed, 0), priced(seed, MOST_STEPS)
    assert at_once.taken
    assert later.items_fen <= at_once.items_fen
    assert not at_once.proved


def test_the_names_of_a_large_tree_are_compared_once_each() -> None:
    groups = [
        {"group": f"g{a}", "groups": [
            {"group": f"g{a}.{b}", "groups": [{"group": f"g{a}.{b}.{c}"} for c in range(20)]}
            for b in range(20)
        ]}
        for a in range(20)
    ]  # fmt: skip
    began_s = time.process_time()
    rules = StackingRules.model_validate({"groups": groups})
    assert time.process_time() - began_s < 1
    assert len(walk(rules.groups)) == 20 + 20**2 + 20**3
    groups[19]["groups"][19]["groups"][19]["group"] = "g0"  # type: ignore[index]
    with pytest.raises(ValidationError, match="g0 is named twice"):
        StackingRules.model_validate({"groups": groups})
