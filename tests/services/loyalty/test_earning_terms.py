"""Terms of earning on a real database: frozen at payment, with their rules, in the store's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chain_data import NOON, FakeClock, Shop, item
from huitou.loyalty.earning.rules import awarded
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.models import Order
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

TWICE = {"_id": "twice", "name": "双倍积分", "kind": "multiplier", "multiplier_bp": 20_000}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def load(shop: Shop, **rules: Any) -> Shop:
    """Put rules into force and empty the cache, as a new instance sees them."""
    Maintenance(shop.database, shop.clock).load_chain(LoadRequest.model_validate(rules))
    shop.database.cache.clear()
    return Shop(shop.database, shop.clock)


def paid(shop: Shop, member_id: str, **cart: Any) -> Order:
    """Order and pay; return the order as it is stored then."""
    order = shop.order(member_id, **cart)
    assert shop.pay(order)
    return shop.orders.get_order(order.id)


def worth(order: Order) -> int:
    assert order.terms
    return awarded(order.terms, order.payable_fen)


def used_rules(order: Order) -> list[tuple[str, int]]:
    assert order.terms
    return [(ref.rule_id, ref.revision) for ref in order.terms.rules]


def test_terms_name_each_promotions_revision_and_a_later_revision_does_not_change_them(
    shop: Shop,
) -> None:
    alice = shop.register()
    shop = load(shop, earning_rules=[TWICE])
    order = paid(shop, alice, items=[item(4)])
    assert (worth(order), used_rules(order)) == (120, [("twice", 1)])
    five = TWICE | {"revision": 2, "multiplier_bp": 50_000}
    shop = load(shop, earning_rules=[five], points_rules={"revision": 2, "fen_per_point": 1})
    assert shop.settlement.settle_order(order.id) == "settled"
    assert shop.orders.get_order(order.id).terms == order.terms
    later = paid(shop, alice, items=[item(4)])
    assert (worth(later), used_rules(later)) == (30_000, [("twice", 2)])


def test_an_earlier_or_different_revision_of_a_promotion_is_refused(shop: Shop) -> None:
    shop = load(shop, earning_rules=[TWICE | {"revision": 2}])
    load(shop, earning_rules=[TWICE | {"revision": 2}])  # A repeat is no error.
    for other in (TWICE, TWICE | {"revision": 2, "multiplier_bp": 30_000}):
        with pytest.raises(Refusal) as refused:
            load(shop, earning_rules=[other])
        assert refused.value.code is Code.RULES_CONFLICT
        assert refused.value.field == "earning_rules.twice.revision"


def test_a_quote_shows_the_points_that_the_order_then_earns(shop: Shop) -> None:
    alice = shop.register()
    tea = TWICE | {"_id": "tea", "categories": ["奶茶"], "multiplier_bp": 15_000}
    caps = {"order_points": 200}
    shop = load(shop, earning_rules=[TWICE, tea], points_rules={"revision": 2, "caps": caps})
    for quantity, points in ((1, 61), (2, 99), (10, 200)):
        items = [item(quantity), item(1, "spring-rolls", "one")]
        cart = {"store_id": "jingan", "items": items}
        quote = shop.orders.quote_cart(alice, QuoteRequest.model_validate(cart))
        assert quote.points_earned == points
        assert worth(paid(shop, alice, items=items)) == points


@pytest.mark.parametrize(
    ("zone", "local", "counts"),
    [
        ("Asia/Shanghai", "2026-03-05T03:59", False),
        ("Asia/Shanghai", "2026-03-05T04:00", True),
        ("Asia/Shanghai", "2026-03-08T03:59", True),
        ("Asia/Shanghai", "2026-03-08T04:00", False),
        ("Asia/Tokyo", "2026-03-05T04:00", True),
        ("Asia/Tokyo", "2026-03-08T04:00", False),
        ("America/New_York", "2026-03-05T03:59", False),
        ("America/New_York", "2026-03-08T03:59", True),  # In this night the clocks go forward.
    ],
)
def test_a_promotions_first_and_last_day_are_business_days_in_the_stores_zone(
    shop: Shop, zone: str, local: str, counts: bool
) -> None:
    alice = shop.register()
    stores = shop.database.collection("stores")
    stores.update_one({"_id": "jingan"}, {"$set": {"zone": zone}})
    days = {"valid_from": "2026-03-05", "valid_until": "2026-03-07"}
    shop = load(shop, earning_rules=[TWICE | days])
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    shop.clock.moment = moment.astimezone(UTC)
    assert used_rules(paid(shop, alice)) == ([("twice", 1)] if counts else [])


def test_supper_after_midnight_earns_by_the_business_day_of_the_evening(shop: Shop) -> None:
    alice = shop.register()
    supper = {"weekdays": [4], "hours": [{"since": "21:00", "until": "03:00"}]}
    shop = load(shop, earning_rules=[TWICE | supper | {"valid_until": "2026-03-06"}])
    for hour, counts in ((12, False), (13, True), (17, True), (19, False)):  # Friday, in UTC.
        shop.clock.moment = datetime(2026, 3, 6, hour, 0, tzinfo=UTC)
        order = paid(shop, alice)
        assert order.business_day == "2026-03-06"
        assert used_rules(order) == ([("twice", 1)] if counts else [])


def test_hours_are_those_of_the_payment_and_the_day_is_that_of_the_order(shop: Shop) -> None:
    alice = shop.register()
    shop = load(shop, earning_rules=[TWICE | {"hours": [{"since": "12:00", "until": "12:05"}]}])
    shop.clock.moment = NOON
    order = shop.order(alice)
    shop.clock.advance(minutes=6)
    assert shop.pay(order)
    assert used_rules(shop.orders.get_order(order.id)) == []


def test_a_birthday_rule_applies_only_to_members_whose_birthday_is_known(shop: Shop) -> None:
    alice, bob = shop.register(), shop.register("bob")
    shop.members.update_profile(alice, UpdateProfileRequest(birthday=date(1990, 3, 2)))
    shop = load(shop, earning_rules=[TWICE | {"birthday": "day"}])
    assert used_rules(paid(shop, alice)) == [("twice", 1)]
    assert used_rules(paid(shop, bob)) == []


def test_terms_say_when_the_award_expires_and_when_it_becomes_usable(shop: Shop) -> None:
    alice = shop.register()
    rules = {
        "revision": 2,
        "expiry": {"kind": "rolling_months", "months": 12},
        "usable": {"kind": "after_days", "days": 7},
        "claw_back": "within_balance",
        "caps": {"day_points": 500},
    }
    bonus = {"_id": "hello", "name": "首单", "kind": "bonus", "event": "first_order", "points": 50}
    shop = load(shop, points_rules=rules, earning_rules=[bonus])
    terms = paid(shop, alice).terms
    assert terms
    assert (terms.expires_on, terms.usable) == ("2027-03-02", "2026-03-09")
    assert (terms.claw_back, terms.day_points) == ("within_balance", 500)
    assert [(b.rule_id, b.points) for b in terms.first_order] == [("hello", 50)]


def test_members_choose_how_many_points_to_use(shop: Shop) -> None:
    """Odoo 264931: members can't choose how many points to use."""
    alice = shop.register()
    shop.give_points(alice, 1_000)
    shop = load(shop, points_rules={"revision": 2, "min_points": 100, "min_order_fen": 3_000})
    cart = {"store_id": "jingan", "items": [item(2)]}
    quote = shop.orders.quote_cart(alice, QuoteRequest.model_validate(cart))
    assert quote.points_max == 900
    for points in (0, 100, 101, 555, 899, 900):
        order = shop.order(alice, items=[item(2)], points=points)
        assert (order.points_used, order.payable_fen) == (points, 3_000 - points)
        assert shop.orders.begin_closing_order(order)
        assert shop.orders.cancel_order(order)
    for points, code, detail in (
        (1, OrderErrors.POINTS_TOO_FEW, "100"),
        (99, OrderErrors.POINTS_TOO_FEW, "100"),
        (901, OrderErrors.POINTS_OVER_LIMIT, "900"),
    ):
        with pytest.raises(Refusal) as refused:
            shop.request(alice, items=[item(2)], points=points)
        assert (refused.value.code, refused.value.detail) == (code, detail)
    small = {"store_id": "jingan", "items": [item(1)]}
    assert shop.orders.quote_cart(alice, QuoteRequest.model_validate(small)).points_max == 0


