"""Orders refunded in parts: all money and all points come back, and never a point more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.earning.rules import kept
from huitou.loyalty.points.rules import TakenBack
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.models import LineBack, Order, PendingRefund
from huitou.payments.refunds.errors import RefundErrors
from huitou.payments.refunds.models import RefundLine
from huitou.payments.refunds.rules import amount_back, lines_back
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

HOME = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}
STORE = "xujiahui"  # This store has offers of every kind.


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    chain.collection("stores").update_many(
        {"_id": {"$in": ["jingan", STORE]}}, {"$set": {"delivery_fee_fen": 600}}
    )
    return Shop(chain, clock)


def dishes(shop: Shop, **prices: int) -> None:
    """Give the chain dishes of these prices."""
    Maintenance(shop.database, shop.clock).load_chain(
        LoadRequest.model_validate(
            {
                "dishes": [
                    {
                        "_id": name,
                        "brand_id": "huitou",
                        "name": name,
                        "category": "试",
                        "skus": [{"sku_id": "m", "name": "", "price_fen": fen}],
                    }
                    for name, fen in prices.items()
                ],
                "store_dishes": [
                    {"_id": f"jingan:{name}", "store_id": "jingan", "dish_id": name}
                    for name in prices
                ],
            }
        )
    )


def give_back(
    shop: Shop,
    order_id: str,
    number: int,
    lines: Sequence[tuple[int, int]],
    amount_fen: int | None = None,
) -> bool:
    """Refund pieces of lines, an amount, or all that is left; False if that is refused."""
    order = shop.orders.get_order(order_id)
    try:
        backs = lines_back(order, [RefundLine(line=n, quantity=pieces) for n, pieces in lines])
        fen = amount_back(order, backs, amount_fen)
    except Refusal as refused:
        assert refused.code in (RefundErrors.REFUND_WORTH_NOTHING, RefundErrors.REFUND_TOO_MUCH)  # noqa: PT017
        return False
    refund_at_once(shop, order, f"R{number}-{order_id}", fen, backs)
    assert shop.settlement.settle_order(order_id) == "settled"
    return True


def refund_at_once(shop: Shop, order: Order, name: str, fen: int, backs: list[LineBack]) -> None:
    pending = PendingRefund(refund_id=name, amount_fen=fen, lines=backs)
    shop.database.transact(lambda s: shop.orders.begin_refund(order, pending, "test", s))
    shop.database.transact(
        lambda session: shop.orders.end_refund(order.id, name, given=True, session=session)
    )


def ledger(shop: Shop, order_id: str) -> list[tuple[str, int]]:
    found = (
        shop.database.collection("points_entries").find({"order_id": order_id}).sort("number", 1)
    )
    return [(entry["kind"], entry["points"]) for entry in found]


def test_refunding_the_dishes_one_by_one_gives_no_points_for_the_delivery_fee(shop: Shop) -> None:
    """Soup 3.00, noodles 24.00, fee 6.00: the soup's refund gave 3 points, and 6 were left."""
    dishes(shop, soup=300, noodles=2_400)
    alice = shop.register()
    order = shop.paid(
        alice, items=[item(1, "soup"), item(1, "noodles")], mode="delivery", delivery=HOME
    )
    assert (order.payable_fen, ledger(shop, order.id)) == (3_300, [("earn", 27)])
    assert give_back(shop, order.id, 1, [(0, 1)])
    assert ledger(shop, order.id)[1:] == [("claw-back", -3)]
    assert give_back(shop, order.id, 2, [(1, 1)])
    assert ledger(shop, order.id)[2:] == [("claw-back", -24)]
    assert shop.account(alice)["available"] == 0
    # Every piece was refunded, but the store still has the fee until the rest is refunded too.
    assert shop.orders.get_order(order.id).left_fen == 600
    assert give_back(shop, order.id, 3, [])
    assert shop.orders.get_order(order.id).status == "refunded"
    assert ledger(shop, order.id)[3:] == [("claw-back", 0)]
    assert shop.differences() == []


