"""Weighs the offers in force, the tier's discount and coupons: the best price by given inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from huitou.promotions.best_price import search
from huitou.promotions.best_price.one_pass import best_in_force
from huitou.promotions.discounts.models import CartLine, Outcome, Reason, Rule
from huitou.promotions.offers.models import DELIVERY, Terms
from huitou.promotions.offers.rules import Compiled, Context, out_of, tier_rule

if TYPE_CHECKING:
    from huitou.loyalty.tiers.models import Level
    from huitou.ordering.quotes.models import PriceInputs

MOST_WEIGHED = 20  # One search tries so many coupons at most, those that end first.


def weigh(
    lines: Sequence[CartLine],
    inputs: PriceInputs,
    compiled: Compiled,
    coupons: Sequence[Rule],
    most_steps: int = search.MOST_STEPS,
) -> Outcome:
    """Find the best combination of the offers in force, the tier's discount and these coupons."""
    context = Context(
        inputs.store_id,
        inputs.day,
        inputs.clock,
        inputs.mode,
        inputs.channel,
        inputs.level.level,
        inputs.first_order,
    )
    of_tier = [compiled.rule(rule) for rule in _of_tier(inputs.level, inputs.tier_rules_revision)]
    own = [rule for rule in of_tier if rule.steps]
    blocked = {name: Reason(code) for name, code in inputs.blocked.items()}  # type: ignore[arg-type]
    fits: list[Rule] = []
    left: list[Rule] = []
    out: list[tuple[Rule, Reason]] = [(r, Reason("no_group")) for r in of_tier if not r.steps]
    copies: Counter[tuple[object, ...]] = Counter()
    for rule in sorted(coupons, key=lambda rule: (not rule.must, rule.soonest, rule.source_id)):
        compiled.rule(rule)
        code = out_of(rule.terms, context)
        reason = rule.out or blocked.get(rule.source_id) or (Reason(code) if code else None)
        if reason is None and not rule.steps:
            reason = Reason("no_group")
        if reason is not None:
            out.append((rule, reason))
            continue
        # Coupons of equal terms come in the order of their end. If their group allows only so many
        # in one order, the search need not try more of them.
        kind = _terms_key(rule)
        copies[kind] += 1
        enough = copies[kind] > min(compiled.tree.most[step.group] for step in rule.steps)
        (left if enough and not rule.must else fits).append(rule)
    in_force = compiled.at(context)
    if any(rule.must for rule, _ in out):  # A coupon that the member named can't be used.
        return Outcome(0, 0, [], out)
    outcome = best_in_force(
        lines, in_force, [*own, *fits[:MOST_WEIGHED]], inputs.delivery_fen, blocked, most_steps
    )
    outcome.unused += out
    outcome.unused += [(rule, Reason("dearer")) for rule in (*left, *fits[MOST_WEIGHED:])]
    outcome.proved = outcome.proved and len(fits) <= MOST_WEIGHED
    return outcome


def _terms_key(rule: Rule) -> tuple[object, ...]:
    return rule.group, rule.kin, rule.revision, rule.terms.model_dump_json()


def _of_tier(level: Level, revision: int) -> list[Rule]:
    rules = [tier_rule(level.level, level.name, level.discount_bp, revision)]
    if level.free_delivery:
        terms = Terms(kind="delivery")
        rules.append(Rule("tier", level.level, revision, level.name, terms, DELIVERY))
    return [rule for rule in rules if rule is not None]
