"""New tier rules: what they would do to all members, and their roll-out page by page."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.loyalty.tiers.models import TierRules
from huitou.runtime.documents import Answer, Request, Stored


class TierRun(Stored):
    """One roll-out of new rules to all members, page by page; `id` is `tiers@<revision>`.

    `cursor` is the last member of the last page done; `members` counts the members done.
    """

    revision: int
    status: Literal["running", "done", "superseded"] = "running"
    cursor: str = ""
    members: int = 0
    started_at: datetime
    ended_at: datetime | None = None


class DryRunRequest(Request):
    """Ask what new rules would do to a page of members; `after` is the last answer's `next`."""

    rules: TierRules
    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=500, ge=1, le=2_000)


class Foreseen(Answer):
    """How one member would move under new rules: up now, or down at the review, on the day `on`."""

    member_id: str
    before: str
    after: str
    on: str | None = None


class MoveCount(Answer):
    """How many members would move from one level to another, now or at their reviews."""

    before: str
    after: str
    when: Literal["now", "review"]
    members: int


class DryRunAnswer(Answer):
    """One page of members: who would rise now, who would fall at their review, what it costs.

    A fall is counted if, by today's figures, the present rules would keep the level and the new
    ones would not. The coupons cost at most `coupon_cost_fen`. A year's discounts are estimated
    from the spend of the last 365 days.
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
    """Ask how far the last roll-out of rules is, after going on with it for `seconds`, if any."""

    seconds: int = Field(default=0, ge=0, le=30)


class RunAnswer(Answer):
    """How far a roll-out of rules is; `raised` counts the members that it raised."""

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
