"""The next step of a quote names dishes that count, and a guest who follows it gets the offer."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chain_data import FakeClock, Shop
from huitou.catalog.menu.service import Menu
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.runtime.database import Database
from priced_carts import HOME, coupon, dishes, offers, price, silver


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    chain.collection("offers").delete_many({"_id": {"$gt": ""}})
    return Shop(chain, clock)


def test_a_next_step_counts_the_members_own_discount(shop: Shop) -> None:
    """The hint to a 9 折 member was "再买 ¥15.00 可减 ¥6"; after that it was "还差 ¥1.50"."""
    dishes(shop, noodles=5_000, rolls=1_667, soup=1_500)
    offers(
        shop,
        {
            "_id": "m",
            "group": "reduction",
            "terms": {"off_fen": 600, "threshold_fen": 6_000, "threshold_base": "running"},
        },
    )
    step = price(shop, silver(shop, "alice"), ("noodles", 1)).next_step
    assert step
    assert (step.fen, step.off_fen, step.what) == (1_667, 600, "再买 ¥16.67 可减 ¥6")
    assert [(one.dish_id, one.quantity) for one in step.example] == [("rolls", 1)]
    plain = price(shop, shop.register("bob"), ("noodles", 1)).next_step
    assert plain
    assert (plain.fen, plain.example[0].dish_id) == (1_000, "spring-rolls")


def test_a_next_step_shows_what_a_capped_rate_takes_off(shop: Shop) -> None:
    dishes(shop, noodles=5_000, tea=1_500)
    half = {"kind": "percent_off", "off_bp": 5_000, "cap_fen": 300, "threshold_fen": 6_000}
    offers(shop, {"_id": "half", "terms": half})
    step = price(shop, shop.register(), ("noodles", 1)).next_step
    assert step
    assert (step.what, step.off_fen) == ("再买 ¥10.00 可减 ¥3", 300)


def test_a_next_step_names_the_dishes_that_count_and_those_of_the_empty_slot(shop: Shop) -> None:
    dishes(shop, "主食", noodles=3_000)
    dishes(shop, "奶茶", tea=1_500)
    dishes(shop, "小吃", rolls=1_200)
    slots = [{"scope": {"categories": ["主食"]}}, {"scope": {"dish_ids": ["tea"]}}]
    terms = {"kind": "bundle", "price_fen": 4_000, "slots": slots}
    offers(shop, {"_id": "set", "name": "面茶套餐", "terms": terms})
    # Three dishes for one slot don't fill the other slot.
    step = price(shop, shop.register(), ("noodles", 3)).next_step
    assert step
    assert (step.pieces, step.counts) == (1, ["tea"])
    assert step.what == "再买 1 件（tea）可享「面茶套餐」，减 ¥5"


def test_an_offer_that_the_best_combination_excludes_is_no_next_step(shop: Shop) -> None:
    dishes(shop, noodles=5_000, tea=1_000)
    offers(
        shop,
        {"_id": "better", "group": "reduction", "terms": {"off_fen": 900}},
        {"_id": "more", "group": "reduction", "terms": {"off_fen": 600, "threshold_fen": 6_000}},
    )
    assert price(shop, shop.register(), ("noodles", 1)).next_step is None


@pytest.mark.slow
def test_a_next_step_that_is_followed_comes_true(chain: Database, clock: FakeClock) -> None:
    """Draw random carts at 徐家汇店 for guests with tiers and coupons, and follow each hint."""
    shop, rng = Shop(chain, clock), random.Random(6)
    chain.collection("stores").update_many({"_id": "xujiahui"}, {"$set": {"delivery_fee_fen": 600}})
    offers(
        shop,
        {
            "_id": "ride",
            "name": "满50免配送费",
            "group": "delivery",
            "terms": {"kind": "delivery", "threshold_fen": 5_000, "threshold_base": "running"},
        },
        {
            "_id": "tea-five",
            "name": "奶茶满40打5折",
            "group": "coupon",
            "terms": {
                "kind": "percent_off",
                "off_bp": 5_000,
                "cap_fen": 700,
                "base": "running",
                "threshold_fen": 4_000,
                "threshold_base": "running",
                "scope": {"categories": ["奶茶"]},
            },
        },
    )
    guests = [silver(shop, "sil"), shop.register("bas"), silver(shop, "cou")]
    coupon(shop, guests[2], "off-45-9", off_fen=900, threshold_fen=4_500)
    coupon(shop, guests[2], "third", kind="nth_item", nth=3, off_bp=5_000, base="running")
    menu = [
        (d.dish_id, sku.sku_id)
        for d in Menu(chain).list_offered_dishes("xujiahui")
        for sku in d.skus
    ]
    followed = 0
    for _ in range(120):
        items = [
            {"dish_id": dish, "sku_id": sku, "quantity": rng.randint(1, 2)}
            for dish, sku in rng.sample(menu, rng.randint(1, 3))
        ]
        cart: dict[str, Any] = {"store_id": "xujiahui", "items": items, "coupons": "best"}
        if rng.random() < 0.4:
            cart |= {"mode": "delivery", "delivery": HOME}
        guest = rng.choice(guests)
        step = shop.orders.quote_cart(guest, QuoteRequest.model_validate(cart)).price.next_step
        if step is None:
            continue
        more = [
            {"dish_id": one.dish_id, "sku_id": one.sku_id, "quantity": one.quantity}
            for one in step.example
        ]
        cart["items"] = [*items, *more]
        then = shop.orders.quote_cart(guest, QuoteRequest.model_validate(cart)).price
        took = {one.source_id: one.amount_fen for one in then.discounts}
        assert took.get(step.source_id, 0) >= step.off_fen > 0, (items, step)
        followed += 1
    assert followed > 60


def test_an_offer_that_makes_the_points_too_many_is_no_next_step(shop: Shop) -> None:
    """The bundle makes the order so cheap that the rules don't allow its points any more."""
    dishes(shop, noodles=3_000, tea=500)
    slots = [{"scope": {"dish_ids": ["noodles"]}}, {"scope": {"dish_ids": ["tea"]}}]
    offers(shop, {"_id": "set", "terms": {"kind": "bundle", "price_fen": 1_000, "slots": slots}})
    alice = shop.register()
    shop.give_points(alice, 900)
    assert price(shop, alice, ("noodles", 1)).next_step
    assert price(shop, alice, ("noodles", 1), points=900).next_step is None


def test_a_next_step_names_each_dish_once_and_only_dishes_that_count(shop: Shop) -> None:
    dishes(shop, "茶", green=1_500, black=1_600)
    slot = {"scope": {"categories": ["茶"]}}
    offers(
        shop,
        {
            "_id": "three",
            "name": "三茶",
            "terms": {
                "kind": "bundle",
                "price_fen": 3_500,
                "slots": [slot, slot, slot],
                "scope": {"except_dish_ids": ["black"]},
            },
        },
    )
    step = price(shop, shop.register(), ("green", 1)).next_step
    assert step
    assert (step.pieces, step.counts) == (2, ["green"])
    assert step.what == "再买 2 件（green）可享「三茶」，减 ¥10"
