"""Points: the member's account and the append-only ledger it is the sum of."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Stored

EntryKind = Literal["earn", "use", "claw-back", "return"]


class PointsRules(Stored):
    """The chain's rates; one document, its revision named by every entry made under it."""

    id: Literal["points"] = Field(default="points", alias="_id")
    revision: int = 1
    fen_per_point: int = Field(default=100, ge=1, description="paid fen that earn one point")
    point_value_fen: int = Field(default=1, ge=1, description="fen one spent point is worth")
    max_order_share_bp: int = Field(default=3_000, ge=0, le=10_000, description="of the order")


class EarningTerms(Record):
    """What an order earns by; frozen on it when it was paid."""

    tier: str
    tier_rules_revision: int
    points_rules_revision: int
    fen_per_point: int


class LedgerEntry(Stored):
    """One movement of a member's points; never edited.

    `id` comes from the business fact: `earn:<order>`, `use:<order>`, `claw-back:<refund>`,
    `return:<refund>`. `points` is signed; `spend_fen` is what the order adds to the member's
    spend (negative for a refund) on `business_day`, the order's own.
    """

    member_id: str
    kind: EntryKind
    points: int
    spend_fen: int = 0
    order_id: str
    business_day: str
    at: datetime
    cause: str
    actor: str = "settlement"
    rules_revision: int
    is_test: bool = False


class Account(Stored):
    """What a member has; `id` is the member's.

    `available` + `reserved` = the sum of the member's entries. `available` may be negative
    after a claw-back: the next awards repay it before anything can be spent.
    """

    available: int = 0
    reserved: int = 0
    version: int = 0


class ShownPoints(Answer):
    """A member's points: to spend (negative: owed after a claw-back), and set aside for orders."""

    available: int
    reserved: int


class ShownEntry(Answer):
    """One movement of the member's points, signed, with the order it comes from."""

    entry_id: str
    kind: EntryKind
    points: int
    order_id: str
    at: datetime
    rules_revision: int


class StatementAnswer(Answer):
    """One page of the member's movements, newest first; `next` is null on the last one."""

    entries: list[ShownEntry]
    next: str | None
