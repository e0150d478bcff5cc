"""What new tier rules would do to a member, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.tiers.models import Level, TierAccount, TierRules
from huitou.loyalty.tiers.rules import Case, evaluate

YEAR_DAYS = 365


@dataclass(frozen=True)
class Outlook:
    """One member under new rules: the level now and then, and for a fall its day."""

    before: Level
    now: Level
    at_review: Level | None
    falls_on: str | None
    spend_fen: int
    raised: bool


def outlook(
    account: TierAccount,
    current: TierRules,
    new: TierRules,
    today: str,
    revisions: Mapping[int, TierRules],
) -> Outlook:
    """Say whether new rules raise a member now, or let them fall at their review.

    Looked at as today's figures stand: a fall is one that the current rules would not bring.
    """
    # What is due by the current rules is not the new ones' doing.
    stands = evaluate(account, current, today, revisions)
    before = stands.level
    settled = account.model_copy(update={"tier": stands.standing, "review_on": stands.review_on})
    known = {**revisions, current.revision: current}
    found = evaluate(settled, new, today, known)
    year_ago = shifted(today, 1 - YEAR_DAYS)
    spend_fen = sum(fen for day, fen in account.spend_by_day.items() if day >= year_ago)
    outcome = Outlook(before, found.level, None, None, spend_fen, found.raised)
    last = found.standing.holds_through
    if found.raised or last is None or not _keeps(settled, current, today, known):
        return outcome
    if _keeps(settled, new, today, known):
        return outcome
    on = shifted(last, new.grace_days + 1)
    case = Case(settled, new, today, known)
    lower = case.level(case.after_review(found.standing, on))
    return replace(outcome, at_review=lower, falls_on=on)


def _keeps(
    account: TierAccount, rules: TierRules, today: str, revisions: Mapping[int, TierRules]
) -> bool:
    """Tell whether today's figures would keep the level by these rules."""
    case = Case(account, rules, today, revisions)
    level = rules.find(account.tier.level)
    if level is None:
        return False
    return rules.downgrade == "never" or level.kept_by.reached(case.figures_now(account.tier))


def discount_fen(spend_fen: int, before: Level, after: Level) -> int:
    """Return what a year's discounts change by: paid spend at list price, times the difference."""
    list_fen = spend_fen * 10_000 // before.discount_bp
    return list_fen * (before.discount_bp - after.discount_bp) // 10_000
