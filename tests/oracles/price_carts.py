"""Draws small random carts with offers, mostly such that the offers affect each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

from huitou.promotions.offers.kinds import Kind
from huitou.promotions.offers.models import Group, StackingRules, Terms, default_stacking, walk
from price_states import Offered, Row

Source = Literal["tier", "offer", "coupon"]
NAMES = ("activity", "member", "reduction", "coupon", "delivery", "extra")
KINDS: tuple[Kind, ...] = get_args(Kind)
WEIGHTS = (6, 7, 4, 2, 3, 5, 4, 3)
HOMES = {
    "amount_off": "reduction", "percent_off": "member", "fixed_price": "activity",
    "free_item": "activity", "exchange": "activity", "nth_item": "activity",
    "bundle": "activity", "delivery": "delivery",
}  # fmt: skip
PRICES = (1, 99, 100, 101, 333, 999, 1000, 1001, 1500, 1800, 2000, 2001, 3000)
RATES = (1, 50, 500, 1000, 1000, 2000, 2000, 3333, 5000, 5000, 9999, 10_000)
DAYS = ("2026-07-01", "2026-07-01", "2026-07-09", "2026-08-31", "2026-12-31")


class Theme(NamedTuple):
    """How likely the offers of one case have certain terms."""

    running: float
    threshold: float
    must: float
    exclusive: float
    named: bool
    odd: bool  # Whether rates and prices are odd, so that amounts must be rounded.


class Case(NamedTuple):
    """One case: the arguments of `price_by_force.least`."""

    rows: list[Row]
    offered: list[Offered]
    groups: list[Group]
    never_together: list[list[str]]
    delivery_fen: int

    @property
    def arguments(
        self,
    ) -> tuple[list[Row], list[Offered], list[Group], int, list[list[str]]]:
        """The arguments of `least` and of `engine`, in their order."""
        return self.rows, self.offered, self.groups, self.delivery_fen, self.never_together


def a_case(rng: random.Random) -> Case:
    """Return a cart of 1 to 4 rows, 1 to 6 offers for it, and a tree of groups."""
    rows = _rows(rng)
    groups, never = _tree(rng)
    fee = rng.choice((0, 0, 1, 300, 500, 600, 601))
    theme = Theme(
        running=rng.choice((0.2, 0.5, 0.9)),
        threshold=rng.choice((0.1, 0.3, 0.6)),
        must=rng.choice((0.0, 0.4, 0.8)),
        exclusive=rng.choice((0.0, 0.2, 0.5)),
        named=rng.random() < 0.25,
        odd=rng.random() < 0.4,
    )
    offered: list[Offered] = _pair(rng, rows, groups) if rng.random() < 0.2 else []
    number = rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6))
    while len(offered) < number:
        again = [o for o in offered if o.source == "coupon"]
        if again and rng.random() < 0.2:  # Another coupon of the same template.
            offered.append(rng.choice(again)._replace(ends=_ends(rng)))
        else:
            offered.append(_offered(rng, theme, rows, groups, offered))
    rng.shuffle(offered)
    return Case(rows, offered, groups, never, fee)


def _ends(rng: random.Random) -> str:
    return rng.choice(DAYS)


def _rows(rng: random.Random) -> list[Row]:
    prices = [rng.choice(PRICES) for _ in range(rng.choice((1, 2, 2, 3)))]
    rows: list[Row] = []
    for at in range(rng.choice((1, 2, 2, 3, 3, 4, 4))):
        if rows and rng.random() < 0.1:  # The same dish again, or in another size, or with extras.
            row = rng.choice(rows)
            what = rng.choice(("alike", "size", "extras"))
            if what == "alike":
                row = row._replace(quantity=1)
            elif what == "size":
                row = row._replace(sku_id="large", quantity=rng.randint(1, 2))
            else:
                row = row._replace(unit_fen=row.unit_fen + 200, quantity=rng.randint(1, 2))
            rows.append(row)
            continue
        unit = rng.choice(prices)
        if rng.random() < 0.15:
            unit = max(0, unit + rng.choice((-1, 1)))
        if rng.random() < 0.06:
            unit = 0
        bare = unit
        if rng.random() < 0.3:
            bare = rng.choice((unit * 3 // 4, unit // 2, max(0, unit - 100), max(0, unit - 1), 0))
        quantity = rng.choice((1, 1, 2, 2, 3))
        dish = "abcd"[at]
        rows.append(Row(dish, rng.choice(("", "small")), "xy"[at % 2], quantity, unit, bare))
    rng.shuffle(rows)
    return rows


def _tree(rng: random.Random) -> tuple[list[Group], list[list[str]]]:
    """Return a valid tree, and sets of groups of which none lies within another."""
    if rng.random() < 0.3:
        return list(default_stacking().groups), []
    names = list(NAMES)
    if rng.random() < 0.3:
        names.remove(rng.choice(NAMES))
    rng.shuffle(names)
    groups: list[Group] = []
    while names:
        name = names.pop()
        most = rng.choice((None, None, None, None, 1, 2))
        if rng.random() < 0.35:
            mode: Any = rng.choice(("best", "best", "first"))
            groups.append(Group(group=name, mode=mode, per="item", most=most))
            continue
        within = [_inner(rng, names) for _ in range(rng.choice((0, 0, 1, 2))) if names]
        mode = rng.choice(("stack", "stack", "best", "first"))
        groups.append(Group(group=name, mode=mode, most=most, groups=within))
    never: list[list[str]] = []
    if len(groups) > 1 and rng.random() < 0.25:
        apart = rng.sample(groups, rng.randint(2, min(3, len(groups))))
        never.append([rng.choice(walk([group])).group for group in apart])
    StackingRules(groups=groups, never_together=never)
    return groups, never


def _inner(rng: random.Random, names: list[str]) -> Group:
    name = names.pop()
    within = [_inner(rng, names)] if names and rng.random() < 0.25 else []
    mode: Any = rng.choice(("stack", "stack", "best", "first"))
    most = rng.choice((None, None, None, 1, 2))
    return Group(group=name, mode=mode, most=most, groups=within)


def _offered(
    rng: random.Random,
    theme: Theme,
    rows: Sequence[Row],
    groups: list[Group],
    before: Sequence[Offered],
) -> Offered:
    """Return one more offer; not too many are of kinds that have many choices of pieces."""
    kind = rng.choices(KINDS, WEIGHTS)[0]
    choosy = [o for o in before if o.terms.kind not in ("amount_off", "percent_off", "delivery")]
    if sum(row.quantity for row in rows) > 6 and len(choosy) > 3:
        kind = rng.choice(("amount_off", "percent_off", "delivery"))
    no_tier = not any(o.source == "tier" for o in before)
    if no_tier and kind in ("percent_off", "delivery") and rng.random() < 0.25:
        return _of_tier(rng, kind)
    terms = _terms(rng, kind, theme, rows, before)
    coupon = rng.random() < (0.22 if theme.named else 0.35)
    source: Source = "coupon" if coupon else "offer"
    everywhere = [group.group for group in walk(groups)]
    group = rng.choice(everywhere)
    if before and rng.random() < 0.3:
        group = rng.choice(before).group
    elif rng.random() < 0.35:
        group = "coupon" if coupon else HOMES[kind]
    if group not in everywhere and rng.random() < 0.8:
        group = rng.choice(everywhere)
    return Offered(
        source,
        f"{rng.choice('klm')}{len(before)}",
        rng.choice((1, 1, 1, 2)),
        terms,
        group,
        priority=rng.choice((0, 0, 0, 0, 1, -1)),
        optional=coupon or rng.random() >= theme.must,
        named=coupon and theme.named,
        ends=_ends(rng) if coupon else "",
    )


def _pair(rng: random.Random, rows: Sequence[Row], groups: list[Group]) -> list[Offered]:
    """Return an offer about pieces of all dishes and one about one dish, in any order."""
    here, there = (rng.choice(walk(groups)).group for _ in range(2))
    raw: dict[str, Any] = {"kind": rng.choice(("nth_item", "nth_item", "bundle"))}
    if raw["kind"] == "nth_item":
        raw |= {"nth": rng.choice((2, 2, 3)), "off_bp": rng.choice((3333, 5000, 9999, 10_000))}
    else:
        pair = rng.choice(rows).unit_fen + rng.choice(rows).unit_fen
        raw |= {"slots": [{}, {}], "price_fen": max(0, pair - rng.choice((1, 7, 101, pair // 3)))}
    raw |= {"base": rng.choice(("list", "list", "running")), "most_times": rng.choice((1, 2, 9999))}
    one: dict[str, Any] = {
        "kind": "percent_off",
        "off_bp": rng.choice((500, 2000, 3333, 9000, 9999, 10_000)),
        "base": rng.choice(("list", "running")),
        "scope": {"dish_ids": [rng.choice(rows).dish_id]},
    }
    return [
        Offered("offer", "pieces", 1, Terms.model_validate(raw), here, rng.choice((0, 0, 1, -1))),
        Offered("offer", "one", 1, Terms.model_validate(one), there, rng.choice((0, 0, 1, -1))),
    ]


def _of_tier(rng: random.Random, kind: str) -> Offered:
    if kind == "delivery":
        return Offered("tier", "gold", 1, Terms(kind="delivery", base="list"), "delivery")
    terms = Terms(kind="percent_off", off_bp=rng.choice(RATES), base="running")
    return Offered("tier", "gold", 1, terms, "member")


def _scope(rng: random.Random, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a scope with some dishes of the cart, often with all."""
    dishes = sorted({row.dish_id for row in rows})
    some = rng.sample(dishes, rng.randint(1, len(dishes)))
    drawn = rng.random()
    if drawn < 0.4:
        return {}
    if drawn < 0.75:
        return {"dish_ids": some}
    if drawn < 0.85:
        return {"categories": [rng.choice("xy")]}
    if drawn < 0.93:
        return {"except_dish_ids": some[:1]}
    if drawn < 0.97:
        return {"dish_ids": some, "categories": [rng.choice("xy")]}
    return {"sku_ids": [rng.choice(rows).sku_id or "small"]}


