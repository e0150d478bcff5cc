"""Quotas, budgets and limits on a real database: never exceeded, and no unit is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from at_once import at_once, winners
from bootstrap import ROOT
from chain_data import FakeClock, Shop, item, name_members
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.units_service import OrderUnits
from huitou.promotions.offers.models import Offer
from huitou.promotions.offers.service import Offers
from huitou.promotions.quotas.errors import QuotaErrors
from huitou.promotions.quotas.repository import LimitRepository
from huitou.promotions.quotas.service import Limiter, UnitsInFlight
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.mongod import Mongod

TERMS = {"threshold_fen": 1_000, "off_fen": 300}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def a_template(shop: Shop, revision: int = 1, **limits: Any) -> CouponTemplate:
    template = CouponTemplate.model_validate(
        {
            "_id": "storm",
            "name": "抢券",
            "revision": revision,
            "valid_days": 7,
            "terms": TERMS,
            "limits": limits,
        }
    )
    Coupons(shop.database, shop.clock).put_templates([template], [])
    if revision == 1:
        name_members(shop.database, ["m", *(f"m{number}" for number in range(160))])
    return template


def an_offer(shop: Shop, revision: int = 1, **more: Any) -> Offer:
    offer = Offer.model_validate(
        {
            "_id": "off-3",
            "revision": revision,
            "name": "立减3元",
            "group": "reduction",
            "terms": {"off_fen": 300, "base": "list", **more.pop("terms", {})},
            **more,
        }
    )
    Offers(shop.database, shop.clock).put_offers([offer], None)
    shop.database.cache.clear()
    return offer


def issued(shop: Shop) -> int:
    return shop.database.collection("coupons").count_documents({"template_id": "storm"})


def left(shop: Shop, subject: str = "coupon:storm") -> tuple[int, int]:
    """Return how many units the pool has left, and how many are in flight."""
    pool = shop.database.collection("limit_pools").find_one({"_id": subject})
    assert pool
    return pool["left"], len(pool["taken"])


def settle(shop: Shop, *, later_s: float = 0.0) -> list[str]:
    """Run the sweep as if `later_s` seconds had passed."""
    if later_s:
        for pool in shop.database.collection("limit_pools").find({"_id": {"$gt": ""}}):
            past = {f"taken.{t}.at": note["at"] - later_s for t, note in pool["taken"].items()}
            if past:
                past["due_at"] = min(past.values())
                shop.database.collection("limit_pools").update_one(
                    {"_id": pool["_id"]}, {"$set": past}
                )
    limiter, coupons = Limiter(shop.database, shop.clock), Coupons(shop.database, shop.clock)
    orders = OrderUnits(shop.database, shop.clock)
    units = UnitsInFlight(limiter, coupons.finish_issuing, orders.quota_units)
    return [units.settle_unit(name) for name in list(units.due_units())]


@pytest.mark.parametrize("quota", [1, 100])
def test_many_takers_at_once_never_get_more_coupons_than_the_quota(shop: Shop, quota: int) -> None:
    template, coupons = a_template(shop, quota=quota), Coupons(shop.database, shop.clock)
    results = at_once(
        [
            lambda n=n: coupons.try_issue_coupon(template, member_id=f"m{n}", cause=f"storm:{n}")[1]
            for n in range(quota + 60)
        ]
    )
    assert sorted(set(winners(results))) == ["issued", "used_up"]
    assert winners(results).count("issued") == issued(shop) == quota
    assert left(shop) == (0, 0)


_TAKER = """
import sys
from chain_data import FakeClock
from huitou.coupons.issuing.service import Coupons
from huitou.runtime.database import connect
database = connect(sys.argv[1], sys.argv[2])
coupons = Coupons(database, FakeClock())
template = coupons.find_templates(["storm"])["storm"]
for number in range(int(sys.argv[4])):
    coupons.issue_coupon(template, member_id=f"m{number}", cause=f"storm:{sys.argv[3]}-{number}")
    print(number, flush=True)
