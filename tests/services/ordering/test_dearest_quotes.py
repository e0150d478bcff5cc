"""The dearest quotes are bounded: by offers in force at one store, and by searches of one quote."""

from __future__ import annotations

from typing import Any

import pytest

from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.ordering.orders.models import QuoteRequest
from huitou.ordering.quotes import service as quotes
from huitou.promotions.offers.errors import OfferErrors
from huitou.promotions.offers.models import Group, Offer, StackingRules
from huitou.promotions.offers.rules import MOST_AT_ONCE
from huitou.promotions.offers.service import Offers
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def an_offer(name: str, off_fen: int = 1, **more: Any) -> Offer:
    terms = {"base": "list", "off_fen": off_fen, **more.pop("terms", {})}
    return Offer.model_validate(
        {"_id": name, "name": "减", "group": "activity", "terms": terms, **more}
    )


def put(shop: Shop, *offers: Offer, stacking: StackingRules | None = None) -> None:
    Offers(shop.database, shop.clock).put_offers(list(offers), stacking)
    shop.database.cache.clear()


def crowd(shop: Shop, **more: Any) -> None:
    """Fill every store up to the bound, with the sample chain's offers out of the way."""
    shop.database.collection("offers").delete_many({})
    put(shop, *(an_offer(f"o{n}", **more) for n in range(MOST_AT_ONCE)))


def refused(shop: Shop, *offers: Offer) -> tuple[object, str | None, str]:
    with pytest.raises(Refusal) as raised:
        put(shop, *offers)
    return raised.value.code, raised.value.field, raised.value.detail


def test_more_offers_at_once_than_a_store_may_have_are_refused_with_the_store(shop: Shop) -> None:
    crowd(shop, paused=True)
    full = (OfferErrors.TOO_MANY_AT_ONCE, "offers")
    assert refused(shop, an_offer("z")) == (*full, str(MOST_AT_ONCE))
    of_one = {"store_ids": ["jingan"]}
    assert refused(shop, an_offer("z", terms=of_one)) == (*full, f"{MOST_AT_ONCE} (jingan)")
    put(shop, an_offer("o0", revision=2, off_fen=2))  # A new revision is no further offer.
    put(shop, an_offer("o0", revision=3, valid_until="2026-03-31"))
    put(shop, an_offer("z", valid_from="2026-04-01"))  # They never meet.
    assert refused(shop, an_offer("y", valid_from="2026-03-31"))[:2] == full


def test_offers_of_different_stores_dont_crowd_each_other(shop: Shop) -> None:
    shop.database.collection("offers").delete_many({})
    for store in ("jingan", "xuhui"):
        many = range(MOST_AT_ONCE // 2, MOST_AT_ONCE)
        put(shop, *(an_offer(f"{store}{n}", terms={"store_ids": [store]}) for n in many))
    put(shop, *(an_offer(f"all{n}") for n in range(MOST_AT_ONCE // 2)))
    code = refused(shop, an_offer("z", terms={"store_ids": ["xuhui"]}))[0]
    assert code is OfferErrors.TOO_MANY_AT_ONCE
    put(shop, an_offer("z", terms={"store_ids": ["pudong"]}))


def test_a_chain_that_stored_more_before_can_still_change_and_end_them(shop: Shop) -> None:
    crowd(shop)
    shop.database.collection("offers").insert_many(
        [an_offer(f"old{n}").document() for n in range(20)]
    )
    put(shop, an_offer("old1", revision=2, off_fen=5))
    put(shop, an_offer("old2", revision=2, valid_until="2026-02-01"))
    assert refused(shop, an_offer("z"), an_offer("y"))[0] is OfferErrors.TOO_MANY_AT_ONCE
    assert shop.request(shop.register()).payable_fen == 1_500 - (MOST_AT_ONCE + 18) - 5


def test_budgets_that_arent_enough_take_few_searches_and_the_answer_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each search found the next best offer, whose budget wasn't enough either."""
    shop.database.collection("offers").delete_many({})
    limits = {"budget_fen": 50}
    best_of = StackingRules(revision=99, groups=[Group(group="activity", mode="best")])
    dear = [an_offer(f"o{n}", off_fen=100 + n, limits=limits) for n in range(30)]
    put(shop, *dear, an_offer("small", off_fen=10), stacking=best_of)
    searches = []

    def counted(*args: Any) -> Any:
        searches.append(1)
        return weigh(*args)

    weigh = quotes.weigh
    monkeypatch.setattr(quotes, "weigh", counted)
    alice = shop.register()
    request = QuoteRequest.model_validate(
        {"store_id": "jingan", "items": [item()], "coupons": "best"}
    )
    quote = shop.orders.quote_cart(alice, request)
    assert quote.payable_fen == 1_490
    assert not quote.best.exact
    assert len(searches) == quotes.MOST_SEARCHES + 1
    order = shop.order(alice, coupons="best")
    assert shop.orders.explain_price(order.id).same


def test_an_order_beside_a_coupon_without_budget_is_explained_without_it(shop: Shop) -> None:
    """The coupon was out for its budget when the order was made, and in when it was explained."""
    template = CouponTemplate.model_validate(
        {"_id": "poor", "name": "券", "revision": 1, "valid_days": 7, "group": "coupon",
         "terms": {"off_fen": 300}, "limits": {"budget_fen": 100}}
    )  # fmt: skip
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    alice = shop.register()
    assert coupons.issue_coupon(template, member_id=alice, cause=f"{alice}:poor")
    order = shop.order(alice, coupons="best")
    assert order.payable_fen == 1_500
    assert shop.orders.explain_price(order.id).same
