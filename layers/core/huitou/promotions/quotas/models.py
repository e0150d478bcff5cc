"""How often offers and coupons may be used: counters per member, and pools that members share.

A pool holds quota units and a budget in fen. In stored fields a quota unit is called a piece.
"""

from typing import Any, Literal, NamedTuple

from pydantic import Field

from huitou.promotions.offers.models import Limits
from huitou.runtime.documents import Record, Stored

UnitOutcome = Literal["used", "waiting", "put back"]
Blocked = Literal["limit_reached", "used_up"]
# All offers for the first order share this subject: a member may use one of them, once.
FIRST_ORDER = "first-order"
UNLIMITED = 10**15  # The units or fen of a pool without such a limit.


class Use(Record):
    """One use of an offer or coupon by an order.

    `subject` is `offer:<id>` or `coupon:<template>`; `amount_fen` is what the use takes off.
    """

    subject: str
    amount_fen: int = 0
    limits: Limits = Limits.model_construct()

    @property
    def counted(self) -> bool:
        """Whether the uses of each member are counted."""
        limits = self.limits
        return bool(limits.per_member or limits.per_member_day or limits.per_member_month)

    @property
    def pooled(self) -> bool:
        """Whether the use takes units or fen from a pool that all members share."""
        return bool(self.limits.quota or self.limits.budget_fen)

    @property
    def pieces(self) -> int:
        """How many units of the quota the use takes."""
        return 1 if self.limits.quota else 0

    @property
    def fen(self) -> int:
        """How much of the budget the use takes."""
        return self.amount_fen if self.limits.budget_fen else 0


class OrderUse(Use):
    """A use as an order keeps it: `source_id` is the offer or coupon, `piece` its quota unit."""

    source_id: str
    piece: str | None = None


class Pool(Stored):
    """The quota units and fen of one subject (`id`) that are left for all members.

    `taken` maps a token to its unit in flight: taken out, and not yet known to be used. `quota` and
    `budget_fen` are what `revision` of the offer allows. `due_at` is set while any unit may be in
    flight. Both times are real epoch seconds, because they measure a delay and not business time.
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
    """How often one member used one subject; `id` is `<subject>|<member_id>`.

    Days and months are those of the brand's time zone.
    """

    member_id: str
    total: int = 0
    days: dict[str, int] = Field(default={})
    months: dict[str, int] = Field(default={})


class Left(NamedTuple):
    """What a pool has left."""

    pieces: int
    fen: int


class InFlight(NamedTuple):
    """A quota unit that was taken out of a pool for the use that `token` names.

    `piece` is the unit's own name. If two units were taken for one use, the name tells which one
    was used.
    """

    subject: str
    token: str
    piece: str
    pieces: int
    fen: int
    since: float
    more: dict[str, Any]