def test_imported_orders_earn_on_their_own_day_without_promotions(shop: Shop) -> None:
    usable = {"kind": "on_completion"}
    shop = load(shop, earning_rules=[TWICE], points_rules={"revision": 2, "usable": usable})
    rows = [
        ImportedRow(line=2, member="7", amount_fen=5_000, paid_on=date(2024, 12, 31)),
        ImportedRow(line=3, member="7", amount_fen=5_000, paid_on=date(2026, 1, 10)),
    ]
    report = OrderImport(shop.database, shop.clock, "huitou").run(ImportOrdersRequest(rows=rows))
    assert report.imported == 2
    orders = imported(shop)
    assert [worth(order) for order in orders] == [50, 50]
    assert [used_rules(order) for order in orders] == [[], []]
    assert [order.terms.expires_on for order in orders if order.terms] == [
        "2025-12-31",
        "2027-12-31",
    ]
    assert [order.terms.usable for order in orders if order.terms] == [None, None]


def test_an_import_may_bring_spend_without_points(shop: Shop) -> None:
    rows = [ImportedRow(line=2, member="7", amount_fen=5_000, paid_on=date(2026, 1, 10))]
    request = ImportOrdersRequest(rows=rows, earn_points=False)
    OrderImport(shop.database, shop.clock, "huitou").run(request)
    [order] = imported(shop)
    assert order.terms
    assert (worth(order), order.terms.order_points) == (0, 0)
    assert shop.account(order.member_id)["spend_by_day"] == {"2026-01-10": 5_000}


def imported(shop: Shop) -> list[Order]:
    stored = shop.database.collection("orders").find({"_id": {"$gt": ""}})
    orders = [Order.model_validate(document) for document in stored]
    return sorted(orders, key=lambda order: order.business_day)
