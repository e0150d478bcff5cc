"""Prices a case of the brute force with the real engine: the same rows, offers and groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from huitou.promotions.best_price.search import MOST_STEPS, best
from huitou.promotions.discounts.models import CartLine, Outcome, Rule
from huitou.promotions.offers.models import Group, StackingRules
from huitou.promotions.offers.rules import Compiled
from price_states import Best, Offered, Row


class Found(NamedTuple):
    """The key of the engine's price (None if it can't use all named coupons), and its outcome."""

    key: Best | None
    outcome: Outcome


def engine(
    rows: Sequence[Row],
    offered: Sequence[Offered],
    groups: Sequence[Group],
    delivery_fen: int = 0,
    never_together: Sequence[Sequence[str]] = (),
    most_steps: int = MOST_STEPS,
    member: str = "m",
) -> Found:
    """Price a case for a member; as in issuing, a coupon's id is different for each member."""
    tree = StackingRules(
        groups=list(groups), never_together=[list(names) for names in never_together]
    )
    compiled = Compiled([], tree)
    rules = []
    for number, one in enumerate(offered):
        own = one.id
        if one.source == "coupon":
            own = f"{crc32(f'{member} {number}'.encode()):x}"
        rules.append(
            compiled.rule(
                Rule(
                    one.source,
                    own,
                    one.revision,
                    one.id,
                    one.terms,
                    one.group,
                    one.priority,
                    soonest=one.ends,
                    kin=one.id,
                    must=one.named,
                    optional=one.optional,
                )
            )
        )
    named = [rule for rule in rules if rule.must]
    rules = sorted((rule for rule in rules if rule.steps), key=lambda rule: rule.order)
    lines = [CartLine(*row) for row in rows]
    found = best(lines, rules, compiled.tree, delivery_fen, most_steps)
    taken = [one.rule for one in found.taken]
    if any(rule not in taken for rule in named):
        return Found(None, found)
    ends = sorted(rule.soonest for rule in taken if rule.source == "coupon")
    return Found(Best(found.items_fen + found.delivery_fen, len(ends), tuple(ends)), found)
