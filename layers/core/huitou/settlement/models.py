"""How settling history moves accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from huitou.tiers.models import TierAccount, TierChange


class OpenAccount(TierAccount):
    """An account as settling history reads it."""

    tier_review: str | None = None


@dataclass(frozen=True)
class AccountMove:
    """What history makes of one account's tier, and of the days it is counted by."""

    member_id: str
    changes: dict[str, Any]
    review_on: str | None
    tier_change: TierChange | None
