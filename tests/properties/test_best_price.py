"""The best combination, held against every combination there is, on thousands of small carts."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from huitou.combination.rules import best
from huitou.discounts.models import CartLine, Rule
from huitou.offers.models import Group, Scope, Slot, StackingRules, Terms
from huitou.offers.rules import Compiled
from price_by_force import least

DISHES = ("a", "b", "c")
CARTS = 3_000


def a_cart(rng: random.Random) -> list[CartLine]:
    lines = []
    for _ in range(rng.randint(1, 3)):
        bare = rng.choice([0, 1, 7, 500, 999, 1_000, 1_234, 2_000])
        dish = rng.choice(DISHES)
        lines.append(CartLine(dish, f"{dish}{rng.randint(0, 1)}", "xy"[dish == "a"],
                              rng.randint(1, 3), bare + rng.choice([0, 0, 150]), bare))  # fmt: skip
    return lines


def a_scope(rng: random.Random) -> Scope:
    return rng.choice([
        Scope(), Scope(dish_ids=["a"]), Scope(dish_ids=["a", "b"]), Scope(categories=["x"]),
        Scope(sku_ids=["a0", "b0"]), Scope(except_dish_ids=["c"]),
    ])  # fmt: skip


def some_terms(rng: random.Random, kinds: Sequence[str]) -> Terms:
    kind = rng.choice(kinds)
    more: dict[str, object] = {
        "amount_off": {"off_fen": rng.choice([1, 100, 333, 800, 5_000])},
        "percent_off": {"off_bp": rng.choice([1, 500, 1_000, 3_333, 10_000])},
        "fixed_price": {"price_fen": rng.choice([0, 500, 900])},
        "free_item": {},
        "exchange": {"price_fen": rng.choice([None, 100])},
        "nth_item": {"nth": rng.choice([2, 2, 3]), "off_bp": rng.choice([5_000, 10_000])},
        "bundle": {
            "price_fen": rng.choice([500, 1_500]),
            "slots": [Slot(scope=a_scope(rng)), Slot(scope=a_scope(rng))],
        },
        "delivery": {"off_fen": rng.choice([None, 200])},
    }[kind]  # type: ignore[assignment]
    if kind == "percent_off" and rng.random() < 0.3:
        more["cap_fen"] = rng.choice([50, 300])
    threshold = rng.choice([0, 0, 0, 1_000, 2_500, 4_000])
    return Terms.model_validate({
        "kind": kind, **more, "scope": a_scope(rng),
        "base": rng.choice(["list", "running"]),
        "threshold_fen": threshold,
        "threshold_base": rng.choice(["list", "running", "running"]),
        "threshold_of": rng.choice(["scope", "order"]),
        "most_times": rng.choice([1, 2, 9_999]) if kind != "amount_off" or threshold else 1,
        "with_addons": rng.random() < 0.8,
        "exclusive": rng.choice(["none"] * 6 + ["item", "item", "order"]),
    })  # fmt: skip


def a_tree(rng: random.Random) -> StackingRules:
    def group(name: str, within: list[Group]) -> Group:
        return Group(group=name, mode=rng.choice(["stack", "stack", "best", "first"]),
                     most=rng.choice([None, None, 1, 2]), groups=within)  # fmt: skip

    return StackingRules(
        groups=[
            group("one", [group("in", [])] if rng.random() < 0.5 else []),
            Group(group="item", mode=rng.choice(["best", "best", "first"]), per="item"),
            group("two", []),
            group("coupon", []),
        ],
        never_together=rng.choice([[], [], [["one", "two"]], [["two", "coupon"]]]),
    )


def some_rules(rng: random.Random, tree: Compiled) -> list[Rule]:
    names = [group for group in ("one", "in", "item", "two", "coupon") if group in tree.groups]
    rules = []
    for number in range(rng.randint(1, 5)):
        name = rng.choice(names)
        kinds = ["percent_off", "percent_off", "amount_off", "amount_off", "fixed_price",
                 "free_item", "exchange", "nth_item", "bundle", "delivery"]  # fmt: skip
        if name == "item":
            kinds = ["percent_off", "amount_off"]
        terms = some_terms(rng, kinds)
        if name == "item" and terms.exclusive == "order":
            continue
        rules.append(tree.rule(Rule(
            "coupon" if name == "coupon" else "offer", f"r{number}", 1, f"r{number}", terms, name,
            priority=rng.randint(0, 2), soonest=rng.choice(["d1", "d2"]),
            optional=name == "coupon" or rng.random() < 0.6,
        )))  # fmt: skip
    return sorted(rules, key=lambda rule: rule.order)


@pytest.mark.parametrize("block", range(10))
def test_no_combination_is_cheaper_than_the_one_found(block: int) -> None:
    for number in range(CARTS // 10):
        rng = random.Random(f"{block}-{number}")
        lines, tree = a_cart(rng), Compiled([], a_tree(rng))
        rules, delivery = some_rules(rng, tree), rng.choice([0, 0, 300])
        found = best(lines, rules, tree.tree, delivery)
        coupons = sorted(t.rule.soonest for t in found.taken if t.rule.source == "coupon")
        key = (found.items_fen + found.delivery_fen, len(coupons), tuple(coupons))
        if found.proved:
            assert key == least(lines, rules, tree.tree, delivery), (block, number)
        assert found.proved, (block, number)
        before = sum(line.quantity * line.unit_fen for line in lines) + delivery
        assert key[0] == before - sum(taken.amount_fen for taken in found.taken)
        for n, line in enumerate(lines):
            assert 0 <= sum(t.shares[n] for t in found.taken) <= line.quantity * line.unit_fen
        assert len(found.taken) + len(found.unused) == len(rules)
