"""`bench price`: the best price of a cart with 50 offers, against the same sums hard-coded."""

from __future__ import annotations

import random
import statistics
import time
from datetime import date
from typing import Any

import click

from cli.bench import json_option, report
from huitou.promotions.best_price.one_pass import best_in_force
from huitou.promotions.discounts.models import CartLine, Rule
from huitou.promotions.offers.models import Group, Offer, Scope, StackingRules, Terms
from huitou.promotions.offers.rules import Compiled, Context

PRICES = {n: 1_000 + 100 * n for n in range(1, 31)}
CART = {1: 2, 4: 1, 7: 3, 10: 1, 15: 2, 20: 1}
ALL_TOGETHER = StackingRules(groups=[Group(group="activity"), Group(group="coupon", most=2)])
NOON = Context("s", date(2026, 3, 2), "12:00", "dine_in", "mini_program", "basic", False)


def fifty_offers() -> list[Offer]:
    """Return the fifty offers; all use the menu price, and all can be combined."""

    def offer(name: str, **terms: Any) -> Offer:
        says = Terms.model_validate({"base": "list", "threshold_base": "list", **terms})
        return Offer(id=name, name=name, terms=says, group="activity", optional=False)

    three = [
        offer(
            f"three-{n}",
            kind="percent_off",
            off_bp=500,
            scope=Scope(dish_ids=[f"p{n + more}" for more in range(3)]),
        )
        for n in range(1, 21)
    ]
    off = [
        offer(f"off-{k}", kind="amount_off", off_fen=100, threshold_fen=5_000 * k)
        for k in range(1, 11)
    ]
    second = [
        offer(
            f"second-{k}",
            kind="nth_item",
            nth=2,
            off_bp=10_000,
            most_times=9_999,
            scope=Scope(dish_ids=[f"p{3 * k - 2}"]),
        )
        for k in range(1, 11)
    ]
    whole = [
        offer(f"whole-{n}", kind="percent_off", off_bp=500, threshold_fen=100_000)
        for n in range(1, 11)
    ]
    return [*three, *off, *second, *whole]


def eight_coupons(compiled: Compiled) -> list[Rule]:
    """Return eight coupons of different kinds; half of them use the price after the offers."""
    kinds: list[dict[str, Any]] = [
        {"off_fen": 800, "threshold_fen": 3_000},
        {"off_fen": 2_000, "threshold_fen": 10_000},
        {"off_fen": 500, "threshold_fen": 2_000, "threshold_base": "list"},
        {"kind": "percent_off", "off_bp": 2_000, "cap_fen": 1_500, "base": "running"},
        {"kind": "percent_off", "off_bp": 1_000, "base": "list", "threshold_fen": 5_000},
        {"kind": "exchange", "scope": Scope(dish_ids=["p7", "p10", "p20"])},
        {
            "kind": "nth_item",
            "nth": 2,
            "off_bp": 5_000,
            "scope": Scope(dish_ids=[f"p{n}" for n in range(1, 16)]),
        },
        {
            "kind": "free_item",
            "threshold_fen": 12_000,
            "threshold_of": "order",
            "scope": Scope(dish_ids=["p1", "p2", "p3", "p4"]),
        },
    ]
    return [
        compiled.rule(
            Rule(
                "coupon",
                f"c{n}",
                1,
                f"c{n}",
                Terms.model_validate(terms),
                "coupon",
                soonest=f"2026-03-{n + 10}",
            )
        )
        for n, terms in enumerate(kinds)
    ]


def a_cart(of: dict[int, int]) -> list[CartLine]:
    return [
        CartLine(f"p{n}", "m", "menu", quantity, PRICES[n], PRICES[n]) for n, quantity in of.items()
    ]