def _threshold(
    rng: random.Random, raw: dict[str, Any], rows: Sequence[Row], before: Sequence[Offered]
) -> int:
    """Return a threshold near the price of a part of the cart, often exactly that price."""
    dishes = raw["scope"].get("dish_ids") if raw["threshold_of"] == "scope" else None
    parts = [row for row in rows if not dishes or row.dish_id in dishes]
    if rng.random() < 0.2:
        parts = rng.sample(list(rows), rng.randint(1, len(rows)))
    bare = not raw["with_addons"] or raw["kind"] == "exchange"
    total = sum(row.quantity * (row.bare_fen if bare else row.unit_fen) for row in parts)
    for other in before:
        if raw["threshold_base"] == "running" and rng.random() < 0.3:
            total -= other.terms.off_fen or total * (other.terms.off_bp or 0) // 10_000
    total = rng.choice((total, total, total, total // 2, total // 3, total * 2 // 3))
    return max(1, total + rng.choice((0, 0, 0, 1, -1)))


def _terms(
    rng: random.Random, kind: str, theme: Theme, rows: Sequence[Row], before: Sequence[Offered]
) -> Terms:
    price = rng.choice(rows).unit_fen
    raw: dict[str, Any] = {
        "kind": kind,
        "base": "running" if rng.random() < theme.running else "list",
        "with_addons": rng.random() < 0.8,
        "threshold_base": "running" if rng.random() < theme.running else "list",
        "threshold_of": rng.choice(("scope", "scope", "order")),
        "exclusive": "item" if rng.random() < theme.exclusive else "none",
        "scope": _scope(rng, rows),
    }
    if rng.random() < 0.05:
        raw["exclusive"] = "order"
    if rng.random() < (theme.threshold + 0.3 if kind == "amount_off" else theme.threshold):
        raw["threshold_fen"] = _threshold(rng, raw, rows, before)
    if kind not in ("amount_off", "percent_off") or raw.get("threshold_fen"):
        raw["most_times"] = rng.choice((1, 1, 1, 2, 3, 9999))
    if kind == "delivery" and raw["exclusive"] == "item":
        raw["exclusive"] = "none"  # The page doesn't say what this would mean.
    if kind == "amount_off" or (kind == "delivery" and rng.random() < 0.5):
        raw["off_fen"] = rng.choice((1, 2, 99, 100, 299, 300, 500, 1000, max(1, price)))
    if kind in ("percent_off", "nth_item"):
        raw["off_bp"] = rng.randint(1, 10_000) if theme.odd else rng.choice(RATES)
    if kind == "percent_off" and rng.random() < 0.35:
        raw["cap_fen"] = rng.choice((1, 50, 100, 101, 300, 500, max(1, price // 5)))
    if kind == "nth_item":
        raw["nth"] = rng.choice((2, 2, 2, 3, 4))
    if kind == "fixed_price" or (kind == "exchange" and rng.random() < 0.3):
        raw["price_fen"] = max(0, rng.choice((price - 1, price // 2, price * 4 // 5, price, 1, 0)))
    if kind == "bundle":
        scopes = [_scope(rng, rows) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
        raw["slots"] = [{"scope": s, "quantity": rng.choice((1, 1, 1, 2))} for s in scopes]
        pieces = sum(slot["quantity"] for slot in raw["slots"])
        full = sum(rng.choice(rows).unit_fen for _ in range(pieces))
        off = rng.randint(1, 50) if theme.odd else rng.choice((1, 100, full // 3, full // 2, full))
        raw["price_fen"] = max(0, full - off)
    return Terms.model_validate(raw)


def an_aimed_case(rng: random.Random) -> Case:
    """Return a case for which a search's bound is easily wrong; `a_case` rarely makes one."""
    return rng.choice((_moving_discount, _closed_pieces))(rng)


def _moving_discount(rng: random.Random) -> Case:
    """Return a case in which an early offer moves a later one's discount to another line.

    First one of two alternatives applies. Then an offer takes something off one line. Then an
    n-th item or a bundle at the running price covers two lines: which of them gets its discount
    depends on what the earlier offer left. At last an offer takes a part of one line.
    """
    rows = [
        Row(dish, "", "", 1, *[rng.choice((500, 1_000, 1_000, 1_500, 2_000))] * 2) for dish in "ab"
    ]
    rows.append(Row("z", "", "", 1, 5_000, 5_000))
    slots = [{"scope": {"dish_ids": [dish]}} for dish in "ab"]
    less, rate = rng.randint(1, 300), rng.randint(1_000, 10_000)
    moves: dict[str, Any] = rng.choice(
        (
            {
                "kind": "nth_item",
                "nth": 2,
                "off_bp": rng.choice((5_000, 10_000)),
                "scope": {"dish_ids": ["a", "b"]},
            },
            {"kind": "bundle", "price_fen": rng.choice((500, 1_000, 1_500, 2_000)), "slots": slots},
        )
    )
    of_z: dict[str, Any] = {"kind": "amount_off", "scope": {"dish_ids": ["z"]}, "base": "list"}
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("e0", "alternatives", {**of_z, "off_fen": less}),
        ("e1", "alternatives", {**of_z, "off_fen": less + rng.randint(1, 200)}),
        (
            "steady",
            "first",
            {
                "kind": "percent_off",
                "off_bp": rate,
                "base": "list",
                "scope": {"dish_ids": [rng.choice("ab")]},
            },
        ),
        ("moves", "then", {**moves, "base": "running"}),
        (
            "late",
            "late",
            {
                "kind": "percent_off",
                "off_bp": rng.randint(1_000, 9_000),
                "base": "running",
                "scope": {"dish_ids": [rng.choice("ab")]},
            },
        ),
    ]
    offered = [
        Offered("offer", name, 1, Terms.model_validate(terms), group)
        for name, group, terms in wanted
    ]
    groups = [Group(group="alternatives", mode="best")]
    groups += [Group(group=name) for name in ("first", "then", "late")]
    return Case(rows, offered, groups, [], 0)


def _closed_pieces(rng: random.Random) -> Case:
    """Return a case in which an exclusive offer closes pieces before two other offers.

    The next offer is about whole lines, the last one about single pieces.
    """
    rows = [
        Row(dish, "", "", rng.randint(1, 4), *[rng.choice((1_000, 1_000, 900))] * 2)
        for dish in "abc"[: rng.choice((2, 3))]
    ]
    some: dict[str, Any] = {"dish_ids": rng.choice((["a"], ["b"], ["a", "b"], []))}
    closes: dict[str, Any] = rng.choice(
        (
            {"kind": "fixed_price", "price_fen": 900},
            {"kind": "exchange"},
            {"kind": "nth_item", "nth": 2, "off_bp": 5_000},
            {"kind": "bundle", "price_fen": 1_500, "slots": [{}, {}]},
        )
    )
    whole: dict[str, Any] = rng.choice(
        (
            {"kind": "amount_off", "off_fen": rng.choice((300, 700, 1_100))},
            {"kind": "percent_off", "off_bp": rng.choice((5_000, 9_000))},
        )
    )
    last: dict[str, Any] = rng.choice(
        (
            {"kind": "free_item"},
            {"kind": "fixed_price", "price_fen": 100, "most_times": 2},
            {"kind": "nth_item", "nth": 2, "off_bp": 9_000},
            {"kind": "bundle", "price_fen": 900, "slots": [{}, {}]},
        )
    )
    wanted: list[dict[str, Any]] = [
        {**closes, "base": "list", "scope": some, "exclusive": "item"},
        {**whole, "base": rng.choice(("list", "running")), "scope": {"dish_ids": ["a"]}},
        {**last, "base": rng.choice(("list", "list", "running"))},
    ]
    offered = [
        Offered("offer", f"o{n}", 1, Terms.model_validate(terms), f"g{n}")
        for n, terms in enumerate(wanted)
    ]
    return Case(rows, offered, [Group(group=f"g{n}") for n in range(3)], [], 0)
