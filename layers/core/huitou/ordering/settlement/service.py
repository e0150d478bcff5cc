"""Settlement: writes the ledger entries that an order's present state calls for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from pymongo.client_session import ClientSession

from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.repository import CouponRepository
from huitou.coupons.issuing.rules import returned_until
from huitou.loyalty.points.repository import PointsRepository
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.repository import TierRepository
from huitou.loyalty.tiers.service import Tiers
from huitou.ordering.orders.models import NOBODY
from huitou.ordering.orders.repository import OrderRepository
from huitou.ordering.settlement.rules import Known, account_move, deserving, write_order
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError

if TYPE_CHECKING:
    from huitou.ordering.orders.ledger_models import LedgerOrder
    from huitou.ordering.settlement.models import SettlingOutcome


class FirstOrders(Protocol):
    """A listener for members' first orders, called within the settlement's transaction."""

    def ordered(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """A member's first order was paid."""

    def went_back(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """An order, or a part of it, was refunded."""


class Settlement:
    def __init__(self, database: Database, clock: Clock, first_orders: FirstOrders) -> None:
        self._database = database
        self._clock = clock
        self._orders = OrderRepository(database)
        self._points = Points(database, clock)
        self._ledger = PointsRepository(database)
        self._coupons = CouponRepository(database)
        self._tiers = Tiers(database, clock)
        self._tier_changes = TierRepository(database)
        self._stores = Stores(database, clock)
        self._first_orders = first_orders

    def due_orders(self) -> Iterator[str]:
        return self._orders.settlement_due()

    def settle_order(self, order_id: str) -> SettlingOutcome:
        """Bring points, spend and coupons up to the order's present state; safe to repeat.

        Reads the order as it is now and posts only the entries that the ledger lacks. So a lost,
        doubled or late event does no harm, and an unknown id is "nothing due".
        """

        def write(session: ClientSession) -> SettlingOutcome:
            order = self._orders.take_due(order_id, session)
            if order is None:
                return "nothing due"
            paid = deserving(order)
            if paid is None:  # Due without terms: roll back and let a person look.
                raise HuitouError(Code.INTERNAL, field="terms")
            # An order that was never settled has no entries, so there are none to read. If it had
            # some after all, writing them again would fail on their ids.
            known: Known = {}
            if order.rollup is None:
                book = self._points.open_book(order.member_id, session)
            else:
                book, known = self._points.open_book_with_order(order.member_id, order.id, session)
            was_first = book.first_order_id
            write_order(book, paid, known, self._clock.now())
            self._points.save_books([book], session)
            # The friend who brought this member gets a reward for the first order, unless it is
            # refunded.
            if book.first_order_id == order.id and was_first is None:
                self._first_orders.ordered(order.member_id, order.id, session)
            if paid.refunds:
                self._first_orders.went_back(order.member_id, order.id, session)
            for coupon_id in order.used_coupons:
                self._settle_coupon(order, coupon_id, session)
            return "settled"

        return self._database.transact(write)

    def settle_history(self, orders: list[LedgerOrder], session: ClientSession) -> None:
        """Post the entries that many imported orders lack, and evaluate their members' tiers.

        Follows the same rules as `settle`, but in the caller's transaction and with one write per
        account. Entries have the dates of their causes. Tiers are evaluated as of today and grant
        no coupons. A tier review that was due before stays due, since it may grant some.
        """
        now = self._clock.now()
        # An order of nobody has no ledger.
        of_members = [order for order in orders if order.member_id != NOBODY]
        deserve = [paid for order in of_members if (paid := deserving(order)) is not None]
        known = self._ledger.of_orders([paid.order.id for paid in deserve], session)
        members = list({paid.order.member_id for paid in deserve})
        cases = self._tiers.cases(members, session)
        books = self._points.open_books(members, session)
        for paid in sorted(deserve, key=lambda paid: (paid.order.paid_at or now, paid.order.id)):
            book = books[paid.order.member_id]
            write_order(book, paid, known[paid.order.id], now, history=True)
        moved = [case for member_id, case in cases.items() if books[member_id].entries]
        if not moved:
            return
        moves = [account_move(case, books[case.account.id], now) for case in moved]
        besides = {move.member_id: move.changes for move in moves}
        self._points.save_books(list(books.values()), session, besides)
        self._tier_changes.append_many([m.tier_change for m in moves if m.tier_change], session)

    def _settle_coupon(self, order: LedgerOrder, coupon_id: str, session: ClientSession) -> None:
        now = self._clock.now()
        if order.status != "refunded":
            self._coupons.redeem(coupon_id, order.id, now, session)
            return
        coupon = self._coupons.find(coupon_id)
        if coupon is not None and not coupon.returns:
            self._coupons.redeem(coupon_id, order.id, now, session)
        elif coupon is not None:
            until = returned_until(coupon, now, self._stores.newest_clock())
            self._coupons.give_back(coupon_id, order.id, until, session)
