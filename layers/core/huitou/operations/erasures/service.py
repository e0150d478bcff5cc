"""Forgetting a member: names, places, habits and consents, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

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
from huitou.ordering.orders.owners_service import OrderOwners
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

WORDS = "会员注销"  # The reason that entries and coupons name; nobody types it.


class Erasures:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._repository = ErasureRepository(database)
        self._members = Members(database, clock, brand_id)
        self._persons = Persons(database)
        self._orders = OrderOwners(database)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._consents = Consents(database, clock)
        self._tiers = Tiers(database, clock)

    def erase_member(self, request: EraseMemberRequest) -> EraseAnswer:
        """Forget a person under all their ids; a repetition gives the same answer.

        A repetition also takes away what is there by then. If the person comes back with the same
        phone or WeChat, they are a new member. Raises Refusal NOT_FOUND, MERGED_ELSEWHERE (erase
        the member they were merged into) or MEMBER_HAS_OPEN_ORDERS, which names an order.
        """
        done = self._database.transact_once(lambda session: self._erase(request, session))
        return EraseAnswer(member_id=done.id, points=done.points, coupons=done.coupons, at=done.at)

    def _erase(self, request: EraseMemberRequest, session: ClientSession) -> Erasure:
        """Take everything of the person away; a second run takes away what is left by then."""
        member_id = request.member_id
        known = self._repository.find(member_id, session)
        ids = self._persons.ids_of(member_id, session)
        now = self._clock.now()
        self._members.forget_member(member_id, ids, now, session)
        under_way = self._orders.find_open_order(ids, session)
        if under_way is not None:
            raise Refusal(ErasureErrors.MEMBER_HAS_OPEN_ORDERS, field="member_id", detail=under_way)
        # These words first: what follows writes some of its own.
        self._repository.forget(ids, session)
        points = sum(self._give_up_points(one, request.actor, session) for one in ids)
        coupons = sum(
            self._coupons.revoke_all_coupons(one, request.actor, WORDS, session) for one in ids
        )
        for one in ids:
            self._consents.withdraw_all_consents(one, session)
        self._tiers.forget_tiers(ids, session)
        self._orders.forget_addresses(ids, session)
        if known is not None:
            return known
        erasure = Erasure(
            id=member_id,
            ids=ids if len(ids) > 1 else None,
            actor=request.actor,
            reason=request.reason,
            points=points,
            coupons=coupons,
            at=now,
        )
        self._repository.insert(erasure, session)
        return erasure

    def those_without_documents(
        self, member_ids: Sequence[str], session: ClientSession
    ) -> list[str]:
        """Return those of these members of whom nothing is stored that only somebody has."""
        some = self._repository.with_documents(member_ids, session)
        return [member_id for member_id in member_ids if member_id not in some]

    def erase_empty_members(
        self, member_ids: Sequence[str], import_id: str, reason: str, session: ClientSession
    ) -> None:
        """Erase members who have no order, points, coupons or consents, with their import.

        The caller has made sure of that in the same transaction. Each gets an erasure, so that
        nobody takes the id for a person.
        """
        now = self._clock.now()
        self._members.forget_empty_members(member_ids, import_id, now, session)
        self._repository.forget(member_ids, session)
        self._tiers.forget_tiers(member_ids, session)
        self._repository.insert_many(
            [
                Erasure(
                    id=one, actor=f"import:{import_id}", reason=reason, points=0, coupons=0, at=now
                )
                for one in member_ids
            ],
            session,
        )

    def _give_up_points(self, member_id: str, actor: str, session: ClientSession) -> int:
        """Take the points that could be spent, so that the chain owes nobody; returns how many."""
        book = self._points.open_book(member_id, session)
        today = self._points.today()
        given_up = max(0, book.available)
        if given_up:
            again = f"@{book.account.version}" if self._repository.find(member_id, session) else ""
            origin = EntryOrigin(
                cause=f"erasure:{member_id}{again}",
                at=self._clock.now(),
                business_day=today,
                rules_revision=self._points.rules().revision,
                actor=actor,
                reason=WORDS,
            )
            book.adjust(origin, -given_up, today)
        book.bring_up_to_date()
        self._points.save_books([book], session)
        return given_up
