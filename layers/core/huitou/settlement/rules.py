"""How orders of the past move their members' accounts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from huitou.points.models import LedgerEntry
from huitou.runtime.triggers import DONE, DUE
from huitou.settlement.models import AccountMove, OpenAccount
from huitou.tiers.models import Standing, TierChange, TierRules
from huitou.tiers.rules import evaluate


def account_move(
    account: OpenAccount, entries: list[LedgerEntry], rules: TierRules, today: str, now: datetime
) -> AccountMove:
    """Say how entries of the past move a member's account: points, spend, and the tier of today."""
    spend: Counter[str] = Counter(account.spend_by_day)
    for entry in entries:
        spend[entry.business_day] += entry.spend_fen
    found = evaluate(rules, dict(spend), today)
    available = sum(entry.points for entry in entries)
    changes: dict[str, Any] = {"spend_by_day": found.kept_days}
    if account.tier_review == DUE:
        return AccountMove(account.id, available, changes, account.review_on, None)
    changes["tier_review"] = DONE
    if found.level.level == account.tier.level:
        return AccountMove(account.id, available, changes, found.review_on, None)
    standing = Standing(level=found.level.level, rules_revision=rules.revision, since_day=today)
    changes["tier"] = standing.model_dump()
    change = TierChange(
        id=f"{account.id}:{account.version}", member_id=account.id, before=account.tier.level,
        after=standing.level, spend_fen=found.spend_fen, rules_revision=rules.revision, at=now,
    )  # fmt: skip
    return AccountMove(account.id, available, changes, found.review_on, change)