def test_a_refunded_amount_takes_back_its_part_of_the_points_and_the_fee_takes_none(
    shop: Shop,
) -> None:
    dishes(shop, noodles=2_400)
    alice = shop.register()
    order = shop.paid(alice, items=[item(1, "noodles")], mode="delivery", delivery=HOME)
    # Half of 30.00 is half of the dishes and half of the fee.
    assert give_back(shop, order.id, 1, [], amount_fen=1_500)
    assert ledger(shop, order.id) == [("earn", 24), ("claw-back", -12)]
    assert give_back(shop, order.id, 2, [])
    assert ledger(shop, order.id)[2:] == [("claw-back", -12)]
    assert shop.differences() == []


def test_a_free_line_can_be_refunded_with_other_lines_but_not_alone(shop: Shop) -> None:
    dishes(shop, noodles=2_400, cake=900)
    alice = shop.register()
    free = CouponTemplate.model_validate(
        {
            "_id": "cake",
            "name": "蛋糕券",
            "valid_days": 7,
            "terms": {"kind": "exchange", "scope": {"dish_ids": ["cake"]}},
        }
    )
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([free], [])
    issued = coupons.issue_coupon(free, member_id=alice, cause="c")
    assert issued
    order = shop.paid(alice, items=[item(1, "noodles"), item(1, "cake")], coupon_id=issued.id)
    assert order.payable_fen == 2_400
    assert not give_back(shop, order.id, 1, [(1, 1)])
    assert give_back(shop, order.id, 2, [(0, 1), (1, 1)])
    assert shop.orders.get_order(order.id).status == "refunded"
    assert ledger(shop, order.id) == [("earn", 24), ("claw-back", -24)]
    assert shop.differences() == []


def test_points_that_an_older_version_gave_by_mistake_go_back_with_the_last_refund(
    shop: Shop,
) -> None:
    """Old entries aren't edited; the last refund finds the points and takes them back."""
    dishes(shop, soup=300, noodles=2_400)
    alice = shop.register()
    order = shop.paid(
        alice, items=[item(1, "soup"), item(1, "noodles")], mode="delivery", delivery=HOME
    )
    assert give_back(shop, order.id, 1, [(0, 1)])
    # Change the entry to what the older version wrote: +3 instead of -3.
    [lot] = shop.account(alice)["lots"]
    shop.database.collection("points_entries").update_one(
        {"_id": f"claw-back:R1-{order.id}"},
        {"$set": {"points": 3, "balance": 30, "lots": [{"expires_on": lot, "points": 3}]}},
    )
    shop.database.collection("accounts").update_one(
        {"_id": alice},
        {"$set": {f"lots.{lot}": 30, "available": 30}, "$inc": {"points_by_day.2026-03-02": 6}},
    )
    assert give_back(shop, order.id, 2, [])
    assert ledger(shop, order.id) == [("earn", 27), ("claw-back", 3), ("claw-back", -30)]
    assert shop.account(alice)["available"] == 0


def test_a_claw_back_that_would_add_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="would add some"):
        TakenBack(-1)


