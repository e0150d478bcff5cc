"""What unpaid orders hold of limited offers: little for each person, and nothing once refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.models import CreateRequest, Order
from huitou.ordering.orders.rules import order_id
from huitou.ordering.orders.service import Orders
from huitou.promotions.offers.models import Offer
from huitou.promotions.offers.service import Offers
from huitou.promotions.quotas.errors import QuotaErrors
from huitou.promotions.quotas.rules import MOST_UNPAID
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.mongod import Mongod
from merging import merged
from watching import watched

POOL = "offer:off-3"


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def an_offer(shop: Shop, name: str = "off-3", **limits: Any) -> None:
    terms = {"off_fen": 300, "base": "list"}
    offer = {"_id": name, "revision": 1, "name": name, "group": "reduction", "terms": terms}
    Offers(shop.database, shop.clock).put_offers(
        [Offer.model_validate({**offer, "limits": limits})], None
    )
    shop.database.cache.clear()


def pool(shop: Shop, subject: str = POOL) -> tuple[int, int]:
    """Return how many units a pool has left, and how many are in flight."""
    found = shop.database.collection("limit_pools").find_one({"_id": subject})
    assert found
    return found["left"], len(found["taken"])


def cancelled(shop: Shop, order: Order) -> None:
    assert shop.orders.begin_closing_order(order)
    assert shop.orders.cancel_order(order)


def refused(work: Callable[[], object]) -> object:
    with pytest.raises(Refusal) as raised:
        work()
    return raised.value.code


def test_unpaid_orders_of_one_guest_hold_few_units_of_a_quota(shop: Shop) -> None:
    an_offer(shop, quota=50)
    alice, bob = shop.register(), shop.register("bob")
    orders = [shop.order(alice) for _ in range(MOST_UNPAID)]
    with pytest.raises(Refusal) as full:
        shop.order(alice)
    assert (full.value.code, full.value.field) == (QuotaErrors.TOO_MANY_UNPAID, "items")
    assert full.value.detail == str(MOST_UNPAID)
    assert pool(shop) == (50 - MOST_UNPAID, 0)
    assert shop.order(bob).payable_fen == 1_200  # Others don't wait for her.
    assert shop.pay(orders[0])
    assert shop.order(alice).payable_fen == 1_200
    assert refused(lambda: shop.order(alice)) is QuotaErrors.TOO_MANY_UNPAID
    cancelled(shop, orders[1])
    assert shop.order(alice).payable_fen == 1_200
    assert pool(shop) == (50 - MOST_UNPAID - 2, 0)


def test_orders_created_at_once_by_one_guest_hold_no_more_units(shop: Shop) -> None:
    an_offer(shop, quota=50)
    alice = shop.register()
    requests = [shop.request(alice) for _ in range(12)]
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    made = len(winners(results))
    assert 1 <= made <= MOST_UNPAID
    assert {r.code for r in results if isinstance(r, Refusal)} == {QuotaErrors.TOO_MANY_UNPAID}
    assert pool(shop) == (50 - made, 0)


def test_the_bound_holds_over_all_offers_and_all_ids_of_a_person(shop: Shop) -> None:
    an_offer(shop, quota=50)
    alice, other = shop.register(), shop.register("other")
    for member in (alice, other):
        for _ in range(MOST_UNPAID - 1):
            shop.order(member)
    merged(shop.database, shop.clock, other, alice)
    an_offer(shop, "off-4", quota=50)
    assert refused(lambda: shop.order(alice)) is QuotaErrors.TOO_MANY_UNPAID


def test_a_budgeted_coupon_counts_as_an_offer_with_a_budget_does(shop: Shop) -> None:
    template = CouponTemplate.model_validate(
        {
            "_id": "storm",
            "name": "抢券",
            "revision": 1,
            "valid_days": 7,
            "terms": {"threshold_fen": 1_000, "off_fen": 300},
            "limits": {"budget_fen": 50_000},
        }
    )
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    alice = shop.register()
    held = [
        coupons.issue_coupon(template, member_id=alice, cause=f"{alice}:{n}")
        for n in range(MOST_UNPAID + 1)
    ]
    for one in held[:-1]:
        assert one
        shop.order(alice, items=[item(2)], coupon_id=one.id)
    last = held[-1]
    assert last
    code = refused(lambda: shop.order(alice, items=[item(2)], coupon_id=last.id))
    assert code is QuotaErrors.TOO_MANY_UNPAID
    shop.order(alice, items=[item(2)])  # Without the coupon.


def test_an_order_that_is_refused_in_its_transaction_gives_its_units_back_at_once(
    shop: Shop,
) -> None:
    an_offer(shop, quota=50, per_member=1)
    alice = shop.register()
    requests = [shop.request(alice) for _ in range(MOST_UNPAID)]
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} <= {
        QuotaErrors.OFFER_LIMIT_REACHED,
        OrderErrors.QUOTE_CHANGED,
    }
    assert pool(shop) == (49, 0)


def test_an_order_that_one_pool_refuses_gives_the_units_of_the_others_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_offer(shop, quota=50)
    alice = shop.register()
    request = shop.request(alice)
    reserve_units = Limiter.reserve_units

    def with_another(self: Limiter, member_id: str, order: str, uses: Any, taken: Any) -> Any:
        used_up = uses[0].model_copy(update={"subject": "offer:used-up"})
        return reserve_units(self, member_id, order, [*uses, used_up], taken)

    monkeypatch.setattr(Limiter, "reserve_units", with_another)
    code = refused(lambda: shop.orders.create_order(alice, request))
    assert code is QuotaErrors.OFFER_USED_UP
    assert pool(shop) == (50, 0)


def test_a_unit_returns_only_when_the_last_of_equal_calls_gives_it_up(shop: Shop) -> None:
    an_offer(shop, quota=5)
    limiter = Limiter(shop.database, shop.clock)
    first, second, third = (limiter.take_units(POOL, "token", 1, 0) for _ in range(3))
    assert first
    assert second
    assert third
    assert first.piece == second.piece == third.piece
    limiter.leave_unit(first)
    assert pool(shop) == (4, 1)
    assert limiter.take_units(POOL, "token", 1, 0)
    at_once([lambda: limiter.leave_unit(second)] * 2)
    assert pool(shop) == (4, 1)
    at_once([lambda: limiter.leave_unit(third)] * 3)
    assert pool(shop) == (5, 0)


def test_a_refused_call_leaves_the_unit_to_the_same_call_that_still_runs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_offer(shop, quota=5)
    alice = shop.register()
    request = shop.request(alice)
    limiter = Limiter(shop.database, shop.clock)
    slow = limiter.take_units(POOL, order_id(alice, request.quote_id), 1, 0)
    assert slow  # The same call, before its transaction.

    def at_its_limit(*_: object) -> None:
        raise Refusal(QuotaErrors.OFFER_LIMIT_REACHED, field="items")

    with monkeypatch.context() as fault:
        fault.setattr(Limiter, "count_uses", at_its_limit)
        code = refused(lambda: shop.orders.create_order(alice, request))
    assert code is QuotaErrors.OFFER_LIMIT_REACHED
    assert pool(shop) == (4, 1)
    limiter.leave_unit(slow)
    assert pool(shop) == (5, 0)
    assert shop.orders.create_order(alice, request).payable_fen == 1_200
    assert pool(shop) == (4, 0)


def test_repeated_calls_of_a_written_order_hold_no_unit(shop: Shop) -> None:
    an_offer(shop, quota=50)
    alice = shop.register()
    request: CreateRequest = shop.request(alice)
    results = at_once([lambda: shop.orders.create_order(alice, request)] * 6)
    assert len({order.id for order in winners(results)}) == 1
    for _ in range(2):
        shop.orders.create_order(alice, request)
    assert pool(shop) == (49, 0)


def test_an_order_without_limited_offers_is_bounded_by_nothing_and_asks_nothing(
    shop: Shop, mongod: Mongod
) -> None:
    alice = shop.register()
    for _ in range(MOST_UNPAID + 2):
        shop.order(alice)
    request = shop.request(alice)
    with watched(mongod.uri, shop.database.mongo.name) as (database, commands):
        Orders(database, shop.clock, "huitou").create_order(alice, request)
    assert "insert" in commands.names
    assert not [one for one in commands.sent if "limit_pools" in str(one) or "piece" in str(one)]
