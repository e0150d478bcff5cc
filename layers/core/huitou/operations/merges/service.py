"""Merging two members: all that one has goes to the other, in one transaction.

`following.py` says of each collection how it follows.
"""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.coupons.issuing.service import Coupons
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.rewards.service import Mall
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.features.service import FeatureBook
from huitou.members.consents.service import Consents
from huitou.members.messaging.service import Messages
from huitou.members.profiles.models import Member
from huitou.members.profiles.service import Members
from huitou.operations.merges.models import Merge, MergeAnswer, MergeMembersRequest
from huitou.operations.merges.repository import MergeRepository
from huitou.operations.merges.rules import check, same
from huitou.ordering.orders.owners_service import OrderOwners
from huitou.persons.ids.service import Persons
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError


class Merges:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._merges = MergeRepository(database)
        self._members = Members(database, clock, brand_id)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._consents = Consents(database, clock)
        self._persons = Persons(database)
        self._orders = OrderOwners(database)
        self._holds = Holds(database, clock)
        self._limiter = Limiter(database, clock)
        self._mall = Mall(database, clock)
        self._messages = Messages(database)
        self._kpis = Kpis(database, clock)
        self._features = FeatureBook(database, clock)
        self._tiers = Tiers(database, clock)

    def merge_members(self, request: MergeMembersRequest) -> MergeAnswer:
        """Move all that one member has to another, who can then log in with both identities.

        Orders move too, with the points set aside for them: whatever happens to them later
        happens in the account that goes on. Raises Refusal NOT_FOUND, MERGE_SAME_MEMBER,
        MERGED_ELSEWHERE, MERGE_TWO_PHONES, MERGE_TOO_MANY or MERGE_ID_REUSED.
        """
        return self._database.transact_once(lambda session: self._merge(request, session)).shown()

    def finish_old_merge(self, source_id: str) -> bool:
        """Move what the version before left with a merged member; False if nothing is left.

        That version left orders, and what they held, with the old id; and it kept no list of ids.
        """
        into_id = self._persons.current_id(source_id)
        if into_id is None or source_id in self._persons.ids_of(into_id):
            return False
        request = MergeMembersRequest(
            merge_id=f"upgrade-{source_id}",
            from_member=source_id,
            into_member=into_id,
            actor="upgrade",
            reason="升级",
        )

        def write(session: ClientSession) -> bool:
            source, into = self._members.get_members_to_merge(source_id, into_id, session)
            self._move(request, source, into, session)
            return True

        return self._database.transact(write)

    def _merge(self, request: MergeMembersRequest, session: ClientSession) -> Merge:
        known = self._merges.find(request.merge_id, session)
        if known is not None:
            return same(known, request)
        source, into = self._members.get_members_to_merge(
            request.from_member, request.into_member, session
        )
        check(source, into)
        merge = self._move(request, source, into, session)
        self._merges.insert(merge, session)
        return merge

    def _move(
        self, request: MergeMembersRequest, source: Member, into: Member, session: ClientSession
    ) -> Merge:
        """Move all that the one has to the other; returns the record of it."""
        if not self._members.has_wechat(into.id, session):
            self._messages.hand_over_messages(source.id, into.id, session)
        identities = self._members.hand_over_identities(source, into, session)
        self._kpis.join_members(source.id, into.id, session)
        before = self._tiers.cases([source.id, into.id], session)
        points = self._transfer(request, session)
        coupons = self._coupons.hand_over_coupons(source.id, into.id, session)
        self._orders.hand_over_orders(source.id, into.id, session)
        self._limiter.hand_over_uses(source.id, into.id, session)
        self._mall.hand_over_exchanges(source.id, into.id, session)
        self._consents.take_over_consents(source.id, into.id, session)
        self._features.take_over_features(source.id, into.id, session)
        self._merges.hand_over(source.id, into.id, session)
        self._tiers.take_over_tier(before[source.id], before[into.id], request.merge_id, session)
        return Merge(
            id=request.merge_id,
            points=points,
            coupons=coupons,
            identities=identities,
            at=self._clock.now(),
            **request.model_dump(exclude={"merge_id"}),
        )

    def _transfer(self, request: MergeMembersRequest, session: ClientSession) -> int:
        """Move lots, debt and figures by a pair of entries; returns the points that were moved.

        What orders and holds have set aside is put back, moves, and is set aside again. If an order
        is settled or points are spent in either account at the same time, the account's version
        makes one of the two transactions run again. Either the merge then moves what is left, or
        the other transaction finds the account empty.
        """
        books = self._points.open_books([request.from_member, request.into_member], session)
        source, into = books[request.from_member], books[request.into_member]
        figures = self._tiers.figures(request.from_member, session)
        aside = [
            *self._orders.points_set_aside(source.account.id, session),
            *self._holds.hand_over_holds(source.account.id, into.account.id, session),
        ]
        source.put_back(aside)
        if source.reserved:  # The books don't agree: let a person look.
            raise HuitouError(Code.INTERNAL, field="reserved")
        out = source.transfer_out(self._origin(request, "out"), figures)
        into.transfer_in(self._origin(request, "in"), out)
        into.set_aside(aside)
        # A person has one first order, whichever account it was placed with.
        into.first_order_id = into.first_order_id or source.first_order_id
        into.bring_up_to_date()
        self._points.save_books([source, into], session)
        return -out.points - sum(part.points for part in aside)

    def _origin(self, request: MergeMembersRequest, side: str) -> EntryOrigin:
        return EntryOrigin(
            cause=f"{request.merge_id}:{side}",
            at=self._clock.now(),
            business_day=self._points.today(),
            actor=request.actor,
            reason=request.reason,
            rules_revision=self._points.rules().revision,
        )
