"""The outcome of settling an order, and the change of an account when history is settled."""

from dataclasses import dataclass
from typing import Any, Literal

from huitou.loyalty.tiers.models import TierChange

SettlingOutcome = Literal["settled", "nothing due"]


@dataclass(frozen=True)
class AccountMove:
    """How settled history changes one account's tier.

    A None in `changes` removes the field from the account.
    """

    member_id: str
    changes: dict[str, Any]
    tier_change: TierChange | None = None
