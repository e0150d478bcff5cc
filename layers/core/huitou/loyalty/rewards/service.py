"""Exchange points for coupons: points are held, then one transaction does all the rest."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.coupons.issuing.errors import COUPON_TEMPLATE
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.rules import is_over
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.holds.errors import HoldErrors
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.points.service import Points
from huitou.loyalty.rewards.errors import ITEM, RewardErrors
from huitou.loyalty.rewards.models import (
    Exchange,
    ExchangeAnswer,
    ExchangeRequest,
    MallAnswer,
    MallItem,
)
from huitou.loyalty.rewards.repository import MallRepository
from huitou.loyalty.rewards.rules import check_item, hold_id, is_offered, shown, why_not
from huitou.loyalty.tiers.service import Tiers
from huitou.persons.ids.rules import names_of
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError, Lang, Refusal


class Mall:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._mall = MallRepository(database)
        self._holds = Holds(database, clock)
        self._coupons = Coupons(database, clock)
        self._points = Points(database, clock)
        self._persons = Persons(database)
        self._tiers = Tiers(database, clock)

    def put_item(self, item: MallItem) -> None:
        """Store a later revision of an item.

        Raises Refusal RULES_CONFLICT for an earlier one, NOT_FOUND if its coupon doesn't exist.
        """
        if not self._coupons.find_templates([item.template_id]):
            field = f"mall_items.{item.id}.template_id"
            raise Refusal(Code.NOT_FOUND, field=field, detail=COUPON_TEMPLATE)
        self._mall.put(item)

    def list_items(self, member_id: str, lang: Lang = "zh") -> MallAnswer:
        """Return what is on offer today, and why the member can't have some of it."""
        today = self._tiers.today()
        items = [item for item in self._mall.listed() if is_offered(item, today)]
        templates = self._coupons.find_templates([item.template_id for item in items])
        over = {name for name, one in templates.items() if is_over(one, self._points.today())}
        items = [item for item in items if item.template_id not in over]
        ids = [item.id for item in items]
        taken, had = self._mall.taken(ids), self._mall.had(member_id, ids)
        available = self._points.available_points(member_id)
        return MallAnswer(
            available=available,
            items=[
                shown(item, taken.get(item.id, 0), had.get(item.id, 0), available, lang)
                for item in sorted(items, key=lambda item: (item.points, item.id))
            ],
        )

    def exchange_points(self, member_id: str, request: ExchangeRequest) -> ExchangeAnswer:
        """Exchange points for an item; a repeated call gets the same answer.

        First the points are held. Then one transaction checks the member's limit, takes from the
        stock, issues the coupon and uses the points. After a crash in between, a repeat uses the
        held points, or the holds' timer gives them back. Raises Refusal MALL_ITEM_NOT_OFFERED,
        MALL_SOLD_OUT, MALL_LIMIT_REACHED, POINTS_NOT_ENOUGH, EXCHANGE_ID_REUSED, HOLD_ID_REUSED
        (the item's points have changed since) or HOLD_RELEASED (it took too long: begin again).
        """
        identity = hold_id(member_id, request.exchange_id)
        names = names_of(identity, member_id, self._persons.ids_of(member_id)[1:])
        for name in (identity, *names):  # A repeated call may be from before a merge.
            if (known := self._mall.exchange(name)) is not None:
                return self._answer(check_item(known, request.item_id), request)
        item = self._offered(request.item_id)
        template = self._coupons.find_templates([item.template_id]).get(item.template_id)
        if template is None:  # Nobody deletes templates; let a person look.
            raise HuitouError(Code.INTERNAL, field="template_id")
        if is_over(template, self._points.today()):
            raise Refusal(RewardErrors.MALL_ITEM_NOT_OFFERED, field="item_id")
        if self._holds.find_hold(identity) is None:
            # Checked before points are held, so that a refused exchange holds none.
            try:
                self._check(item, member_id, self._points.available_points(member_id))
            except Refusal:
                # The same call may run at the same time, and hold the points that this one misses.
                if self._holds.find_hold(identity) is None:
                    raise
        self._holds.hold_points(member_id, identity, item.points, "mall")
        try:
            exchange = self._carry_out(identity, member_id, item, template)
        except Refusal as refused:
            if refused.code is not HoldErrors.HOLD_RELEASED:
                self._release(identity)
            raise
        return self._answer(check_item(exchange, request.item_id), request)

    def hand_over_exchanges(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Count one member's exchanges as another's, in the transaction that merges them."""
        self._mall.hand_over(source_id, into_id, session)

    def _carry_out(
        self, identity: str, member_id: str, item: MallItem, template: CouponTemplate
    ) -> Exchange:
        def write(session: ClientSession) -> Exchange:
            known = self._mall.exchange(identity, session)
            if known is not None:
                return known
            hold = self._holds.commit_points(identity, session)
            current = self._offered(item.id, session)
            had = self._check(current, member_id, current.points, session)
            if current.stock is not None and not self._mall.take(current, session):
                raise Refusal(RewardErrors.MALL_SOLD_OUT, field="item_id")
            coupon = self._coupons.issue_coupon_within(template, member_id, identity, session)
            exchange = Exchange(
                id=identity,
                member_id=member_id,
                item_id=item.id,
                item_revision=current.revision,
                points=hold.points,
                seq=had + 1,
                coupon_id=coupon.id,
                at=self._clock.now(),
            )
            self._mall.insert(exchange, session)
            return exchange

        return self._database.transact_once(write)

    def _offered(self, item_id: str, session: ClientSession | None = None) -> MallItem:
        item = self._mall.item(item_id, session)
        if item is None:
            raise Refusal(Code.NOT_FOUND, field="item_id", detail=ITEM)
        if not is_offered(item, self._tiers.today()):
            raise Refusal(RewardErrors.MALL_ITEM_NOT_OFFERED, field="item_id")
        return item

    def _check(
        self, item: MallItem, member_id: str, available: int, session: ClientSession | None = None
    ) -> int:
        """Return how many of the item the member has had; Refusal if they can't have another."""
        had = self._mall.had(member_id, [item.id], session).get(item.id, 0)
        taken = self._mall.taken([item.id], session).get(item.id, 0)
        refusal = why_not(item, taken, had, available)
        if refusal is not None:
            raise refusal
        return had

    def _release(self, identity: str) -> None:
        """Give the points back at once; after a crash the timer does it."""
        try:
            self._holds.release_points(identity)
        except Refusal:
            return  # Another call has used the points meanwhile.

    def _answer(self, exchange: Exchange, request: ExchangeRequest) -> ExchangeAnswer:
        return ExchangeAnswer(
            exchange_id=request.exchange_id,
            item_id=exchange.item_id,
            points=exchange.points,
            coupon=self._coupons.show_coupon(exchange.coupon_id),
        )
