"""Ordering on a real database: calls may be repeated, and nothing is spent twice."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.catalog.menu.errors import MenuErrors
from huitou.catalog.menu.models import StoreDish
from huitou.catalog.menu.service import Menu
from huitou.catalog.stores.errors import StoreErrors
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.errors import PointsErrors
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.quote_models import QuoteAnswer, QuoteRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def coupon_for(shop: Shop, member_id: str, template_id: str = "silver-30-8") -> str:
    found = shop.database.collection("coupon_templates").find_one({"_id": template_id})
    issued = Coupons(shop.database, shop.clock).issue_coupon(
        CouponTemplate.model_validate(found), member_id=member_id, cause=secrets.token_hex(8)
    )
    assert issued
    return issued.id


def test_several_first_log_ins_at_once_register_one_member(shop: Shop) -> None:
    results = at_once([lambda: shop.register("bob")] * 6)
    assert len(set(results)) == 1
    assert shop.database.collection("members").count_documents({}) == 1
    assert shop.database.collection("logins").count_documents({}) == 1


def test_log_ins_are_counted_once_per_business_day(shop: Shop) -> None:
    for hours in (0, 1, 14, 3):  # 12:00, 13:00, 03:00 (the same business day), 06:00 (the next)
        shop.clock.advance(hours=hours)
        shop.register("bob")
    assert shop.database.collection("logins").count_documents({}) == 2


def test_the_same_create_call_gives_the_same_order(shop: Shop) -> None:
    alice = shop.register()
    request = shop.request(alice)
    orders = at_once([lambda: shop.orders.create_order(alice, request)] * 8)
    assert len({order.id for order in winners(orders)}) == 1
    assert shop.database.collection("orders").count_documents({}) == 1


def test_a_quote_id_used_for_another_cart_is_refused(shop: Shop) -> None:
    alice = shop.register()
    first = shop.request(alice)
    shop.orders.create_order(alice, first)
    other = shop.request(alice, quote_id=first.quote_id, items=[item(2)])
    with pytest.raises(Refusal) as refused:
        shop.orders.create_order(alice, other)
    assert refused.value.code is OrderErrors.QUOTE_ID_REUSED


def test_two_members_with_the_same_quote_id_get_an_order_each(shop: Shop) -> None:
    alice, mallory = shop.register(), shop.register("mallory")
    request = shop.request(alice)
    theirs, own = (
        shop.orders.create_order(alice, request),
        shop.orders.create_order(mallory, request),
    )
    assert theirs.id != own.id
    assert own.member_id == mallory


def test_of_several_orders_for_the_same_points_one_is_created(shop: Shop) -> None:
    alice = shop.register()
    shop.give_points(alice, 1_000)
    available = shop.account(alice)["available"]
    requests = [shop.request(alice, items=[item(40)], points=available * 2 // 3) for _ in range(4)]
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} <= {
        PointsErrors.POINTS_NOT_ENOUGH,
        OrderErrors.POINTS_OVER_LIMIT,
    }
    assert shop.account(alice)["reserved"] == available * 2 // 3
    assert shop.differences() == []


def test_of_several_orders_with_the_same_coupon_one_is_created(shop: Shop) -> None:
    alice = shop.register()
    coupon_id = coupon_for(shop, alice)
    requests = [shop.request(alice, items=[item(3)], coupon_id=coupon_id) for _ in range(4)]
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} == {CouponErrors.COUPON_NOT_USABLE}
    assert shop.differences() == []


def test_another_members_coupon_is_refused_like_an_unknown_one(shop: Shop) -> None:
    alice, mallory = shop.register(), shop.register("mallory")
    coupon_id = coupon_for(shop, alice)
    messages = []
    for stolen in (coupon_id, "c" + "0" * 24):
        with pytest.raises(Refusal) as refused:
            shop.request(mallory, items=[item(3)], coupon_id=stolen)
        messages.append((refused.value.code, refused.value.message()))
    assert messages[0] == messages[1]


def test_a_changed_price_is_refused_with_the_new_quote(shop: Shop) -> None:
    alice = shop.register()
    request = shop.request(alice)
    Menu(shop.database).put_dishes(
        [],
        [
            StoreDish(
                id="jingan:milk-tea", store_id="jingan", dish_id="milk-tea", prices_fen={"m": 1_700}
            )
        ],
    )
    with pytest.raises(Refusal) as refused:
        shop.orders.create_order(alice, request)
    assert refused.value.code is OrderErrors.QUOTE_CHANGED
    assert isinstance(refused.value.data, QuoteAnswer)
    assert refused.value.data.payable_fen == 1_700
    assert shop.database.collection("orders").count_documents({}) == 0


def test_the_next_order_of_a_dish_just_sold_out_is_refused(shop: Shop) -> None:
    alice = shop.register()
    request = shop.request(alice)
    Menu(shop.database).put_dishes(
        [], [StoreDish(id="jingan:milk-tea", store_id="jingan", dish_id="milk-tea", sold_out=True)]
    )
    with pytest.raises(Refusal) as refused:
        shop.orders.create_order(alice, request)
    assert (refused.value.code, refused.value.field) == (
        MenuErrors.DISH_SOLD_OUT,
        "items.0.dish_id",
    )


def test_a_closed_store_takes_no_order_but_still_quotes(shop: Shop) -> None:
    alice = shop.register()
    request = shop.request(alice, store_id="xujiahui")
    shop.clock.advance(hours=11)  # 23:00
    with pytest.raises(Refusal) as refused:
        shop.orders.create_order(alice, request)
    assert refused.value.code is StoreErrors.STORE_CLOSED
    quote = shop.orders.quote_cart(
        alice, QuoteRequest.model_validate({"store_id": "xujiahui", "items": [item()]})
    )
    assert quote.store_open is False


def test_points_pay_at_most_their_share_of_the_order(shop: Shop) -> None:
    alice = shop.register()
    shop.give_points(alice, 1_000)
    with pytest.raises(Refusal) as refused:
        shop.request(alice, points=451)  # 30 % of 1,500 fen is 450 points
    assert (refused.value.field, refused.value.detail) == ("points", "450")
    assert shop.order(alice, points=450).payable_fen == 1_050


def test_a_cancelled_order_gives_back_coupon_and_points_once(shop: Shop) -> None:
    alice = shop.register()
    shop.give_points(alice, 1_000)
    coupon_id = coupon_for(shop, alice)
    before = shop.account(alice)["available"]
    order = shop.order(alice, items=[item(3)], coupon_id=coupon_id, points=300)
    assert shop.account(alice)["available"] == before - 300
    assert shop.orders.begin_closing_order(order)
    results = at_once([lambda: shop.orders.cancel_order(order)] * 4)
    assert sorted(results) == [False, False, False, True]
    account = shop.account(alice)
    assert (account["available"], account["reserved"]) == (before, 0)
    assert shop.differences() == []


def test_of_a_late_payment_and_a_cancellation_only_one_succeeds(shop: Shop) -> None:
    alice = shop.register()
    for _ in range(5):
        order = shop.order(alice)
        shop.orders.begin_closing_order(order)
        paid, cancelled = at_once(
            [lambda o=order: shop.pay(o), lambda o=order: shop.orders.cancel_order(o)]
        )
        assert paid != cancelled


def test_a_coupon_is_usable_to_the_end_of_its_last_day(shop: Shop) -> None:
    alice = shop.register()
    coupon_id = coupon_for(shop, alice, "welcome-20-5")
    shop.clock.moment = shop.clock.moment.replace(hour=13) + timedelta(days=6)  # 21:00, day 7
    assert shop.order(alice, items=[item(2)], coupon_id=coupon_id).coupon_id == coupon_id
    other = coupon_for(shop, shop.register("bob"), "welcome-20-5")
    shop.clock.advance(days=7)
    with pytest.raises(Refusal) as refused:
        shop.request(shop.register("bob"), items=[item(2)], coupon_id=other)
    assert refused.value.code is CouponErrors.COUPON_NOT_USABLE


def test_pages_of_orders_have_no_gaps_and_no_repeats(shop: Shop) -> None:
    from huitou.runtime.paging import PageRequest

    alice = shop.register()
    made = []
    for number in range(7):
        if number % 3 == 0:
            shop.clock.advance(minutes=1)  # Several orders share a moment.
        made.append(shop.order(alice).id)
    seen: list[str] = []
    after = None
    while True:
        page = shop.orders.list_orders(alice, PageRequest(limit=2, after=after))
        seen += [order.order_id for order in page.orders]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 7


def test_a_quote_for_the_year_9999_is_refused(shop: Shop) -> None:
    never = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    cart = {"store_id": "jingan", "items": [item()], "mode": "booking", "pickup_at": never}
    with pytest.raises(Refusal) as refused:
        shop.orders.quote_cart(shop.register(), QuoteRequest.model_validate(cart))
    assert refused.value.field == "pickup_at"
