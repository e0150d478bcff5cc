"""What an order earns, and what of it remains after refunds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from huitou.earning.models import EarningTerms


def awarded(terms: EarningTerms, paid_fen: int, room: int | None) -> int:
    points = paid_fen // terms.fen_per_point
    return points if room is None else min(points, room)


def kept(terms: EarningTerms, paid_fen: int, award: int, refunds: Sequence[Any]) -> int:
    rest = paid_fen - sum(refund.amount_fen for refund in refunds)
    whole = paid_fen // terms.fen_per_point
    if award < whole:
        return award * rest // paid_fen
    return rest // terms.fen_per_point


def points_back(points_used: int, paid_fen: int, refunded_fen: int, *, wholly: bool) -> int:
    if wholly:
        return points_used
    return points_used * refunded_fen // paid_fen if paid_fen else 0
