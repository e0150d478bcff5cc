"""What members and operators are shown of tiers."""

from __future__ import annotations

from typing import Literal

from huitou.loyalty.tiers.models import Figures, TierRules
from huitou.runtime.documents import Answer, Request


class ShownLevel(Answer):
    """A tier and what is paid under it: a `discount_bp` of 9,000 is 9 折."""

    level: str
    name: str
    discount_bp: int


class Missing(Answer):
    """What is missing for a goal; of several with `match` "any", one is enough."""

    missing_fen: int | None = None
    missing_orders: int | None = None
    missing_points: int | None = None
    match: Literal["any", "all"] | None = None


class NextLevel(Missing):
    """The tier above the member's, what is missing for it, and so in words."""

    name: str
    text: str


class KeepLevel(Missing):
    """What is missing to keep the tier, through which day it is in time, and so in words."""

    by: str
    text: str


class ShownTier(ShownLevel):
    """The member's tier, through which day it holds, the next one, and what keeps this one."""

    holds_through: str | None = None
    next: NextLevel | None = None
    keep: KeepLevel | None = None


class TierPreviewRequest(Request):
    """Ask what a member with these figures would be told under rules that are only a draft."""

    rules: TierRules
    figures: Figures = Figures()


class TierPreviewAnswer(Answer):
    """The name of the level they would have, and what they would be told; null at the top."""

    name: str
    text: str | None


class TierHistoryAnswer(Answer):
    """The rules in all their revisions, the latest first."""

    revisions: list[TierRules]
