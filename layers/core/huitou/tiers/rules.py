"""Which tier a member's spend deserves, and when that could change by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from huitou.tiers.models import Level, TierRules

MOST_DAYS = 366  # Kept whatever today's window is: rules may make it longer tomorrow.


@dataclass(frozen=True)
class Evaluation:
    """The level today, the spend behind it, the days to keep, the day to look again."""

    level: Level
    spend_fen: int
    kept_days: dict[str, int]
    review_on: str | None


def evaluate(rules: TierRules, spend_by_day: dict[str, int], today: str) -> Evaluation:
    """Evaluate the rolling window that ends today (today included).

    Days after today count too: a store whose clock is ahead may already be there.
    """
    first = (date.fromisoformat(today) - timedelta(days=rules.window_days - 1)).isoformat()
    longest = (date.fromisoformat(today) - timedelta(days=MOST_DAYS - 1)).isoformat()
    kept = {day: fen for day, fen in spend_by_day.items() if day >= longest and fen != 0}
    counted = {day: fen for day, fen in kept.items() if day >= first}
    spend_fen = sum(counted.values())
    level = _level(rules, spend_fen)
    return Evaluation(level, spend_fen, kept, _first_fall(rules, counted, spend_fen, level))


def _level(rules: TierRules, spend_fen: int) -> Level:
    reached = [level for level in rules.levels if spend_fen >= level.spend_fen]
    return reached[-1] if reached else rules.levels[0]


def _first_fall(
    rules: TierRules, counted: dict[str, int], spend_fen: int, level: Level
) -> str | None:
    """Return the day on which enough spend has left the window for the level to fall."""
    for day in sorted(counted):
        spend_fen -= counted[day]
        if _level(rules, spend_fen).spend_fen < level.spend_fen:
            return (date.fromisoformat(day) + timedelta(days=rules.window_days)).isoformat()
    return None


def to_next(rules: TierRules, level: str, spend_fen: int) -> tuple[Level, int] | None:
    """Return the next level up and how many fen are missing, or None at the top."""
    higher = [found for found in rules.levels if found.spend_fen > rules.named(level).spend_fen]
    return (higher[0], max(0, higher[0].spend_fen - spend_fen)) if higher else None
