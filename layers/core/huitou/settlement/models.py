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
    """How history moves one account: points by `available`, the rest set as a whole."""

    member_id: str
    available: int
    changes: dict[str, Any]
    review_on: str | None
    tier_change: TierChange | None
