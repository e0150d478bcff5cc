"""试算 and ordering: what a cart costs a member, and an order at that price."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.errors import StoreErrors
from huitou.catalog.stores.rules import day_bounds, store_day, store_day_clock, takes_orders
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.earning.rules import awarded
from huitou.loyalty.earning.service import Earning
from huitou.loyalty.points.models import ON_COMPLETION
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.shown_models import ShownLevel
from huitou.ordering.orders.errors import ORDER, OrderErrors
from huitou.ordering.orders.repository import OrderRepository
from huitou.ordering.orders.rules import (
    COMPLETES_AFTER,
    HANDED_OVER,
    SETTLED_STATES,
    UNPAID,
    check_wanted,
    drawn_lots,
    most_points,
    order_from,
    order_id,
    pickup_moment,
    purchase_of,
    request_digest,
    same_order,
    with_refunds,
)
from huitou.ordering.orders.units_service import OrderUnits
from huitou.ordering.quotes.inputs_service import KeptInputs
from huitou.ordering.quotes.rules import coupons_of
from huitou.ordering.quotes.service import Pricing, quoted_coupons, uses_of
from huitou.persons.ids.service import Persons
from huitou.promotions.quotas.models import InFlight
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError, Lang, Refusal, Unavailable
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest
from huitou.runtime.triggers import DONE, DUE

with late_imports():
    from huitou.members.messaging.service import Messages
    from huitou.ordering.orders.models import (
        CreateRequest,
        ExplainAnswer,
        GivenBack,
        Invoice,
        Moment,
        Order,
        OrdersAnswer,
        PendingRefund,
        Status,
        TellingOutcome,
        Tender,
        WeChatUpdate,
    )
    from huitou.ordering.orders.quote_models import BestCombination, QuoteAnswer, QuoteRequest


class Orders:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._brand_id = brand_id
        self._orders = OrderRepository(database)
        self._stores = Stores(database, clock)
        self._persons = Persons(database)
        self._pricing = Pricing(database, clock)
        self._inputs = KeptInputs(database)
        self._points = Points(database, clock)
        self._coupons = Coupons(database, clock)
        self._units = OrderUnits(database, clock)
        self._earning = Earning(database, clock)

    def quote_cart(self, member_id: str, request: QuoteRequest, lang: Lang = "zh") -> QuoteAnswer:
        """Price a cart for a member; say of each coupon they hold why it does not fit, if so."""
        now = self._clock.now()
        wanted_at = pickup_moment(request, now)
        store = self._stores.get_store(request.store_id)
        facts = self._pricing.read_facts(member_id, request, store, now, with_all_coupons=True)
        best = self._pricing.find_best_combination(facts, now)
        outcome = best
        if request.coupons == "named":
            outcome = self._pricing.combine_named(
                member_id, facts, request.named_coupons, now, lang
            )
        named = request.named_coupons if request.coupons == "named" else None
        priced = self._pricing.build_quoted_price(facts, outcome, named, now, lang)
        offer, rules = facts.offer, facts.offer.points_rules
        purchase = purchase_of(priced, store, store_day(store, now), now)
        terms = self._earning.terms_for_cart(
            member_id, purchase, offer.level, offer.tier_rules_revision, rules
        )
        return QuoteAnswer(
            quote_id="q" + secrets.token_hex(16),
            store_open=takes_orders(store, wanted_at),
            price=priced,
            payable_fen=priced.payable_fen,
            tier=ShownLevel.model_validate(facts.offer.level, from_attributes=True),
            points_max=most_points(rules, facts.available, outcome.items_fen),
            points_earned=awarded(terms, priced.payable_fen),
            coupons=quoted_coupons(facts.coupons, best, lang),
            best=BestCombination(
                coupon_ids=coupons_of(best),
                payable_fen=best.items_fen + best.delivery_fen,
                exact=best.proved,
            ),
        )

    def create_order(self, member_id: str, request: CreateRequest) -> Order:
        """Order a quoted cart; repeating the same call returns the same order.

        One transaction writes the order, sets its points aside and locks its coupons. Raises
        Refusal STORE_CLOSED, DISH_SOLD_OUT, QUOTE_CHANGED (with the new quote), COUPON_NOT_USABLE,
        POINTS_NOT_ENOUGH, TOO_MANY_UNPAID or QUOTE_ID_REUSED.
        """
        digest, taken = request_digest(request), list[InFlight]()
        try:
            return self._create(digest, member_id, request, taken)
        except (Refusal, DuplicateKeyError):
            # The same call may have run before or at the same time. Its order then holds the
            # coupons and points that this call missed, and this call returns that order. After
            # any other error nobody knows what was written, and `taken` waits for the sweep.
            ids = self._persons.ids_of(member_id)
            stored = self._orders.first_of([order_id(one, request.quote_id) for one in ids])
            self._units.settle_units(taken, stored)
            if stored is None:
                raise
            return same_order(stored, digest)

    def _create(
        self, digest: str, member_id: str, request: CreateRequest, taken: list[InFlight]
    ) -> Order:
        now, identity = self._clock.now(), order_id(member_id, request.quote_id)
        store = self._stores.get_store(request.store_id)
        wanted_at = check_wanted(request, now)
        if not takes_orders(store, wanted_at):
            raise Refusal(StoreErrors.STORE_CLOSED, field="store_id")
        best = request.coupons == "best"
        facts = self._pricing.read_facts(member_id, request, store, now, with_all_coupons=best)
        outcome = (
            self._pricing.find_best_combination(facts, now)
            if best
            else self._pricing.combine_named(member_id, facts, request.named_coupons, now)
        )
        priced = self._pricing.build_price(facts, outcome)
        if priced.payable_fen != request.payable_fen:
            raise Refusal(
                OrderErrors.QUOTE_CHANGED,
                field="payable_fen",
                data=self.quote_cart(member_id, request.cart),
            )
        weighed = self._pricing.usable_coupons(facts, now)
        inputs = facts.inputs.model_copy(
            update={"coupon_ids": weighed, "named": request.coupons == "named"}
        )
        own_inputs = self._inputs.keep_inputs(inputs)
        order = order_from(request, priced, store, identity, digest, self._brand_id, member_id, now)
        used = coupons_of(outcome)
        uses = self._units.reserve_units(member_id, order.id, uses_of(outcome, facts), taken)
        order = order.model_copy(
            update={
                "coupon_id": next(iter(used), None),
                "coupon_ids": used,
                "priced_with": own_inputs,
                "uses": uses,
            }
        )
        ends_after = store_day_clock(store, now)

        def write(session: ClientSession) -> Order:
            earlier = self._persons.touch(member_id, session)
            names = [order_id(one, request.quote_id) for one in earlier]
            if (before := self._orders.first_of(names, session)) is not None:
                return same_order(before, digest)  # The same call, from before a merge.
            drawn = self._points.reserve_points(member_id, order.points_used, session)
            kept = order.model_copy(update={"points_drawn": drawn})
            self._orders.insert(kept, session)
            for coupon_id in used:
                self._coupons.lock_coupon(coupon_id, member_id, order.id, ends_after, session)
            self._units.count_uses(kept, earlier, session)
            return kept

        made = self._database.transact(write)
        self._units.settle_units(taken, made)
        return made

    def explain_price(self, order_id: str) -> ExplainAnswer:
        """Calculate an order's price again from its kept inputs, and compare."""
        order = self.get_order(order_id)
        inputs = self._inputs.inputs_of(order)
        again = self._pricing.price_again(order.lines, inputs) if inputs else None
        kept = (order.payable_fen, order.discounts)
        same = again and (again.payable_fen, again.discounts) == kept
        return ExplainAnswer(
            order_id=order.id, status=order.status, lines=order.lines, list_fen=order.list_fen,
            delivery_fen=order.delivery_fen, discounts=order.discounts,
            payable_fen=order.payable_fen, inputs=inputs, again=again, same=same,
        )  # fmt: skip

    def own_order(self, member_id: str, order_id: str) -> Order:
        """Return the member's own order; Refusal NOT_FOUND if it is another's or doesn't exist."""
        order = self._orders.find(order_id)
        if order is None or order.member_id != member_id:
            raise Refusal(Code.NOT_FOUND, field="order_id", detail=ORDER)
        return order

    def list_orders(self, member_id: str, page: PageRequest) -> OrdersAnswer:
        """Return a page of the member's own orders, newest first."""
        orders, after = self._orders.of_member(member_id, page)
        return OrdersAnswer(orders=[order.shown() for order in orders], next=after)

    def earning_terms_now(self, order: Order, paid_at: datetime) -> EarningTerms:
        """Return the terms by which an order paid at that moment earns, by the present rules."""
        store = self._stores.get_store(order.store_id) if order.store_id else None
        purchase = purchase_of(order, store, order.business_day, paid_at)
        return self._earning.terms_for_order(order.member_id, purchase)

    def take_pickup_number(self, order: Order) -> int | None:
        """Take a 取餐号 of the day when the order is served; None if paid or without a store."""
        if order.store_id is None or order.status not in UNPAID:
            return None
        store = self._stores.get_store(order.store_id)
        return self._orders.next_number(store.id, store_day(store, self._served(order)))

    def mark_order_paid(
        self,
        order: Order,
        tender: Tender,
        terms: EarningTerms,
        paid_at: datetime,
        session: ClientSession | None = None,
        pickup_number: int | None = None,
    ) -> str | None:
        """Mark the order as paid, freeze its terms and make its settlement due.

        Returns whose order it is by now; None if its status doesn't allow that.
        """
        changes: dict[str, Any] = {
            "settlement": DUE,
            "settlement_since": time.time(),
            "paid_at": paid_at,
            "tenders": [tender.model_dump(exclude_none=True)],
            "terms": terms.kept(),
        }
        if pickup_number is not None:
            changes["pickup_number"] = pickup_number
        if order.store_id is not None:
            changes["complete_by"] = self._day_ends(order)
        if tender.kind == "wechat_pay" and self._has_card(order):
            changes["card"] = DUE
        return self._orders.pay(order.id, paid_at, session, changes)

    def _has_card(self, order: Order) -> bool:
        messages = Messages(self._database)
        return order.mode != "delivery" and messages.message_rules().pickup_card is not None

    def _served(self, order: Order) -> datetime:
        """Return when the order is served: at its `pickup_at`, or now if it has none or is late."""
        return max(order.pickup_at or order.created_at, self._clock.now())

    def _day_ends(self, order: Order) -> datetime:
        """Return when the business day ends on which the order is served."""
        store = self._stores.get_store(str(order.store_id))
        day = store_day(store, self._served(order))
        return day_bounds(day, store.zone, store.cut_time)[1].astimezone(UTC)

    def get_order(self, order_id: str, session: ClientSession | None = None) -> Order:
        """Return any order, for internal callers; Refusal NOT_FOUND naming `order_id`."""
        order = self._orders.find(order_id, session)
        if order is None:
            raise Refusal(Code.NOT_FOUND, field="order_id", detail=ORDER)
        return order

    def unpaid_orders_past(self, at: datetime) -> Iterator[str]:
        return self._orders.unpaid_past(at)

    def begin_payment(self, order: Order) -> bool:
        """Step to `paying`; True also if the order is there or was paid, False if it is closed."""
        if self._orders.step(order.id, "paying", self._clock.now()):
            return True
        return self.get_order(order.id).status in ("paying", *SETTLED_STATES)

    def move_paid_order(self, order: Order, to: Status, actor: str | None) -> bool:
        """Move a paid order to the status `to`; False if its present status doesn't allow that."""
        now = self._clock.now()
        changes: dict[str, Any] = {}
        if to == "ready":
            latest = now + COMPLETES_AFTER
            changes["complete_by"] = min(latest, order.complete_by or latest)
        if to == "completed":
            changes["completed_at"] = now
            if order.terms is not None and order.terms.usable == ON_COMPLETION:
                changes |= {"settlement": DUE, "settlement_since": time.time()}
        handed_over = to in HANDED_OVER or (to == "ready" and order.mode != "delivery")
        if handed_over and order.shipping is None and order.wechat_payment:
            changes["shipping"] = DUE
        if order.card == DONE:
            changes["card"] = DUE
        return self._orders.step(order.id, to, now, actor=actor, **changes)

    def orders_to_complete(self) -> Iterator[str]:
        return self._orders.to_complete(self._clock.now())

    def orders_due_for_wechat(self, update: WeChatUpdate) -> Iterator[str]:
        return self._orders.untold(update)

    def note_update(self, order: Order, update: WeChatUpdate, outcome: TellingOutcome) -> None:
        self._orders.told(order, update, outcome)

    def keep_invoice_request(self, order: Order, invoice: Invoice) -> None:
        """Keep the guest's request for an invoice, unless they had asked for one before."""
        self._persons.insert_for(
            order.member_id, lambda session: self._orders.put_invoice(order.id, invoice, session)
        )

    def begin_refund(
        self, order: Order, pending: PendingRefund, actor: str, session: ClientSession
    ) -> None:
        """Set money aside for a refund; Unavailable if the order changed since it was read."""
        change = {"refunding": [*order.refunding, pending]}
        self._put_refunds(order, change, actor, due=False, session=session)

    def end_refund(
        self, order_id: str, refund_id: str, *, given: bool, session: ClientSession
    ) -> None:
        """Remove a refund from those under way; `given` says that the money went back.

        The settlement then takes back points and returns the coupon.
        """
        order = self.get_order(order_id, session)
        pending = next((p for p in order.refunding if p.refund_id == refund_id), None)
        if pending is None and order.status == "refunding" and not order.refunding:
            # Older code began this refund; it refunded whole orders only.
            pending = PendingRefund(refund_id=refund_id, amount_fen=order.left_fen)
        if pending is None:
            raise HuitouError(Code.INTERNAL, field="refund_id")
        rest = [other for other in order.refunding if other.refund_id != refund_id]
        change: dict[str, Any] = {"refunding": rest}
        if given:
            back = GivenBack(**pending.model_dump(), at=self._clock.now())
            change["refunds"] = [*order.refunds, back]
        self._put_refunds(order, change, None, due=given, session=session)

    def _put_refunds(
        self, order: Order, change: dict[str, Any], actor: str | None, *,
        due: bool, session: ClientSession,
    ) -> None:  # fmt: skip
        after, words = with_refunds(order, change)
        now = self._clock.now()
        moments = [Moment(status=word, at=now, actor=actor) for word in words]
        # An order that is completed again after `refunding` must be settled as completed.
        due = due or (order.status, after.status) == ("refunding", "completed")
        if not self._orders.put_refunds(order, after, moments, due, session):
            raise Unavailable

    def begin_closing_order(self, order: Order) -> bool:
        """Step an unpaid order to `closing`, so that nobody prepays it; releases nothing yet."""
        return self._orders.step(order.id, "closing", self._clock.now())

    def cancel_order(self, order: Order) -> bool:
        """Cancel an order whose payment is confirmed closed; release its coupons and points.

        The guarded step out of `closing` comes first: if a late payment comes at the same time,
        only one of the two succeeds.
        """

        def write(session: ClientSession) -> bool:
            if not self._orders.step(order.id, "cancelled", self._clock.now(), session):
                return False
            # Read again: the member may have been merged since, and the order moved along.
            now = self.get_order(order.id, session)
            self._points.release_points(now.member_id, drawn_lots(now), session)
            for coupon_id in now.used_coupons:
                self._coupons.release_coupon(coupon_id, now.id, session)
            self._units.give_back_uses(now, session)
            return True

        return self._database.transact(write)
