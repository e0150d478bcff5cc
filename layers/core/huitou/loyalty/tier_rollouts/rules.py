"""What new tier rules would do to a member, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.tiers.models import Level, TierRules
from huitou.loyalty.tiers.periods import ordinal
from huitou.loyalty.tiers.rules import Case

YEAR_DAYS = 365


@dataclass(frozen=True)
class Outlook:
    """One member under new rules: the level before and after, and the day of a fall."""

    before: Level
    now: Level
    at_review: Level | None
    falls_on: str | None
    spend_fen: int
    raised: bool


def outlook(case: Case, new: TierRules) -> Outlook:
    """Return whether new rules raise a member now, or let them fall when their level's days end.

    Judged by today's figures. A fall counts only if the current rules would keep the level.
    """
    # Apply what the current rules bring first: it is no effect of the new ones.
    stands = case.judged()
    settled = replace(case, account=case.account.model_copy(update={"tier": stands.standing}))
    today = ordinal(case.today)
    before = [step for step in case.timeline if step[0] < today]
    drafted = replace(settled, timeline=(*before, (today, new)))
    found = drafted.judged()
    year_ago = shifted(case.today, 1 - YEAR_DAYS)
    spend_fen = sum(fen for day, fen in case.account.spend_by_day.items() if day >= year_ago)
    outcome = Outlook(stands.level, found.level, None, None, spend_fen, found.raised)
    last = found.standing.holds_through
    if found.raised or last is None or not _keeps(settled, stands.level):
        return outcome
    if _keeps(drafted, stands.level):
        return outcome
    lower = _after_a_fall(drafted)
    grace_days = new.grace_days if new.find(stands.level.level) else 0
    return replace(outcome, at_review=lower, falls_on=shifted(last, grace_days + 1))


def _keeps(case: Case, level: Level) -> bool:
    """Tell whether today's figures would keep the level by the rules in force."""
    present = case.rules.find(level.level)
    if present is None:
        return False
    return case.rules.downgrade == "never" or present.kept_by.reached(case.figures_today())


def _after_a_fall(case: Case) -> Level:
    """Return the level after a fall, by today's figures."""
    rank = case.rank(case.account.tier)
    below = [lower for place, lower in enumerate(case.rules.levels) if place < rank]
    if case.rules.downgrade == "one_step":
        return below[-1]
    figures = case.figures_today()
    return [lower for lower in below if lower.kept_by.reached(figures)][-1]


def discount_fen(spend_fen: int, before: Level, after: Level) -> int:
    """Return how much more is taken off in a year, in fen: list price times the difference."""
    list_fen = spend_fen * 10_000 // before.discount_bp
    return list_fen * (before.discount_bp - after.discount_bp) // 10_000
