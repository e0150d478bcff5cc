"""How orders of the past move their members' accounts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from huitou.points.models import LedgerEntry
from huitou.runtime.triggers import DONE, DUE
from huitou.settlement.models import AccountMove, OpenAccount
from huitou.tiers.models import TierChange, TierRules
from huitou.tiers.rules import evaluate


def account_move(
    account: OpenAccount, entries: list[LedgerEntry], rules: TierRules, today: str, now: datetime
) -> AccountMove:
    """Say how entries of the past move a member's account: points, spend, and the tier of today."""
    spend: Counter[str] = Counter(account.spend_by_day)
    for entry in entries:
        spend[entry.business_day] += entry.spend_fen
    moved = account.model_copy(update={"spend_by_day": dict(spend)})
    found = evaluate(moved, rules, today)
    available = sum(entry.points for entry in entries)
    changes: dict[str, Any] = {"spend_by_day": found.kept(moved.spend_by_day)}
    level, standing = found.standing.level, found.standing
    # Who may fall by rules they weren't given their level by is judged by the evaluation.
    unsure = not found.raised and account.tier.rules_revision not in (0, rules.revision)
    if account.tier_review == DUE or (unsure and level != account.tier.level):
        changes["tier_review"] = DUE
        return AccountMove(account.id, available, changes, account.review_on, None)
    changes["tier_review"] = DONE
    if standing != account.tier:
        changes["tier"] = standing.model_dump(exclude_none=True)
    if level == account.tier.level:
        return AccountMove(account.id, available, changes, found.review_on, None)
    change = TierChange(
        id=f"{account.id}:{account.version}", member_id=account.id, before=account.tier.level,
        after=level, cause=found.cause or "figures", spend_fen=found.figures.spend_fen,
        rules_revision=rules.revision, at=now,
    )  # fmt: skip
    return AccountMove(account.id, available, changes, found.review_on, change)