def any_order(shop: Shop, rng: random.Random, member_id: str, number: int) -> Order:
    """Pay a random order, which may have a fee, a coupon, points, offers and extras."""
    template = CouponTemplate.model_validate(
        {
            "_id": f"t{number}",
            "name": "券",
            "valid_days": 7,
            "terms": rng.choice(
                [
                    {"off_fen": rng.choice([1, 333, 800])},
                    {"kind": "free_item"},
                    {"kind": "percent_off", "off_bp": rng.choice([777, 5_000]), "base": "running"},
                ]
            ),
        }
    )
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    issued = coupons.issue_coupon(template, member_id=member_id, cause=f"c{number}")
    assert issued
    carts = [
        item(rng.randint(1, 3), "milk-tea", "m", addons=[{"addon_id": "boba"}]),
        item(rng.randint(1, 3), "milk-tea", "l"),
        item(rng.randint(1, 4), "spring-rolls", "one"),
        item(rng.randint(1, 2), "beef-noodles", "s"),
        item(1, "double-skin", "one"),
    ]
    cart: dict[str, Any] = {"store_id": STORE, "items": rng.sample(carts, rng.randint(1, 4))}
    if rng.random() < 0.7:
        cart |= {"mode": "delivery", "delivery": HOME}
    if rng.random() < 0.6:
        cart["coupon_id"] = issued.id
    has = int(shop.account(member_id)["available"])
    for points in (min(has, rng.choice([0, 1, 150, 700])), 0):
        try:
            return shop.paid(member_id, points=points, **cart)
        except Refusal:
            continue  # The rules don't allow so few or so many points.
    raise AssertionError("an order without points was refused")


@pytest.mark.parametrize("number", range(24))
def test_partial_refunds_in_any_order_bring_back_the_same_as_one_refund(
    shop: Shop, number: int
) -> None:
    rng = random.Random(f"refunds {number}")
    alice = shop.register()
    shop.give_points(alice, 1_000)
    order = any_order(shop, rng, alice, number)
    before = shop.account(alice)["available"] + order.points_used
    earned = sum(points for kind, points in ledger(shop, order.id) if kind == "earn")
    for step in range(30):
        left = shop.orders.get_order(order.id)
        if left.status == "refunded":
            break
        gone = {
            n: sum(b.quantity for r in left.refunds for b in r.lines if b.line == n)
            for n in range(len(order.lines))
        }
        rest = [
            (n, rng.randint(1, line.quantity - gone[n]))
            for n, line in enumerate(order.lines)
            if line.quantity > gone[n]
        ]
        way = rng.random()
        if rest and way < 0.7:
            gave = give_back(shop, order.id, step, rng.sample(rest, rng.randint(1, len(rest))))
        elif way < 0.85:
            gave = give_back(shop, order.id, step, [], rng.choice([1, 99, 700, left.left_fen]))
        else:
            gave = not rest and give_back(shop, order.id, step, [])
        if gave:
            assert shop.differences() == []
            # The points are the same as if one refund had been made of the same parts.
            assert_points_as_after_one_refund(shop, order.id, earned)
    else:
        assert give_back(shop, order.id, 99, [])
    left = shop.orders.get_order(order.id)
    assert (left.status, left.left_fen) == ("refunded", 0)
    assert sum(refund.amount_fen for refund in left.refunds) == order.payable_fen
    entries = ledger(shop, order.id)
    assert all(points <= 0 for kind, points in entries if kind == "claw-back")
    assert sum(points for kind, points in entries if kind in ("earn", "claw-back")) == 0
    assert sum(points for kind, points in entries if kind == "return") == order.points_used
    assert shop.account(alice)["available"] == before - earned
    assert shop.differences() == []


def assert_points_as_after_one_refund(shop: Shop, order_id: str, earned: int) -> None:
    order = shop.orders.get_order(order_id)
    assert order.terms
    if order.status == "refunded":
        return
    lines: dict[int, list[int]] = {}
    for back in (back for refund in order.refunds for back in refund.lines):
        so_far = lines.setdefault(back.line, [0, 0])
        so_far[0] += back.quantity
        so_far[1] += back.amount_fen
    once = PendingRefund(
        refund_id="once",
        amount_fen=sum(refund.amount_fen for refund in order.refunds),
        lines=[LineBack(line=n, quantity=q, amount_fen=fen) for n, (q, fen) in lines.items()],
    )
    terms: EarningTerms = order.terms
    deserves = kept(terms, terms.paid_by_line, order.payable_fen, earned, [once])
    entries = ledger(shop, order_id)
    assert sum(points for kind, points in entries if kind in ("earn", "claw-back")) == deserves
