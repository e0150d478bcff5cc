"""What a member reads of their tier: its last day, and what is missing to rise or to keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.notices.rules import to_reach, words
from huitou.runtime.errors import Lang

if TYPE_CHECKING:
    from huitou.loyalty.tiers.models import Figures, Goals, Level, Standing
    from huitou.loyalty.tiers.rules import Case

_MISSING = {"spend_fen": "missing_fen", "orders": "missing_orders", "points": "missing_points"}


def shown_tier(case: Case, lang: Lang) -> dict[str, Any]:
    """Return a stored standing as the member sees it: a `ShownTier`."""
    standing, rules = case.account.tier, case.rules
    level = case.level(standing)
    answer: dict[str, Any] = level.model_dump(include={"level", "name", "discount_bp"})
    if standing.holds_through is not None:
        answer["holds_through"] = standing.holds_through
    higher = rules.above(level.level)
    if higher is not None:
        answer["next"] = next_level(higher, case.figures_today(), lang)
    data = to_keep(case, standing)
    notice_on = case.notice_on(standing.holds_through or case.today)
    if data is not None and case.today >= notice_on:
        short = {name: int(data[name]) for name in _MISSING if name in data}
        text = words("tier-keep", data, "", lang)
        answer["keep"] = {"by": data["by"], "text": text, **_missing(level.kept_by, short)}
    return answer


def next_level(higher: Level, figures: Figures, lang: Lang) -> dict[str, Any]:
    """Return what is missing for the next level, in numbers and in words: a `NextLevel`."""
    short = higher.missing(figures) or {}
    text = to_reach(higher.name, {"match": higher.match, **short}, lang)
    return {"name": higher.name, "text": text, **_missing(higher, short)}


def to_keep(case: Case, standing: Standing) -> dict[str, str | int] | None:
    """Return the data for the text that tells how to keep the level, None if it is safe."""
    short, last = case.missing_to_keep(standing), standing.holds_through
    if short is None or last is None:
        return None
    level = case.level(standing)
    by = last if case.today <= last else shifted(last, case.rules.grace_days)
    named: dict[str, str | int] = {"level": level.level, "name": level.name, "by": by}
    return named | {"match": level.kept_by.match} | short


def _missing(goals: Goals, short: dict[str, int]) -> dict[str, Any]:
    answer: dict[str, Any] = {_MISSING[name]: count for name, count in short.items()}
    return answer | ({"match": goals.match} if len(short) > 1 else {})
