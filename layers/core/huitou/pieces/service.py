"""Pieces of quotas and budgets whose taker was killed: each is used, issued or put back."""

from __future__ import annotations

from collections.abc import Iterator

from huitou.coupons.service import Coupons
from huitou.limits.models import InFlight
from huitou.limits.service import Limiter
from huitou.orders.service import Orders
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


class Pieces:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._limiter = Limiter(database, clock)
        self._coupons = Coupons(database, clock)
        self._orders = Orders(database, clock, brand_id)
        self._found: dict[str, InFlight] = {}

    def due(self) -> Iterator[str]:
        """Yield the names of pieces that have been in flight for too long."""
        for piece in self._limiter.in_flight():
            name = f"{piece.subject} {piece.token}"
            self._found[name] = piece
            yield name

    def settle(self, name: str) -> str:
        """Bring one to its end: a coupon is issued after all, an order's is used or put back."""
        piece = self._found.pop(name)
        if "cause" in piece.more:
            return self._coupons.finish(piece)
        return self._limiter.settle_order(piece, self._pieces_of)

    def _pieces_of(self, order_id: str) -> set[str] | None:
        try:
            order = self._orders.get(order_id)
        except Refusal:
            return None
        return {use.piece for use in order.uses if use.piece is not None}
