"""Forgetting a member: names, places, habits and consents, in one transaction."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.members.consents.service import Consents
from huitou.members.profiles.service import Members
from huitou.operations.erasures.errors import ErasureErrors
from huitou.operations.erasures.models import EraseAnswer, EraseMemberRequest, Erasure
from huitou.operations.erasures.repository import ErasureRepository
from huitou.ordering.orders.service import Orders
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


class Erasures:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._repository = ErasureRepository(database)
        self._members = Members(database, clock, brand_id)
        self._orders = Orders(database, clock, brand_id)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._consents = Consents(database, clock)
        self._tiers = Tiers(database, clock)

    def erase_member(self, request: EraseMemberRequest) -> EraseAnswer:
        """Forget a member; a repetition gives the same answer as the first call.

        If the person comes back with the same phone or WeChat, they are a new member. Raises
        Refusal NOT_FOUND, MERGED_ELSEWHERE (erase the member they were merged into) or
        MEMBER_HAS_OPEN_ORDERS.
        """
        done = self._database.transact_once(lambda session: self._erase(request, session))
        return EraseAnswer(member_id=done.id, points=done.points, coupons=done.coupons, at=done.at)

    def _erase(self, request: EraseMemberRequest, session: ClientSession) -> Erasure:
        member_id = request.member_id
        known = self._repository.find(member_id, session)
        if known is not None:
            return known
        now = self._clock.now()
        if self._orders.has_open_order(member_id, session):
            raise Refusal(ErasureErrors.MEMBER_HAS_OPEN_ORDERS, field="member_id")
        self._members.forget_member(member_id, now, session)
        points = self._give_up_points(request, session)
        coupons = self._coupons.revoke_all_coupons(
            member_id, request.actor, request.reason, session
        )
        self._tiers.forget_tier(member_id, session)
        self._consents.withdraw_all_consents(member_id, session)
        self._orders.forget_addresses(member_id, session)
        self._repository.forget(member_id, session)
        erasure = Erasure(
            id=member_id,
            actor=request.actor,
            reason=request.reason,
            points=points,
            coupons=coupons,
            at=now,
        )
        self._repository.insert(erasure, session)
        return erasure

    def _give_up_points(self, request: EraseMemberRequest, session: ClientSession) -> int:
        """Take the points that could be spent, so that the chain owes nobody; returns how many."""
        book = self._points.open_book(request.member_id, session)
        today = self._points.today()
        given_up = max(0, book.available)
        if given_up:
            origin = EntryOrigin(
                cause=f"erasure:{request.member_id}",
                at=self._clock.now(),
                business_day=today,
                rules_revision=self._points.rules().revision,
                actor=request.actor,
                reason=request.reason,
            )
            book.adjust(origin, -given_up, today)
        book.bring_up_to_date()
        self._points.save_books([book], session)
        return given_up
