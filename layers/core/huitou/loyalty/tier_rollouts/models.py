"""New tier rules: what they would do to all members, and their application page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.loyalty.tiers.models import TierRules
from huitou.runtime.documents import Answer, Request, Stored


class TierRun(Stored):
    """One application of new rules to all members, page by page; `id` is `tiers@<revision>`.

    `cursor` is the last member whose page is done; `members` counts them.
    """

    revision: int
    status: Literal["running", "done", "superseded"] = "running"
    cursor: str = ""
    members: int = 0
    started_at: datetime
    ended_at: datetime | None = None


class DryRunRequest(Request):
    """Say what new rules would do to one page of members; `after` is the page before's `next`."""

    rules: TierRules
    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=500, ge=1, le=2_000)


class Foreseen(Answer):
    """What new rules would do to one member: rise now, or fall at their review, `on` a day."""

    member_id: str
    before: str
    after: str
    on: str | None = None


class MoveCount(Answer):
    """How many members would go from one level to another, now or at their reviews."""

    before: str
    after: str
    when: Literal["now", "review"]
    members: int


class DryRunAnswer(Answer):
    """One page of members: who would rise now, who would fall at their review, what it costs.

    Falls are those that the present rules would not bring: by the figures of today the level is
    kept by them, and not by the new ones. The coupons' cost is at most `coupon_cost_fen`; a year's
    discounts are estimated by the spend of the last 365 days.
    """

    members: int
    moves: list[MoveCount]
    examples: list[Foreseen]
    first_fall_on: str | None = None
    coupons: int
    coupon_cost_fen: int
    unknown_templates: list[str]
    discount_cost_fen: int
    discount_saved_fen: int
    next: str | None


class ApplyRequest(Request):
    """Store a later revision of the rules and bring all members' tiers up to it."""

    rules: TierRules


class RunRequest(Request):
    """Ask how far the last application of rules is; going on with it for `seconds`, if any."""

    seconds: int = Field(default=0, ge=0, le=30)


class RunAnswer(Answer):
    """How far an application of rules is; `raised` counts the members it brought higher."""

    revision: int
    status: Literal["running", "done", "superseded"]
    members: int
    raised: int
    started_at: datetime
    ended_at: datetime | None = None


class RulesRequest(Request):
    """Ask for the rules in force."""


class RulesAnswer(Answer):
    """The rules in force."""

    rules: TierRules
