"""What members and operators see of tiers."""

from typing import Literal

from huitou.loyalty.tiers.models import Figures, TierRules
from huitou.runtime.documents import Answer, Request


class ShownLevel(Answer):
    """A tier and what is paid under it: a `discount_bp` of 9,000 is 9 折."""

    level: str
    name: str
    discount_bp: int


class Missing(Answer):
    """What is missing for the goals; if `match` is "any", one of them is enough."""

    missing_fen: int | None = None
    missing_orders: int | None = None
    missing_points: int | None = None
    match: Literal["any", "all"] | None = None


class NextLevel(Missing):
    """The next higher tier, and what is missing for it, in numbers and in words (`text`)."""

    name: str
    text: str


class KeepLevel(Missing):
    """What is missing to keep the tier, in numbers and in words; `by` is the last day for it."""

    by: str
    text: str


class ShownTier(ShownLevel):
    """The member's tier, the last day it holds, the next tier, and what keeps this one."""

    holds_through: str | None = None
    next: NextLevel | None = None
    keep: KeepLevel | None = None


class TierPreviewRequest(Request):
    """Ask what a member with these figures would read under draft rules."""

    rules: TierRules
    figures: Figures = Figures.model_construct()


class TierPreviewAnswer(Answer):
    """The name of the level they would have, and the text they would read; null at the top."""

    name: str
    text: str | None


class TierHistoryAnswer(Answer):
    """All revisions of the rules, the latest first."""

    revisions: list[TierRules]
