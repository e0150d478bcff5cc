"""What comes of settling an order, and how settling history moves accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from huitou.loyalty.tiers.models import TierChange

SettlingOutcome = Literal["settled", "nothing due"]


@dataclass(frozen=True)
class AccountMove:
    """What history makes of one account's tier; None in `changes` takes a field away."""

    member_id: str
    changes: dict[str, Any]
    tier_change: TierChange | None = None