"""


def takers(shop: Shop, uri: str, count: int, each: int) -> list[subprocess.Popen[str]]:
    paths = [str(ROOT / "layers" / "core"), str(ROOT / "scripts"), str(ROOT / "tests" / "worlds")]
    return [
        subprocess.Popen(
            [sys.executable, "-c", _TAKER, uri, shop.database.mongo.name, str(n), str(each)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]


def test_several_processes_at_once_issue_exactly_the_quota(shop: Shop, mongod: Mongod) -> None:
    a_template(shop, quota=150)
    processes = takers(shop, mongod.uri, 4, 60)
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4
    assert issued(shop) == 150
    assert left(shop) == (0, 0)


def test_a_killed_taker_loses_no_quota_unit(shop: Shop, mongod: Mongod) -> None:
    a_template(shop, quota=1_000)
    for _ in range(4):
        (process,) = takers(shop, mongod.uri, 1, 1_000)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
    # The server ends the transaction of a killed taker after a minute; the sweep comes later.
    shop.database.client.admin.command("killAllSessions", [])
    settle(shop, later_s=61)
    pieces, in_flight = left(shop)
    assert in_flight == 0
    assert pieces + issued(shop) == 1_000


def test_a_unit_taken_before_a_crash_is_issued_to_the_member_it_was_taken_for(shop: Shop) -> None:
    template, coupons = a_template(shop, quota=1), Coupons(shop.database, shop.clock)
    limiter = coupons._limiter
    more = {"member_id": "m1", "cause": "storm:1", "template_id": "storm", "told": {}}
    from huitou.coupons.issuing.rules import coupon_id

    # After this the taker is killed.
    assert limiter.take_units("coupon:storm", coupon_id("storm:1"), 1, 0, more)
    assert coupons.try_issue_coupon(template, member_id="m2", cause="storm:2") == (None, "used_up")
    assert settle(shop) == []  # The taker may still be running.
    assert settle(shop, later_s=61) == ["issued"]
    assert settle(shop, later_s=61) == []
    assert [c["member_id"] for c in shop.database.collection("coupons").find({"member_id": "m1"})]
    assert left(shop) == (0, 0)


def test_the_same_cause_at_once_takes_one_quota_unit(shop: Shop) -> None:
    template, coupons = a_template(shop, quota=10), Coupons(shop.database, shop.clock)
    results = at_once(
        [lambda: coupons.try_issue_coupon(template, member_id="m", cause="storm:1")[1]] * 8
    )
    assert winners(results).count("issued") == 1
    settle(shop, later_s=61)
    assert left(shop) == (9, 0)


def test_a_member_at_their_limit_gives_the_quota_unit_back(shop: Shop) -> None:
    template = a_template(shop, quota=100, per_member_day=2, per_member=3)
    coupons = Coupons(shop.database, shop.clock)

    def outcomes(day: int) -> list[str]:
        results = at_once(
            [
                lambda n=n: coupons.try_issue_coupon(template, member_id="m", cause=f"d{day}:{n}")[
                    1
                ]
                for n in range(6)
            ]
        )
        return sorted(winners(results))

    assert outcomes(1) == ["issued"] * 2 + ["limit_reached"] * 4
    shop.clock.advance(days=1)
    assert outcomes(2) == ["issued"] + ["limit_reached"] * 5
    assert left(shop) == (97, 0)


def test_a_changed_quota_still_counts_the_units_used_before(shop: Shop) -> None:
    template, coupons = a_template(shop, quota=100), Coupons(shop.database, shop.clock)
    for number in range(40):
        assert coupons.issue_coupon(template, member_id="m", cause=f"storm:{number}")
    at_once([lambda: a_template(shop, revision=2, quota=130)] * 3)
    assert left(shop) == (90, 0)
    template = a_template(shop, revision=3, quota=50)
    results = at_once(
        [
            lambda n=n: coupons.try_issue_coupon(template, member_id="m", cause=f"more:{n}")[1]
            for n in range(30)
        ]
    )
    assert winners(results).count("issued") == 10
    assert issued(shop) == 50
    template = a_template(shop, revision=4, quota=30)  # More units were used before: none is left.
    assert coupons.try_issue_coupon(template, member_id="m", cause="late")[1] == "used_up"
    assert left(shop) == (-20, 0)


def test_several_orders_at_once_of_one_member_keep_to_the_limit_of_an_offer(shop: Shop) -> None:
    an_offer(shop, limits={"per_member": 1})
    alice = shop.register()
    requests = [shop.request(alice) for _ in range(4)]
    assert {request.payable_fen for request in requests} == {1_200}
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    assert len(winners(results)) == 1
    refused = {r.code for r in results if isinstance(r, Refusal)}
    assert refused <= {QuotaErrors.OFFER_LIMIT_REACHED, OrderErrors.QUOTE_CHANGED}
    assert shop.request(alice).payable_fen == 1_500  # The next quote is without the offer.


def test_an_offer_keeps_to_its_limits_per_day_and_month(shop: Shop) -> None:
    an_offer(shop, limits={"per_member_day": 1, "per_member_month": 2})
    alice = shop.register()
    prices = []
    for _ in range(4):
        prices += [shop.order(alice).payable_fen for _ in range(2)]
        shop.clock.advance(days=1)
    assert prices == [1_200, 1_500, 1_200, 1_500, 1_500, 1_500, 1_500, 1_500]
    shop.clock.advance(days=31)
    assert shop.order(alice).payable_fen == 1_200


def test_a_cancelled_order_gives_back_its_use_its_unit_and_its_budget(shop: Shop) -> None:
    an_offer(shop, limits={"per_member": 1, "quota": 2, "budget_fen": 500})
    alice, bob = shop.register(), shop.register("bob")
    order = shop.order(alice)
    assert order.payable_fen == 1_200
    # The budget has ¥2 left, which is less than the offer would take off.
    assert shop.order(bob).payable_fen == 1_500
    assert shop.orders.begin_closing_order(order)
    assert sorted(at_once([lambda: shop.orders.cancel_order(order)] * 3)) == [False, False, True]
    assert left(shop, "offer:off-3") == (2, 0)
    assert shop.order(bob).payable_fen == 1_200
    assert shop.order(alice).payable_fen == 1_500


def test_a_budget_is_never_overspent(shop: Shop) -> None:
    an_offer(shop, limits={"budget_fen": 1_000})
    members = [shop.register(f"g{n}") for n in range(6)]
    requests = [(member, shop.request(member)) for member in members]
    results = at_once([lambda m=m, r=r: shop.orders.create_order(m, r) for m, r in requests])
    assert len(winners(results)) == 3
    found = list(shop.database.collection("limit_pools").find({"_id": "offer:off-3"}))
    assert [pool["left_fen"] for pool in found] == [100]
    assert {r.code for r in results if isinstance(r, Refusal)} <= {
        QuotaErrors.OFFER_USED_UP,
        OrderErrors.QUOTE_CHANGED,
    }


def test_the_unit_of_an_order_that_was_never_written_is_put_back(shop: Shop) -> None:
    an_offer(shop, limits={"quota": 1})
    alice, bob = shop.register(), shop.register("bob")
    request = shop.request(alice)
    repository = LimitRepository(shop.database)
    from huitou.ordering.orders.rules import order_id

    token = order_id(alice, request.quote_id)
    assert repository.take("offer:off-3", token, 1, 0, {})  # After this the taker is killed.
    assert shop.request(bob).payable_fen == 1_500
    assert settle(shop, later_s=61) == ["waiting"]
    assert shop.orders.create_order(alice, request.model_copy(update={"payable_fen": 1_500}))
    # The order was written without the offer, so it will never use that unit.
    assert settle(shop, later_s=61) == ["put back"]
    assert left(shop, "offer:off-3") == (1, 0)


def test_a_repeated_create_call_takes_no_second_unit(shop: Shop) -> None:
    an_offer(shop, limits={"quota": 10})
    alice = shop.register()
    request = shop.request(alice)
    at_once([lambda: shop.orders.create_order(alice, request)] * 6)
    shop.orders.create_order(alice, request)
    settle(shop, later_s=61)
    assert left(shop, "offer:off-3") == (9, 0)


def test_only_one_order_can_use_an_offer_for_the_first_order(shop: Shop) -> None:
    an_offer(shop, terms={"first_order": True})
    alice = shop.register()
    requests = [shop.request(alice) for _ in range(3)]
    results = at_once([lambda r=r: shop.orders.create_order(alice, r) for r in requests])
    assert len(winners(results)) == 1  # Otherwise the guest could pay for both.
    assert shop.request(alice).payable_fen == 1_500


def test_a_coupon_is_not_usable_when_its_templates_budget_is_used_up(shop: Shop) -> None:
    template = a_template(shop, budget_fen=500)
    coupons = Coupons(shop.database, shop.clock)
    alice = shop.register()
    first, second = (
        coupons.issue_coupon(template, member_id=alice, cause=f"b{n}") for n in range(2)
    )
    assert first
    assert second
    shop.order(alice, items=[item(2)], coupon_id=first.id)
    with pytest.raises(Refusal) as refused:
        shop.request(alice, items=[item(2)], coupon_id=second.id)
    assert refused.value.code is CouponErrors.COUPON_NOT_USABLE
    assert refused.value.detail == "名额已用完"


def test_a_free_coupon_can_be_revoked_and_one_in_use_cannot(shop: Shop) -> None:
    template, coupons = a_template(shop), Coupons(shop.database, shop.clock)
    alice = shop.register()
    free, used = (coupons.issue_coupon(template, member_id=alice, cause=f"r{n}") for n in range(2))
    assert free
    assert used
    shop.order(alice, items=[item(2)], coupon_id=used.id)
    assert coupons.revoke_coupon(free.id, "ann", "wrong campaign").status == "revoked"
    with pytest.raises(Refusal):
        coupons.revoke_coupon(used.id, "ann", "wrong campaign")
    with pytest.raises(Refusal):
        shop.request(alice, items=[item(2)], coupon_id=free.id)
    shop.clock.advance(days=30)
    assert (
        coupons.expire_coupons() == 0
    )  # One coupon is locked and one revoked, so neither expires.
