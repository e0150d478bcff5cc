"""One limit engine for offers and coupons: uses of a member, and what all members share.

What all share (a quota in pieces, a budget in fen) lies in buckets and is taken by guarded writes
outside any transaction, since one hot document inside transactions holds everybody up. A piece
taken is noted in the same write under its taker's token; after a crash the sweep finds the token
and either finds its use or puts it back: nothing is lost, and never more is given than there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from huitou.limits.models import Blocked, InFlight, Left, MemberUses, Use
from huitou.limits.repository import LimitRepository
from huitou.limits.rules import below, fields_of, first_bucket, uses_id, why_blocked
from huitou.offers.models import Limits
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.stores.rules import brand_day

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
        shared = [use.subject for use in uses if use.bucketed]
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

    def take(
        self, subject: str, token: str, pieces: int, fen: int, more: Mapping[str, Any] | None = None
    ) -> str | None:
        """Take from one bucket or the next; returns which, None where none has as much.

        The same token again finds what it took, as long as that is in flight.
        """
        names = self._repository.names(subject)
        start = first_bucket(token, len(names)) if names else 0
        for name in names[start:] + names[:start]:
            if self._repository.take(name, token, pieces, fen, more or {}) is not False:
                return name
        return None

    def drop(self, bucket: str, token: str) -> None:
        """Say that a piece in flight is used."""
        self._repository.drop(bucket, token)

    def put_back(self, bucket: str, token: str, pieces: int, fen: int) -> None:
        """Return a piece in flight; again changes nothing."""
        self._repository.put_back(bucket, token, pieces, fen)

    def reserve(self, order_id: str, uses: Sequence[Use]) -> list[str]:
        """Take what an order uses of what all share, before its transaction.

        Returns the buckets for `confirm`. Raises Refusal OFFER_USED_UP. What was taken for an
        order that doesn't come about is put back by the sweep, and by nobody sooner: the same
        call may be under way a second time and have its order in a moment.
        """
        taken = []
        for use in uses:
            if use.bucketed:
                bucket = self.take(use.subject, order_id, use.pieces, use.fen)
                if bucket is None:
                    raise Refusal(Code.OFFER_USED_UP, field="items", detail=use.subject)
                taken.append(bucket)
        return taken

    def confirm(self, order_id: str, buckets: Sequence[str]) -> None:
        """Say that an order has come about; what is not said, the sweep finds out."""
        for bucket in buckets:
            self.drop(bucket, order_id)

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
                raise Refusal(Code.OFFER_LIMIT_REACHED, field="items", detail=use.subject)

    def give_back(
        self, member_id: str, order_id: str, uses: Sequence[Use], created_at: datetime,
        session: ClientSession,
    ) -> None:  # fmt: skip
        """Return the uses of an order that is cancelled, within its guarded step."""
        fields = fields_of(brand_day(created_at))
        for use in uses:
            if use.counted:
                identity = uses_id(use.subject, member_id)
                self._repository.count(identity, {}, fields, -1, session)
            if use.bucketed:
                names = self._repository.names(use.subject)
                name = names[first_bucket(order_id, len(names))]
                self._repository.add(name, use.pieces, use.fen, session)

    def in_flight(self) -> Iterator[InFlight]:
        """Yield pieces whose taker was killed between taking and using them, or seems so."""
        return self._repository.in_flight(time.time() - ISSUING_S)

    def settle_order(self, piece: InFlight, there: Callable[[str], bool]) -> str:
        """Settle a piece taken for an order: used if the order is there, else put back in time.

        `there` tells whether an order came about; until ORDERING_S it still may.
        """
        if there(piece.token):
            self.drop(piece.bucket_id, piece.token)
            return "used"
        if not self._older(piece):
            return "waiting"
        self._repository.put_back(
            piece.bucket_id, piece.token, piece.pieces, piece.fen, piece.since
        )
        return "put back"

    def _older(self, piece: InFlight) -> bool:
        return piece.since < time.time() - ORDERING_S
