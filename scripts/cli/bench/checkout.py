"""`bench checkout`: an order with a coupon, against the fewest writes that it needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import click
from pymongo.client_session import ClientSession

from cli.bench import json_option, report, scratch_mongod
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import compare
from huitou.coupons.issuing.service import Coupons
from huitou.members.profiles.service import Members
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.models import CreateRequest, Order
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.ordering.orders.rules import order_id
from huitou.ordering.orders.service import Orders
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database, Document, connect
from huitou.runtime.declarations import declare
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from simulation.chain import chain

MEMBERS = 200
WRITERS = 16
TEMPLATE = "silver-30-8"
CART: dict[str, Any] = {
    "store_id": "jingan",  # Always open.
    "items": [
        {"dish_id": "milk-tea", "sku_id": "l", "quantity": 2, "methods": ["少冰"]},
        {"dish_id": "beef-noodles", "sku_id": "s", "quantity": 1},
        {"dish_id": "spring-rolls", "sku_id": "one", "quantity": 1},
    ],
}


@click.command()
@click.option("--orders", default=200, show_default=True, help="Orders per round and side.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, ours and floor in turn.")
@click.option("--threads", default=4, show_default=True, help="Guests at once, on both sides.")
@click.option("--hot", default=20, show_default=True, help="Coupons that 16 writers fight for.")
@profile_option
@json_option
def checkout(
    orders: int, rounds: int, threads: int, hot: int, profile: Profile | None, as_json: bool
) -> None:
    """Order a cart with a coupon: read, price, lock the coupon and create the order.

    The floor is one transaction with the two necessary writes: the same order document and the
    coupon's guarded lock. It reads nothing and prices nothing. Same MongoDB, same threads, in turn;
    medians. `hot_orders` counts the orders that 16 writers at once got with each of the hot coupons
    (one each), `hot_attempts_per_s` the attempts that were answered.
    """
    with scratch_mongod() as mongod:
        database = connect(mongod.uri, "bench")
        declare(database)
        guests = _Guests(database)
        sides: dict[str, Callable[[Visit], object]] = {
            "ours": guests.order,
            "floor": _floor(database, guests.sample()),
        }
        figures = compare(
            sides,
            lambda _, __: guests.visits(orders),
            rounds=rounds,
            threads=threads,
            profile=profile,
        )
        report({**figures, **_hot_coupon_figures(guests, hot)}, profile, as_json=as_json)


Visit = tuple[str, CreateRequest]


class _Guests:
    """Members with a coupon for each order that they will make."""

    def __init__(self, database: Database) -> None:
        clock = RealClock()
        Maintenance(database, clock).load_chain(LoadRequest.model_validate(chain()))
        self._orders = Orders(database, clock, "huitou")
        self._coupons = Coupons(database, clock)
        self._template = self._coupons.find_templates([TEMPLATE])[TEMPLATE]
        enrolled = Members(database, clock, "huitou")
        self._ids = [
            str(enrolled.login(Caller(f"guest-{n}", "wxapp"), None)["member_id"])
            for n in range(MEMBERS)
        ]
        self._numbers = count()
        first = {**CART, "coupon_id": self._coupon(self._ids[0])}
        quote = self._orders.quote_cart(self._ids[0], QuoteRequest.model_validate(first))
        self._payable_fen = quote.payable_fen

    def _coupon(self, member_id: str) -> str:
        cause = f"bench:{next(self._numbers)}"
        issued = self._coupons.issue_coupon(self._template, member_id=member_id, cause=cause)
        if issued is None:
            raise click.ClickException("no coupon was issued")
        return issued.id

    def visits(self, orders: int, *, one_coupon: bool = False) -> list[Visit]:
        """Return orders to make, each with its own coupon or all with the same coupon."""
        member_id = self._ids[0]
        coupon_id = self._coupon(member_id) if one_coupon else ""
        visits = []
        for number in range(orders):
            member_id = self._ids[0 if one_coupon else number % MEMBERS]
            visits.append(
                (
                    member_id,
                    CreateRequest.model_validate(
                        {
                            **CART,
                            "coupon_id": coupon_id or self._coupon(member_id),
                            "quote_id": f"q{next(self._numbers):032x}",
                            "payable_fen": self._payable_fen,
                        }
                    ),
                )
            )
        return visits

    def order(self, visit: Visit) -> Order | None:
        """Create the order; returns None if another order has taken its coupon."""
        try:
            return self._orders.create_order(*visit)
        except Refusal:
            return None

    def sample(self) -> Document:
        """Return the document of a created order."""
        made = self.order(self.visits(1)[0])
        if made is None:
            raise click.ClickException("no order was made")
        return made.document()


def _floor(database: Database, document: Document) -> Callable[[Visit], object]:
    orders, coupons = database.collection("orders"), database.collection("coupons")

    def work(visit: Visit) -> None:
        member_id, request = visit
        identity = order_id(member_id, request.quote_id)
        order = document | {"_id": identity, "member_id": member_id}

        def write(session: ClientSession) -> None:
            orders.insert_one(order, session=session)
            coupons.update_one(
                {"_id": request.coupon_id, "member_id": member_id, "status": "issued"},
                {"$set": {"status": "locked", "order_id": identity}},
                session=session,
            )

        database.transact(write)

    return work


def _hot_coupon_figures(guests: _Guests, coupons: int) -> dict[str, Any]:
    made, took = 0, 0.0
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in range(coupons):
            visits = guests.visits(WRITERS, one_coupon=True)
            started = time.perf_counter()
            made += sum(order is not None for order in pool.map(guests.order, visits))
            took += time.perf_counter() - started
    return {
        "hot_coupons": coupons,
        "hot_orders": made,
        "hot_attempts_per_s": round(coupons * WRITERS / took),
    }
