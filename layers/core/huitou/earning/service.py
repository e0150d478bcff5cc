"""What orders and events earn by, as the rules stand now."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from huitou.earning.models import EarningRule, EarningTerms
from huitou.earning.repository import EarningRepository
from huitou.earning.rules import Purchase, asks_birthday, in_force, terms_for
from huitou.members.service import Birthdays
from huitou.orders.models import Order
from huitou.points.models import PointsRules
from huitou.points.service import Points
from huitou.pricing.models import MemberOffer, Price
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.stores.models import Store
from huitou.stores.rules import store_day
from huitou.stores.service import Stores
from huitou.tiers.models import Level
from huitou.tiers.service import BRAND_ZONE, Tiers

PAID_LATE = timedelta(days=31)  # How long after its business day an order's money may be told of.


class Earning:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._rules = EarningRepository(database)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)
        self._stores = Stores(database, clock)
        self._birthdays = Birthdays(database)

    def put(self, rule: EarningRule) -> None:
        """Store a later revision of a promotion; Refusal RULES_CONFLICT for an earlier one."""
        self._rules.put(rule)

    def rules(self, day: str) -> list[EarningRule]:
        """Return the promotions in force on a business day, by id."""
        since = (self._clock.now() - PAID_LATE).date().isoformat()
        return [rule for rule in self._rules.rules(since) if in_force(rule, day)]

    def terms(self, order: Order, paid_at: datetime) -> EarningTerms:
        """Return what an order paid at that moment earns by."""
        zone = self._stores.get(order.store_id).zone if order.store_id else BRAND_ZONE
        purchase = Purchase(
            order.lines, order.discounts, order.store_id, zone, order.business_day, paid_at
        )
        level, revision = self._tiers.level_of(order.member_id)
        return self._terms(order.member_id, purchase, level, revision, self._points.rules())

    def quoted(
        self, member_id: str, price: Price, offer: MemberOffer, store: Store, now: datetime
    ) -> EarningTerms:
        """Return what a cart at this price would earn by, were it paid at this moment."""
        purchase = Purchase(
            price.lines, price.discounts, store.id, store.zone, store_day(store, now), now
        )
        revision, points = offer.tier_rules_revision, offer.points_rules
        return self._terms(member_id, purchase, offer.level, revision, points)

    def _terms(
        self, member_id: str, purchase: Purchase, level: Level, tier_rules_revision: int,
        points: PointsRules,
    ) -> EarningTerms:  # fmt: skip
        rules = self.rules(purchase.business_day)
        # A small read, and only while a promotion of the day asks for it.
        asked = asks_birthday(rules, purchase.business_day)
        birthday: date | None = self._birthdays.of(member_id) if asked else None
        return terms_for(points, rules, purchase, level, tier_rules_revision, birthday)
