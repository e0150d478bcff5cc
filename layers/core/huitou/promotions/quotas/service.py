"""One limit engine for offers and coupons: the uses of each member, and pools that all share.

A pool holds what all members share: a quota in units and a budget in fen. Units are taken by
guarded writes outside any transaction. Inside transactions one hot document would hold up every
order. Sixteen documents instead of one were no faster, and some callers missed the last units.
The write that takes a unit also notes it under its taker's token. After a crash the sweep finds
the token, and either finds that the unit was used or puts it back. So no unit is lost, and never
more are given than there are. In stored fields and in code a quota unit is called a piece.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.promotions.quotas.errors import QuotaErrors
from huitou.promotions.quotas.models import (
    Blocked,
    InFlight,
    Left,
    MemberUses,
    OrderUse,
    UnitOutcome,
    Use,
)
from huitou.promotions.quotas.repository import LimitRepository
from huitou.promotions.quotas.rules import (
    MOST_UNPAID,
    below,
    fields_of,
    too_many_unpaid,
    uses_id,
    why_blocked,
)
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Limits

ISSUING_S = 60.0  # If a unit is in flight for so long, its taker was probably killed.
ORDERING_S = 900.0  # No function runs longer than that.


class Limiter:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = LimitRepository(database)
        self._clock = clock

    def open_pool(self, subject: str, limits: Limits, revision: int) -> None:
        """Set the subject's pool to the limits of a revision; safe to repeat."""
        if limits.quota or limits.budget_fen:
            self._repository.open(subject, limits, revision)

    def blocked_subjects(
        self, member_id: str, uses: Sequence[Use]
    ) -> tuple[dict[str, Blocked], dict[str, Left]]:
        """Return the subjects that can't be used now with the reason, and what each pool has left.

        Makes two queries at most, and none if nothing has limits.
        """
        day = brand_day(self._clock.now())
        counted = [use.subject for use in uses if use.counted]
        shared = [use.subject for use in uses if use.pooled]
        ids = [uses_id(subject, member_id) for subject in counted]
        had = self._repository.uses(ids) if ids else {}
        left = self._repository.left(shared) if shared else {}
        found = {
            use.subject: why_blocked(
                use, day, had.get(uses_id(use.subject, member_id)), left.get(use.subject)
            )
            for use in uses
        }
        return {subject: why for subject, why in found.items() if why}, left

    def left_in_pools(self, subjects: list[str]) -> dict[str, Left]:
        """Return what the subjects' pools have left; a subject without a pool is missing."""
        return self._repository.left(subjects)

    def take_units(
        self, subject: str, token: str, pieces: int, fen: int, more: Mapping[str, Any] | None = None
    ) -> InFlight | None:
        """Take units and fen from a pool; None if it has too little.

        While they are in flight, the same token gets the same ones again.
        """
        piece = self._repository.take(subject, token, pieces, fen, more or {})
        if piece is None:
            return None
        return InFlight(subject, token, piece, pieces, fen, time.time(), dict(more or {}))

    def drop_unit(self, piece: InFlight) -> None:
        """Note that a unit in flight was used."""
        self._repository.drop(piece.subject, piece.token, piece.piece)

    def leave_unit(self, piece: InFlight) -> None:
        """Give up a unit in flight; it returns to its pool when its last taker gives it up.

        The same call may run several times at once, and all of them hold the same unit. One of
        them may still use it when another one is refused.
        """
        self._repository.leave(piece)

    def reserve_units(
        self, member_id: str, order_id: str, uses: Sequence[OrderUse], taken: list[InFlight]
    ) -> list[OrderUse]:
        """Take from the pools what an order uses, before the order's transaction.

        Returns the uses with the names of their units, to be kept with the order. `taken` gets the
        units for `settle_units`, also those that were taken before a refusal. Raises Refusal
        OFFER_USED_UP, or TOO_MANY_UNPAID if the member has as many units of a pool in flight as
        orders may hold unpaid: calls that run at once can't take more than calls in turn.
        """
        named = []
        for use in uses:
            if not use.pooled:
                named.append(use)
                continue
            piece = self._take_for_order(member_id, order_id, use)
            taken.append(piece)
            named.append(use.model_copy(update={"piece": piece.piece}))
        return named

    def _take_for_order(self, member_id: str, order_id: str, use: OrderUse) -> InFlight:
        subject, more = use.subject, {"member_id": member_id}
        piece = self._repository.take(subject, order_id, use.pieces, use.fen, more, MOST_UNPAID)
        if piece is not None:
            return InFlight(subject, order_id, piece, use.pieces, use.fen, time.time(), more)
        left = self._repository.left([subject]).get(subject)
        if left is None or left.pieces < use.pieces or left.fen < use.fen:
            raise Refusal(QuotaErrors.OFFER_USED_UP, field="items", detail=subject)
        raise too_many_unpaid()

    def settle_units(self, taken: Sequence[InFlight], uses: Sequence[OrderUse]) -> None:
        """Drop the units that an order has used, and put the others back at once.

        `uses` are those of the written order, none if the order was refused. After any other error
        nobody knows whether the order was written: then the sweep settles its units.
        """
        used = {use.piece for use in uses if use.piece is not None}
        for piece in taken:
            if piece.piece in used:
                self.drop_unit(piece)
            else:
                self.leave_unit(piece)

    def count_uses(self, member_id: str, uses: Sequence[Use], session: ClientSession) -> None:
        """Count the member's uses within an order's transaction; Refusal OFFER_LIMIT_REACHED."""
        counted = [use for use in uses if use.counted]
        if not counted:
            return
        day = brand_day(self._clock.now())
        ids = [uses_id(use.subject, member_id) for use in counted]
        known = self._repository.uses(ids, session)
        for use, identity in zip(counted, ids, strict=True):
            if identity not in known:
                self._repository.insert_uses(MemberUses(id=identity, member_id=member_id), session)
            limits = below(use.limits, day)
            if not self._repository.count(identity, limits, fields_of(day), 1, session):
                raise Refusal(QuotaErrors.OFFER_LIMIT_REACHED, field="items", detail=use.subject)

    def give_back_uses(
        self,
        member_id: str,
        uses: Sequence[Use],
        created_at: datetime,
        session: ClientSession,
    ) -> None:
        """Take back the uses of a cancelled order, in the transaction that cancels it."""
        fields = fields_of(brand_day(created_at))
        for use in uses:
            if use.counted:
                identity = uses_id(use.subject, member_id)
                self._repository.count(identity, {}, fields, -1, session)
            if use.pooled:
                self._repository.add(use.subject, use.pieces, use.fen, session)

    def hand_over_uses(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Count what one member used as used by another, in the transaction that merges them."""
        for uses in self._repository.uses_of(source_id, session):
            subject = uses.id.removesuffix(f"|{source_id}")
            self._repository.add_uses(uses_id(subject, into_id), uses, session)

    def units_in_flight(self) -> Iterator[InFlight]:
        """Yield units whose taker seems to have been killed between taking and using them."""
        return self._repository.in_flight(time.time() - ISSUING_S)

    def settle_order_unit(
        self, piece: InFlight, pieces_of: Callable[[str], Collection[str] | None]
    ) -> UnitOutcome:
        """Settle a unit that was taken for an order: it was used, or it is put back.

        `pieces_of` returns the units of an order, None if there is no such order. Until ORDERING_S
        have passed, the order may still be written, and the unit is "waiting".
        """
        had = pieces_of(piece.token)
        if had is not None and piece.piece in had:
            self.drop_unit(piece)
            return "used"
        if had is None and piece.since > time.time() - ORDERING_S:
            return "waiting"
        self._repository.put_back_unmoved(piece)
        return "put back"


_Issued = TypeVar("_Issued", bound=str)  # The outcome of issuing a coupon.


class UnitsInFlight(Generic[_Issued]):
    """Quota units whose taker was killed: each was used, or it is issued or put back.

    `issue` continues with a unit that was taken for a coupon. `of_order` returns the units that an
    order has used, None if there is no such order.
    """

    def __init__(
        self,
        limiter: Limiter,
        issue: Callable[[InFlight], _Issued],
        of_order: Callable[[str], set[str] | None],
    ) -> None:
        self._limiter, self._issue, self._of_order = limiter, issue, of_order
        self._found: dict[str, InFlight] = {}

    def due_units(self) -> Iterator[str]:
        """Yield the names of units that have been in flight for too long."""
        for unit in self._limiter.units_in_flight():
            name = f"{unit.subject} {unit.token}"
            self._found[name] = unit
            yield name

    def settle_unit(self, name: str) -> UnitOutcome | _Issued:
        """Settle one unit: issue its coupon after all, or find its order or put the unit back."""
        unit = self._found.pop(name)
        if "cause" in unit.more:
            return self._issue(unit)
        return self._limiter.settle_order_unit(unit, self._of_order)
