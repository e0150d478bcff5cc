"""Set points aside, use them or give them back, also in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession

from huitou.loyalty.holds.errors import HOLD, HoldErrors
from huitou.loyalty.holds.models import Hold, HoldAnswer, HoldStatus, Purpose
from huitou.loyalty.holds.repository import HoldRepository
from huitou.loyalty.holds.rules import HELD_FOR, check_id, check_same, use_of
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock, milliseconds
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    from huitou.loyalty.points.models import LotMove


class Holds:
    """Each step runs in the caller's transaction if there is one, else in its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._holds = HoldRepository(database)
        self._points = Points(database, clock)
        self._persons = Persons(database)
        self._tiers = Tiers(database, clock)

    def find_hold(self, hold_id: str) -> Hold | None:
        return self._holds.find(hold_id)

    def hold_points(
        self,
        member_id: str,
        hold_id: str,
        points: int,
        purpose: Purpose,
        session: ClientSession | None = None,
    ) -> Hold:
        """Set points aside; a repeated call returns the hold as it is now.

        Raises Refusal HOLD_ID_REUSED if the id has another member, amount or purpose,
        POINTS_NOT_ENOUGH naming `points`, and NOT_FOUND if there is no account. If two holds want
        the same points, one conflicts on the account's version, runs again and finds too few.
        """
        check_id(hold_id, purpose)

        def write(session: ClientSession) -> Hold:
            known = self._holds.find(hold_id, session)
            if known is not None:
                check_same(known, member_id, points, purpose)
                return known
            self._persons.touch(member_id, session)
            hold = Hold(
                id=hold_id,
                member_id=member_id,
                points=points,
                purpose=purpose,
                drawn=self._points.reserve_points(member_id, points, session),
                created_at=self._clock.now(),
                expires_at=milliseconds(datetime.now(UTC)) + HELD_FOR,
            )
            self._holds.insert(hold, session)
            return hold

        return write(session) if session is not None else self._database.transact_once(write)

    def commit_points(self, hold_id: str, session: ClientSession | None = None) -> Hold:
        """Use held points: entry `use:<hold>`; a repeated call changes nothing.

        Raises Refusal HOLD_RELEASED if they were given back, NOT_FOUND for an unknown id.
        """

        def write(session: ClientSession) -> Hold:
            hold = self._holds.end(hold_id, "used", session)
            if hold is None:
                known = self._known(hold_id, session)
                if known.status == "released":
                    raise Refusal(HoldErrors.HOLD_RELEASED, field="hold_id")
                return known
            book = self._points.open_book(hold.member_id, session)
            revision = self._points.rules().revision
            origin = use_of(hold, self._clock.now(), self._tiers.today(), revision)
            book.use(origin, hold.drawn)
            self._points.save_books([book], session)
            return hold

        return self._within(session, write)

    def release_points(self, hold_id: str, session: ClientSession | None = None) -> Hold:
        """Put held points back into the lots they came from; a repeated call changes nothing.

        Raises Refusal HOLD_USED if they were spent, NOT_FOUND for an unknown id.
        """

        def write(session: ClientSession) -> Hold:
            hold = self._holds.end(hold_id, "released", session)
            if hold is None:
                known = self._known(hold_id, session)
                if known.status == "used":
                    raise Refusal(HoldErrors.HOLD_USED, field="hold_id")
                return known
            self._points.release_points(hold.member_id, hold.drawn, session)
            return hold

        return self._within(session, write)

    def hand_over_holds(
        self, source_id: str, into_id: str, session: ClientSession
    ) -> list[LotMove]:
        """Give what one member holds to another, in a merge; returns the lots of these points."""
        held = self._holds.held_of(source_id, session)
        self._holds.hand_over(source_id, into_id, session)
        return [part for hold in held for part in hold.drawn]

    def due_holds(self) -> Iterator[str]:
        """Yield holds whose time is over."""
        return self._holds.past(datetime.now(UTC))

    def release_due_hold(self, hold_id: str) -> HoldStatus:
        """Release a hold whose time is over; if it was used a moment ago, it stays used."""
        try:
            return self.release_points(hold_id).status
        except Refusal as refused:
            if refused.code is HoldErrors.HOLD_USED:
                return "used"
            raise

    def _known(self, hold_id: str, session: ClientSession) -> Hold:
        known = self._holds.find(hold_id, session)
        if known is None:
            raise Refusal(Code.NOT_FOUND, field="hold_id", detail=HOLD)
        return known

    def _within(
        self, session: ClientSession | None, write: Callable[[ClientSession], Hold]
    ) -> Hold:
        return self._database.transact(write) if session is None else write(session)


def shown_hold(hold: Hold) -> HoldAnswer:
    """Return a hold as its caller sees it."""
    fields = {"member_id", "points", "purpose", "status", "expires_at"}
    return HoldAnswer(hold_id=hold.id, **hold.model_dump(include=fields))
