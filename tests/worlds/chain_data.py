"""The sample chain in a test database, and the helpers that many tests need."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.client_session import ClientSession

from huitou.growth.referrals.binding_service import FirstOrders
from huitou.members.profiles.models import Member
from huitou.members.profiles.service import Members
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.reconciliation.service import Reconciliation
from huitou.ordering.orders.models import CreateRequest, Order, PendingRefund, Tender
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.ordering.orders.service import Orders
from huitou.ordering.settlement.service import Settlement
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.identity import Caller
from simulation.chain import chain as sample_chain

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai: every lunch place is open.


class FakeClock:
    """Business time that a test sets."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment

    def advance(self, **ahead: float) -> None:
        self.moment += timedelta(**ahead)


def filled(database: Database) -> list[str]:
    """Return the collections that hold documents, with one query for all of them.

    A test fills only a few of some seventy collections. One query for each collection would take
    longer than most tests.
    """
    names = sorted(database.mongo.list_collection_names())
    looks = [[{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}] for name in names]
    unions = [
        {"$unionWith": {"coll": name, "pipeline": look}}
        for name, look in zip(names[1:], looks[1:], strict=True)
    ]
    found = database.mongo.get_collection(names[0]).aggregate([*looks[0], *unions])
    return [str(one["_id"]) for one in found]


def empty(database: Database, kept: Collection[str] = ()) -> None:
    """Delete all documents of a test database, except those in the `kept` collections."""
    for name in filled(database):
        if name not in kept:
            database.collection(name).delete_many({})


class Sample:
    """The sample chain's documents by collection, as `maintenance` loads them.

    Most tests change none of these collections. A hash by MongoDB tells whether one did, so that
    only such collections are emptied and filled anew.
    """

    def __init__(self, database: Database) -> None:
        empty(database)
        load_chain(database, FakeClock())
        self._documents = {
            name: list(database.collection(name).find({})) for name in filled(database)
        }
        self._hashes = self._hashes_now(database)

    def unchanged(self, database: Database) -> set[str]:
        """Return the collections that hold exactly the sample's documents."""
        now = self._hashes_now(database)
        return {name for name, found in self._hashes.items() if now.get(name) == found}

    def fill(self, database: Database) -> None:
        """Insert the documents of those collections that aren't as in the sample."""
        unchanged = self.unchanged(database)
        for name, documents in self._documents.items():
            if name not in unchanged:
                database.collection(name).insert_many(documents)

    def _hashes_now(self, database: Database) -> dict[str, str]:
        names = list(self._documents)
        return dict(database.mongo.command("dbHash", collections=names)["collections"])


def load_chain(database: Database, clock: Clock) -> None:
    Maintenance(database, clock).load_chain(LoadRequest.model_validate(sample_chain()))


def item(quantity: int = 1, dish: str = "milk-tea", sku: str = "m", **more: Any) -> dict[str, Any]:
    """Return a cart line; 招牌奶茶 中杯 costs 1,500 fen."""
    return {"dish_id": dish, "sku_id": sku, "quantity": quantity, **more}


def name_members(database: Database, names: Iterable[str]) -> None:
    """Store members with these ids, unless they are there; they have no account and no log-in."""
    for name in names:
        member = Member(id=name, brand_id="huitou", registered_at=NOON, registered_day="2026-03-02")
        database.collection("members").replace_one({"_id": name}, member.document(), upsert=True)


class Shop:
    """The use cases of a test's chain."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.orders = Orders(database, clock, "huitou")
        self.members = Members(database, clock, "huitou")
        self.settlement = Settlement(database, clock, FirstOrders(database, clock))

    def register(self, name: str = "alice") -> str:
        return str(self.members.login(Caller(name, "wxapp"), None)["member_id"])

    def request(self, member_id: str, *, quote_id: str | None = None, **cart: Any) -> CreateRequest:
        """Return a create request with the price that the quote gives now."""
        cart = {"store_id": "jingan", "items": [item()], **cart}
        quote = self.orders.quote_cart(member_id, QuoteRequest.model_validate(cart))
        return CreateRequest.model_validate(
            {
                **cart,
                "quote_id": quote_id or "q" + secrets.token_hex(16),
                "payable_fen": quote.payable_fen,
            }
        )

    def order(self, member_id: str, **cart: Any) -> Order:
        return self.orders.create_order(member_id, self.request(member_id, **cart))

    def pay(self, order: Order) -> bool:
        """Mark an order paid, as a payment does; the payments' own tests use WeChat Pay."""
        tender = Tender(kind="none", amount_fen=order.payable_fen)
        now = self.clock.now()
        terms = self.orders.earning_terms_now(order, now)
        return self.orders.mark_order_paid(order, tender, terms, now) is not None

    def paid(self, member_id: str, **cart: Any) -> Order:
        """Create an order, pay it and settle it."""
        order = self.order(member_id, **cart)
        assert self.pay(order)
        assert self.settlement.settle_order(order.id) == "settled"
        return order

    def refund(self, order: Order, refund_id: str = "", amount_fen: int | None = None) -> None:
        """Give back all or a part of an order, as a completed refund does."""
        identity = refund_id or f"R{order.id}"

        def begin(session: ClientSession) -> None:
            found = self.orders.get_order(order.id, session)
            fen = found.left_fen if amount_fen is None else amount_fen
            pending = PendingRefund(refund_id=identity, amount_fen=fen)
            self.orders.begin_refund(found, pending, "test", session)

        self.database.transact(begin)
        self.database.transact(
            lambda session: self.orders.end_refund(order.id, identity, given=True, session=session)
        )

    def give_points(self, member_id: str, points: int) -> None:
        """Let a member earn at least this many points with an order."""
        for _ in range(0, points, 1_485):
            self.paid(member_id, items=[item(99)])
        assert self.account(member_id)["available"] >= points

    def account(self, member_id: str) -> dict[str, Any]:
        found = self.database.collection("accounts").find_one({"_id": member_id})
        assert found
        return found

    def differences(
        self, ignored: Sequence[str] = ("payment", "refund", "share of order")
    ) -> list[str]:
        """Return what reconciliation finds; money differs if a test paid without WeChat Pay."""
        page = Reconciliation(self.database, self.clock).reconcile_page(None, 1_000)
        return [row.kind for row in page["differences"] if row.kind not in ignored]