def by_hand(cart: list[tuple[int, int]]) -> int:
    """Return the same price with the fifty offers hard-coded, as the fastest code would."""
    total = off = 0
    quantity = {}
    for n, pieces in cart:
        quantity[n] = pieces
        total += pieces * PRICES[n]
    for n in range(1, 21):
        value = sum(quantity.get(m, 0) * PRICES[m] for m in (n, n + 1, n + 2))
        off += value * 500 // 10_000
    for k in range(1, 11):
        if total >= 5_000 * k:
            off += 100
        n = 3 * k - 2
        off += quantity.get(n, 0) // 2 * PRICES[n]
    if total >= 100_000:
        off += 10 * (total * 500 // 10_000)
    return total - min(off, total)


def random_carts(count: int) -> list[dict[int, int]]:
    """Return different carts of six lines with up to three pieces each."""
    rng = random.Random(7)
    carts: dict[tuple[tuple[int, int], ...], dict[int, int]] = {}
    while len(carts) < count:
        lines = {n: rng.randint(1, 3) for n in sorted(rng.sample(range(1, 31), 6))}
        carts[tuple(lines.items())] = lines
    return list(carts.values())


@click.command()
@click.option("--carts", default=1_000, show_default=True, help="Distinct random carts.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, ours and floor in turn.")
@json_option
def price(carts: int, rounds: int, as_json: bool) -> None:
    """Price carts of six lines among 50 offers, with the reason for each offer not used.

    `total_fen` is the cart p1×2, p4, p7×3, p10, p15×2, p20: 13,015 fen. The floor computes the same
    totals with the offers hard-wired, and gives no reason and no share. Between carts only the
    table of offers by dish is kept. `search_p99_ms` is the exact best combination for a member who
    also holds eight coupons, two of which go together. The same with every offer `optional`, so
    that any may be left out to reach a coupon's threshold, is the worst case: the search ends at
    its bound, and `optional_proved_share` of the prices are proved.
    """
    compiled = Compiled(fifty_offers(), ALL_TOGETHER)
    in_force = compiled.at(NOON)
    random_ones = random_carts(carts)
    ours, plain = [a_cart(cart) for cart in random_ones], [list(c.items()) for c in random_ones]
    speeds: dict[str, list[float]] = {"ours": [], "floor": []}
    for number in range(rounds + 1):
        started = time.perf_counter()
        totals = [best_in_force(cart, in_force).items_fen for cart in ours]
        middle = time.perf_counter()
        floor = [by_hand(cart) for cart in plain]
        ended = time.perf_counter()
        if totals != floor:
            raise click.ClickException("the engine and the hard-wired sums differ")
        if number:  # The first round warms up.
            speeds["ours"].append(carts / (middle - started))
            speeds["floor"].append(carts / (ended - middle))
    pairs = list(zip(speeds["ours"], speeds["floor"], strict=True))
    searched = _search(False, ours) | _search(True, ours)
    report(
        {
            "total_fen": best_in_force(a_cart(CART), in_force).items_fen,
            "carts_per_s": round(statistics.median(speeds["ours"])),
            "floor_carts_per_s": round(statistics.median(speeds["floor"])),
            "ratio": round(statistics.median(mine / floor for mine, floor in pairs), 3),
            **searched,
        },
        as_json=as_json,
    )


def _search(optional: bool, carts: list[list[CartLine]]) -> dict[str, Any]:
    """Price the carts for a member with eight coupons, and time each search."""
    offers = [offer.model_copy(update={"optional": optional}) for offer in fifty_offers()]
    compiled = Compiled(offers, ALL_TOGETHER)
    in_force, coupons = compiled.at(NOON), eight_coupons(compiled)
    took, proved = [], 0
    for cart in carts:
        started = time.perf_counter()
        found = best_in_force(cart, in_force, coupons)
        took.append((time.perf_counter() - started) * 1_000)
        proved += found.proved
    name = "optional" if optional else "search"
    return {
        f"{name}_p50_ms": round(statistics.median(took), 2),
        f"{name}_p99_ms": round(statistics.quantiles(took, n=100)[98], 2),
        f"{name}_most_ms": round(max(took), 2),
        f"{name}_proved_share": round(proved / len(carts), 4),
    }
