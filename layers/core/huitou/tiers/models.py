"""Tiers: the rule document an operator changes, and where a member stands."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Record, Stored


class Level(Record):
    """One tier: reached by `spend_fen` within the window; its discount and entry coupons.

    `discount_bp` is what is paid: 9,000 basis points is 9 折.
    """

    level: str
    name: str
    spend_fen: int = Field(ge=0)
    discount_bp: int = Field(default=10_000, ge=1, le=10_000)
    entry_coupons: list[str] = Field(default=[], description="coupon template ids")


class TierRules(Stored):
    """All tiers, lowest first; the lowest is everybody's."""

    id: Literal["tiers"] = Field(default="tiers", alias="_id")
    revision: int = 1
    window_days: int = Field(default=365, ge=1, le=366)
    levels: list[Level] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        thresholds = [level.spend_fen for level in self.levels]
        if thresholds[0] != 0 or thresholds != sorted(set(thresholds)):
            raise ValueError("levels must start at 0 and rise")
        return self

    def named(self, level: str) -> Level:
        """Return a level by its id; one that is no longer in the rules counts as the lowest."""
        return next((found for found in self.levels if found.level == level), self.levels[0])


DEFAULT_RULES = TierRules(
    levels=[
        Level(level="basic", name="普通", spend_fen=0),
        Level(level="silver", name="白银", spend_fen=50_000, discount_bp=9_000),
        Level(level="gold", name="黄金", spend_fen=200_000, discount_bp=8_800),
    ]
)


class Standing(Record):
    """Where a member stands, and by which revision of the rules."""

    level: str = "basic"
    rules_revision: int = 0
    since_day: str | None = None


class TierAccount(Stored):
    """The part of a member's account that tiers read: spend by business day, and the standing.

    `review_on` is the business day on which the level could first fall without a new order.
    """

    spend_by_day: dict[str, int] = Field(default={})
    tier: Standing = Standing()
    review_on: str | None = None
    benefits: str | None = None
    version: int = 0


class TierChange(Stored):
    """One move from level to level; append-only. `id` is `<member>:<account version>`."""

    member_id: str
    before: str
    after: str
    spend_fen: int
    rules_revision: int
    at: datetime


class ShownLevel(Answer):
    """A tier and what is paid under it: a `discount_bp` of 9,000 is 9 折."""

    level: str
    name: str
    discount_bp: int


class NextLevel(Answer):
    """The tier above the member's, and the spend that is missing for it."""

    name: str
    missing_fen: int


class ShownTier(ShownLevel):
    """The member's tier, and the next one where there is one."""

    next: NextLevel | None = None
