"""One limit engine for offers and coupons: uses of a member, and what all members share.

What all share (a quota in pieces, a budget in fen) lies in a pool and is taken by guarded writes
outside any transaction: one hot document inside transactions holds everybody up, and outside them
sixteen in its place were no faster but left pieces that not everybody finds. A piece taken is noted
in the same write under its taker's token; after a crash the sweep finds the token and either finds
its use or puts it back: nothing is lost, and never more is given than there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.promotions.offers.models import Limits
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
from huitou.promotions.quotas.rules import below, fields_of, uses_id, why_blocked
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

ISSUING_S = 60.0  # A piece in flight for so long belongs to a function that was killed.
ORDERING_S = 900.0  # No function runs longer.


class Limiter:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = LimitRepository(database)
        self._clock = clock

    def open(self, subject: str, limits: Limits, revision: int) -> None:
        """Put what all members share of a subject in place, as a revision says; safe to repeat."""
        if limits.quota or limits.budget_fen:
            self._repository.open(subject, limits, revision)

    def blocked(
        self, member_id: str, uses: Sequence[Use]
    ) -> tuple[dict[str, Blocked], dict[str, Left]]:
        """Return which subjects can't be used now and why, and what is left of those with an end.

        Two queries at most; none where nothing has limits.
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

    def left(self, subjects: list[str]) -> dict[str, Left]:
        """Return what is left of subjects that all members share; one without limits is missing."""
        return self._repository.left(subjects)

    def take(
        self, subject: str, token: str, pieces: int, fen: int, more: Mapping[str, Any] | None = None
    ) -> InFlight | None:
        """Take from a pool; None where it hasn't as much.

        The same token again finds what it took, as long as that is in flight.
        """
        piece = self._repository.take(subject, token, pieces, fen, more or {})
        if piece is None:
            return None
        return InFlight(subject, token, piece, pieces, fen, time.time(), dict(more or {}))

    def drop(self, piece: InFlight) -> None:
        """Say that a piece in flight is used."""
        self._repository.drop(piece.subject, piece.token, piece.piece)

    def put_back(self, piece: InFlight) -> None:
        """Return a piece in flight; again changes nothing."""
        self._repository.put_back(piece)

    def reserve(
        self, order_id: str, uses: Sequence[OrderUse]
    ) -> tuple[list[OrderUse], list[InFlight]]:
        """Take what an order uses of what all share, before its transaction.

        Returns the uses with their pieces named, for the order, and the pieces for `confirm`.
        Raises Refusal OFFER_USED_UP. What was taken for an order that doesn't come about is put
        back by the sweep, and by nobody sooner: the same call may be under way a second time and
        have its order in a moment.
        """
        named, taken = [], []
        for use in uses:
            if not use.pooled:
                named.append(use)
                continue
            piece = self.take(use.subject, order_id, use.pieces, use.fen)
            if piece is None:
                raise Refusal(QuotaErrors.OFFER_USED_UP, field="items", detail=use.subject)
            taken.append(piece)
            named.append(use.model_copy(update={"piece": piece.piece}))
        return named, taken

    def confirm(self, taken: Sequence[InFlight]) -> None:
        """Say that an order has come about; what is not said, the sweep finds out."""
        for piece in taken:
            self.drop(piece)

    def use(self, member_id: str, uses: Sequence[Use], session: ClientSession) -> None:
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

    def give_back(
        self, member_id: str, uses: Sequence[Use], created_at: datetime,
        session: ClientSession,
    ) -> None:  # fmt: skip
        """Return the uses of an order that is cancelled, within its guarded step."""
        fields = fields_of(brand_day(created_at))
        for use in uses:
            if use.counted:
                identity = uses_id(use.subject, member_id)
                self._repository.count(identity, {}, fields, -1, session)
            if use.pooled:
                self._repository.add(use.subject, use.pieces, use.fen, session)

    def in_flight(self) -> Iterator[InFlight]:
        """Yield pieces whose taker was killed between taking and using them, or seems so."""
        return self._repository.in_flight(time.time() - ISSUING_S)

    def settle_order(
        self, piece: InFlight, pieces_of: Callable[[str], Collection[str] | None]
    ) -> UnitOutcome:
        """Settle a piece taken for an order: used if the order has it, else put back in time.

        `pieces_of` tells what an order has taken, None if there is none; until ORDERING_S it still
        may come about.
        """
        had = pieces_of(piece.token)
        if had is not None and piece.piece in had:
            self.drop(piece)
            return "used"
        if had is None and piece.since > time.time() - ORDERING_S:
            return "waiting"
        self._repository.put_back(piece, unmoved=True)
        return "put back"


_Issued = TypeVar("_Issued", bound=str)  # What comes of issuing a coupon.


class UnitsInFlight(Generic[_Issued]):
    """Units of quotas and budgets whose taker was killed: each is used, issued or put back.

    `issue` carries on with one that a coupon was taken for; `of_order` names those that an order
    has used, None for an order that isn't.
    """

    def __init__(
        self, limiter: Limiter, issue: Callable[[InFlight], _Issued],
        of_order: Callable[[str], set[str] | None],
    ) -> None:  # fmt: skip
        self._limiter, self._issue, self._of_order = limiter, issue, of_order
        self._found: dict[str, InFlight] = {}

    def due(self) -> Iterator[str]:
        """Yield the names of units that have been in flight for too long."""
        for unit in self._limiter.in_flight():
            name = f"{unit.subject} {unit.token}"
            self._found[name] = unit
            yield name

    def settle(self, name: str) -> UnitOutcome | _Issued:
        """Bring one to its end: a coupon is issued after all, an order's is used or put back."""
        unit = self._found.pop(name)
        if "cause" in unit.more:
            return self._issue(unit)
        return self._limiter.settle_order(unit, self._of_order)
