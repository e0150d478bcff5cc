"""The request and the report of reconciliation."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Request
from huitou.runtime.limits import Id


class ReconcileRequest(Request):
    """Reconcile one page of members; `after` is the `next` of the page before."""

    after: Id | None = None
    limit: int = Field(default=200, ge=1, le=1_000)


class Difference(Record):
    """Two values that should be equal and aren't; a missing one is left out."""

    kind: str
    id: str
    expected: Any = None
    found: Any = None


class Totals(Record):
    """Sums over the members of a page; sums of pages can be added.

    points_issued = used + expired + clawed back + taken (by staff) + outstanding.
    """

    members: int = 0
    orders: int = 0
    orders_paid: int = 0
    orders_refunded: int = 0
    orders_under_way: int = 0
    revenue_fen: int = 0
    fees_fen: int = 0
    shared_fen: int = 0
    kept_fen: int = 0
    points_issued: int = 0
    points_clawed_back: int = 0
    points_used: int = 0
    points_expired: int = 0
    points_taken: int = 0
    points_owed: int = 0
    points_outstanding: int = 0
    coupons_issued: int = 0
    coupons_redeemed: int = 0
    tiers: dict[str, int] = Field(default={})

    def plus(self, other: "Totals") -> "Totals":
        """Return the sums of both pages."""
        mine, theirs = self.model_dump(), other.model_dump()
        tiers = {
            level: mine["tiers"].get(level, 0) + theirs["tiers"].get(level, 0)
            for level in sorted(mine["tiers"] | theirs["tiers"])
        }
        sums = {name: mine[name] + theirs[name] for name in mine if name != "tiers"}
        return Totals(**sums, tiers=tiers)


class ReconcileAnswer(Answer):
    """The result for one page of members.

    `differences` holds the first ones, `found` counts all; `next` is the cursor of the next page.
    """

    totals: Totals
    differences: list[Difference]
    found: int
    next: str | None


@dataclass(frozen=True)
class Books:
    """All documents of one range of members; the lists are not sorted.

    A merge moves orders, and their older entries stay. So `entries_elsewhere` are entries of these
    orders in other members' ledgers, and `orders_elsewhere` names those orders of these entries
    that other members have.
    """

    accounts: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    coupons: list[dict[str, Any]]
    payments: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    shares: list[dict[str, Any]]
    holds: list[dict[str, Any]]
    entries_elsewhere: list[dict[str, Any]] = field(default_factory=list)
    orders_elsewhere: set[str] = field(default_factory=set)
