"""Moving all that one member has to another, in the transaction of a merge.

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
from huitou.operations.merges.models import Merge
from huitou.operations.merges.repository import MergeRepository
from huitou.ordering.orders.owners_service import OrderOwners
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError


class Moving:
    """What merges move; who may merge what, `service.py` decides."""

    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._clock = clock
        self._repository = MergeRepository(database)
        self._members = Members(database, clock, brand_id)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._consents = Consents(database, clock)
        self._orders = OrderOwners(database)
        self._holds = Holds(database, clock)
        self._limiter = Limiter(database, clock)
        self._mall = Mall(database, clock)
        self._messages = Messages(database)
        self._kpis = Kpis(database, clock)
        self._features = FeatureBook(database, clock)
        self._tiers = Tiers(database, clock)

    def move_all(self, merge: Merge, source: Member, into: Member, session: ClientSession) -> Merge:
        """Move all that the one has to the other; returns the merge with what it moved."""
        if not self._members.has_wechat(into.id, session):
            self._messages.hand_over_messages(source.id, into.id, session)
        identities = self._members.hand_over_identities(source, into, session)
        self._kpis.join_members(source.id, into.id, session)
        before = self._tiers.cases([source.id, into.id], session)
        points = self._transfer(merge, session)
        coupons = self._coupons.hand_over_coupons(source.id, into.id, session)
        self._orders.hand_over_orders(source.id, into.id, session)
        self._limiter.hand_over_uses(source.id, into.id, session)
        self._mall.hand_over_exchanges(source.id, into.id, session)
        self._consents.take_over_consents(source.id, into.id, session)
        self._features.take_over_features(source.id, into.id, session)
        self._repository.hand_over(source.id, into.id, session)
        self._tiers.take_over_tier(before[source.id], before[into.id], merge.id, session)
        return merge.model_copy(
            update={"points": points, "coupons": coupons, "identities": identities}
        )

    def _transfer(self, merge: Merge, session: ClientSession) -> int:
        """Move lots, debt and figures by a pair of entries; returns the points that were moved.

        What orders and holds have set aside is put back, moves, and is set aside again. If an order
        is settled or points are spent in either account at the same time, the account's version
        makes one of the two transactions run again. Either the merge then moves what is left, or
        the other transaction finds the account empty.
        """
        books = self._points.open_books([merge.from_member, merge.into_member], session)
        source, into = books[merge.from_member], books[merge.into_member]
        figures = self._tiers.figures(merge.from_member, session)
        aside = [
            *self._orders.points_set_aside(source.account.id, session),
            *self._holds.hand_over_holds(source.account.id, into.account.id, session),
        ]
        source.put_back(aside)
        if source.reserved:  # The books don't agree: let a person look.
            raise HuitouError(Code.INTERNAL, field="reserved")
        out = source.transfer_out(self._origin(merge, "out"), figures)
        into.transfer_in(self._origin(merge, "in"), out)
        into.set_aside(aside)
        # A person has one first order, whichever account it was placed with.
        into.first_order_id = into.first_order_id or source.first_order_id
        into.bring_up_to_date()
        self._points.save_books([source, into], session)
        return -out.points - sum(part.points for part in aside)

    def _origin(self, merge: Merge, side: str) -> EntryOrigin:
        return EntryOrigin(
            cause=f"{merge.id}:{side}",
            at=self._clock.now(),
            business_day=self._points.today(),
            actor=merge.actor,
            reason=merge.reason,
            rules_revision=self._points.rules().revision,
        )
