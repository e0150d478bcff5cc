"""Merging two members: identities, points, debt, coupons, figures and tier, in one transaction."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.deliveries.service import Deliveries
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.runs.waiting_service import WaitingOccasions
from huitou.members.consents.service import Consents
from huitou.members.profiles.service import Members
from huitou.operations.merges.models import Merge, MergeAnswer, MergeMembersRequest
from huitou.operations.merges.repository import MergeRepository
from huitou.operations.merges.rules import check, same
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class Merges:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._merges = MergeRepository(database)
        self._members = Members(database, clock, brand_id)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._consents = Consents(database, clock)
        self._deliveries = Deliveries(database, clock)
        self._waiting = WaitingOccasions(database)
        self._features = FeatureBook(database, clock)
        self._tiers = Tiers(database, clock)

    def merge_members(self, request: MergeMembersRequest) -> MergeAnswer:
        """Move all that one member has to another, who can then log in with both identities.

        Points that orders have set aside, and points that wait for an order's completion, stay in
        the old account. Orders placed before the merge are settled there too; another merge of the
        two members moves what this brings. Raises Refusal NOT_FOUND, MERGE_SAME_MEMBER,
        MERGED_ELSEWHERE, MERGE_TWO_PHONES or MERGE_ID_REUSED.
        """
        return self._database.transact_once(lambda session: self._merge(request, session)).shown()

    def _merge(self, request: MergeMembersRequest, session: ClientSession) -> Merge:
        known = self._merges.find(request.merge_id, session)
        if known is not None:
            return same(known, request)
        source, into = self._members.get_members_to_merge(
            request.from_member, request.into_member, session
        )
        check(source, into)
        identities = self._members.hand_over_identities(source, into, session)
        before = self._tiers.cases([source.id, into.id], session)
        points = self._transfer(request, session)
        coupons = self._coupons.hand_over_coupons(source.id, into.id, session)
        self._consents.take_over_consents(source.id, into.id, session)
        self._deliveries.hand_over_messages(source.id, into.id, session)
        self._waiting.hand_over_occasions(source.id, into.id, session)
        self._features.take_over_features(source.id, into.id, session)
        self._tiers.take_over_tier(before[source.id], before[into.id], request.merge_id, session)
        merge = Merge(
            id=request.merge_id,
            points=points,
            coupons=coupons,
            identities=identities,
            at=self._clock.now(),
            **request.model_dump(exclude={"merge_id"}),
        )
        self._merges.insert(merge, session)
        return merge

    def _transfer(self, request: MergeMembersRequest, session: ClientSession) -> int:
        """Move lots, debt and figures by a pair of entries; returns the points that were moved.

        If an order is settled or points are spent in either account at the same time, the account's
        version makes one of the two transactions run again. Either the merge then moves what is
        left, or the other transaction finds the account empty.
        """
        books = self._points.open_books([request.from_member, request.into_member], session)
        source, into = books[request.from_member], books[request.into_member]
        figures = self._tiers.figures(request.from_member, session)
        out = source.transfer_out(self._origin(request, "out"), figures)
        into.transfer_in(self._origin(request, "in"), out)
        # A person has one first order, whichever account it was placed with.
        into.first_order_id = into.first_order_id or source.first_order_id
        into.bring_up_to_date()
        self._points.save_books([source, into], session)
        return -out.points

    def _origin(self, request: MergeMembersRequest, side: str) -> EntryOrigin:
        return EntryOrigin(
            cause=f"{request.merge_id}:{side}",
            at=self._clock.now(),
            business_day=self._points.today(),
            actor=request.actor,
            reason=request.reason,
            rules_revision=self._points.rules().revision,
        )
