"""How often offers and coupons may be used: counters of members, and pools of pieces and fen."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field

from huitou.promotions.offers.models import Limits
from huitou.runtime.documents import Record, Stored

UnitOutcome = Literal["used", "waiting", "put back"]
Blocked = Literal["limit_reached", "used_up"]
FIRST_ORDER = "first-order"  # What offers for the first order have in common: one use, ever.
UNLIMITED = 10**15  # Pieces or fen of what has no such limit.


class Use(Record):
    """One use by an order: of `offer:<id>` or `coupon:<template>`, what it took off, its limits."""

    subject: str
    amount_fen: int = 0
    limits: Limits = Limits()

    @property
    def counted(self) -> bool:
        """Whether the member's uses of it are counted."""
        limits = self.limits
        return bool(limits.per_member or limits.per_member_day or limits.per_member_month)

    @property
    def pooled(self) -> bool:
        """Whether it comes out of what all members share."""
        return bool(self.limits.quota or self.limits.budget_fen)

    @property
    def pieces(self) -> int:
        """How many pieces of the quota it takes."""
        return 1 if self.limits.quota else 0

    @property
    def fen(self) -> int:
        """How much of the budget it takes."""
        return self.amount_fen if self.limits.budget_fen else 0


class OrderUse(Use):
    """A use as an order keeps it: `source_id` is the offer or coupon, `piece` what it took."""

    source_id: str
    piece: str | None = None


class Pool(Stored):
    """What all members share of one subject (`id`): pieces and fen that are left.

    `taken` are pieces in flight by token: taken out, and not yet known to be used. `quota` and
    `budget_fen` are what `revision` of the offer allows. `due_at` is set while anything may be in
    flight (real epoch seconds: how long is no business time).
    """

    left: int
    left_fen: int
    quota: int
    budget_fen: int
    revision: int
    taken: dict[str, dict[str, Any]] = Field(default={})
    last_taken_at: float | None = None
    due_at: float | None = None


class MemberUses(Stored):
    """How often one member used one subject; `id` is `<subject>|<member_id>`, days the brand's."""

    member_id: str
    total: int = 0
    days: dict[str, int] = Field(default={})
    months: dict[str, int] = Field(default={})


class Left(NamedTuple):
    """What a pool has left."""

    pieces: int
    fen: int


class InFlight(NamedTuple):
    """A piece that was taken out of a pool for the use that `token` names.

    `piece` is its own name: who took twice for one use tells by it which one was used.
    """

    subject: str
    token: str
    piece: str
    pieces: int
    fen: int
    since: float
    more: dict[str, Any]
