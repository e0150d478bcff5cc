"""What an order's present state means for its member's points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from huitou.earning.models import EarningTerms
from huitou.points.models import LedgerEntry, PointsRules


@dataclass(frozen=True)
class Return:
    """One refund of an order, in the order in which they happened."""

    refund_id: str
    amount_fen: int
    at: datetime | None = None


@dataclass(frozen=True)
class PaidOrder:
    """What points need to know of an order that was paid, and of what was given back of it."""

    order_id: str
    member_id: str
    business_day: str
    paid_fen: int
    points_used: int
    terms: EarningTerms
    paid_at: datetime | None = None
    refunds: Sequence[Return] = ()
    wholly_refunded: bool = False
    is_test: bool = False


def points_for(paid_fen: int, fen_per_point: int) -> int:
    """Return the points an amount earns, rounded down, never up."""
    return paid_fen // fen_per_point


def entries_for(order: PaidOrder, at: datetime, *, history: bool = False) -> list[LedgerEntry]:
    """Build every entry the order deserves in its present state, dated `at`.

    The terms were frozen when it was paid, so redelivery after a rule change builds the same
    entries. A paid order always has its `earn` entry, of 0 points if it comes to that:
    it also carries the spend that tiers count. Each refund takes back what the rest no longer
    earns, so all of them together take back exactly what was given; the points that paid for
    part of the order come back when it is refunded wholly.

    `history`: entries are dated by what they stand for (payment, refund), not by today.
    """

    def entry(
        kind: str, cause: str, points: int, spend_fen: int = 0, moment: datetime | None = None
    ) -> LedgerEntry:
        return LedgerEntry.model_validate({
            "_id": f"{kind}:{cause}", "kind": kind, "cause": cause, "points": points,
            "spend_fen": spend_fen, "order_id": order.order_id, "member_id": order.member_id,
            "business_day": order.business_day, "at": moment if history and moment else at,
            "rules_revision": order.terms.points_rules_revision, "is_test": order.is_test,
        })  # fmt: skip

    rest_fen, fen_per_point = order.paid_fen, order.terms.fen_per_point
    earned = points_for(rest_fen, fen_per_point)
    entries = [entry("earn", order.order_id, earned, rest_fen, order.paid_at)]
    if order.points_used:
        entries.append(entry("use", order.order_id, -order.points_used, 0, order.paid_at))
    for back in order.refunds:
        points = points_for(rest_fen - back.amount_fen, fen_per_point) - points_for(
            rest_fen, fen_per_point
        )
        rest_fen -= back.amount_fen
        entries.append(entry("claw-back", back.refund_id, points, -back.amount_fen, back.at))
    if order.wholly_refunded and order.points_used and order.refunds:
        last = order.refunds[-1]
        entries.append(entry("return", last.refund_id, order.points_used, 0, last.at))
    return entries


@dataclass(frozen=True)
class AccountChange:
    """How new entries move an account: `used` leaves the reservation, the rest is available."""

    available: int
    reserved: int
    spend_fen: int
    business_day: str


def change_of(entries: list[LedgerEntry]) -> AccountChange:
    """Sum entries of one order into one change of its member's account."""
    return AccountChange(
        available=sum(entry.points for entry in entries if entry.kind != "use"),
        reserved=sum(entry.points for entry in entries if entry.kind == "use"),
        spend_fen=sum(entry.spend_fen for entry in entries),
        business_day=entries[0].business_day,
    )


def most_usable(rules: PointsRules, available: int, order_fen: int) -> int:
    """Return how many points may pay for part of an order of this many fen."""
    share_fen = order_fen * rules.max_order_share_bp // 10_000
    return max(0, min(available, share_fen // rules.point_value_fen))
