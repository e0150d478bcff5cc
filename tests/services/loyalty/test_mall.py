"""The points mall: points for coupons, within the stock and the limit per member."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.insight.kpis.models import ReportRequest
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.holds.errors import HoldErrors
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.points.errors import PointsErrors
from huitou.loyalty.rewards.errors import RewardErrors
from huitou.loyalty.rewards.models import ExchangeRequest
from huitou.loyalty.rewards.service import Mall
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.reconciliation.service import Reconciliation
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from services.loyalty.test_holds import let_hold_expire, points_of, spent, with_points

FIVE = {"_id": "five", "name": "五份", "points": 100, "template_id": "mall-10-3", "stock": 5}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def mall(shop: Shop) -> Mall:
    return Mall(shop.database, shop.clock)


def offer(shop: Shop, *items: dict[str, Any]) -> None:
    request = LoadRequest.model_validate({"mall_items": list(items)})
    Maintenance(shop.database, shop.clock).load_chain(request)


def wanted(number: int | str, item_id: str = "five") -> ExchangeRequest:
    return ExchangeRequest(item_id=item_id, exchange_id=f"exchange-{number}")


def coupons(shop: Shop, **where: Any) -> list[dict[str, Any]]:
    return list(shop.database.collection("coupons").find({"template_id": "mall-10-3", **where}))


def refusal(mall: Mall, member_id: str, request: ExchangeRequest) -> Code:
    with pytest.raises(Refusal) as refused:
        mall.exchange_points(member_id, request)
    return refused.value.code


def taken(shop: Shop, item_id: str = "five") -> int:
    found = shop.database.collection("mall_stock").find_one({"_id": item_id})
    assert found
    return int(found["taken"])


def test_a_repeated_exchange_gives_one_coupon(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE)
    alice = with_points(shop, ("2099-12-31", 250))
    first = mall.exchange_points(alice, wanted(1))
    assert (first.points, first.coupon.status) == (100, "issued")
    assert mall.exchange_points(alice, wanted(1)) == first
    assert [coupon["cause"] for coupon in coupons(shop)] == [f"mall:{alice}:exchange-1"]
    entries = shop.database.collection("points_entries")
    assert entries.find_one({"_id": f"use:mall:{alice}:exchange-1"})
    assert points_of(shop, alice) == (150, 0)
    assert taken(shop) == 1


def test_the_list_says_what_is_left_and_why_an_item_is_refused(
    shop: Shop, mall: Mall, clock: FakeClock
) -> None:
    offer(
        shop,
        FIVE | {"_id": "last", "stock": 1, "points": 10},
        FIVE | {"_id": "once", "per_member": 1, "stock": None, "points": 20},
        FIVE | {"_id": "dear", "points": 1_000},
        FIVE | {"_id": "hidden", "listed": False},
        FIVE | {"_id": "later", "valid_from": "2026-03-03"},
        FIVE | {"_id": "over", "valid_until": "2026-03-01"},
        FIVE | {"_id": "today", "valid_from": "2026-03-02", "valid_until": "2026-03-02"},
    )
    alice = with_points(shop, ("2099-12-31", 150))
    mall.exchange_points(alice, wanted(1, "last"))
    mall.exchange_points(alice, wanted(2, "once"))

    def listed(lang: Any) -> dict[str, tuple[int | None, str | None]]:
        return {
            item.item_id: (item.left, item.why_not) for item in mall.list_items(alice, lang).items
        }

    assert listed("zh") == {
        "last": (0, "已兑完"),
        "once": (None, "每人限兑 1 件"),
        "dear": (5, "积分不足"),
        "today": (5, None),
        "off-3": (None, "积分不足"),
        "off-20": (500, "积分不足"),
    }
    assert listed("en")["once"] == (None, "At most 1 per member")
    assert mall.list_items(alice).available == 120
    assert refusal(mall, alice, wanted(3, "last")) is RewardErrors.MALL_SOLD_OUT
    assert refusal(mall, alice, wanted(3, "once")) is RewardErrors.MALL_LIMIT_REACHED
    assert refusal(mall, alice, wanted(3, "dear")) is PointsErrors.POINTS_NOT_ENOUGH
    for name in ("hidden", "later", "over"):
        assert refusal(mall, alice, wanted(3, name)) is RewardErrors.MALL_ITEM_NOT_OFFERED
    assert refusal(mall, alice, wanted(3, "nothing")) is Code.NOT_FOUND
    clock.advance(days=1)
    assert refusal(mall, alice, wanted(3, "today")) is RewardErrors.MALL_ITEM_NOT_OFFERED
    assert points_of(shop, alice) == (120, 0)


def test_an_exchange_id_is_refused_for_another_item(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE, FIVE | {"_id": "other"})
    alice = with_points(shop, ("2099-12-31", 250))
    bob = with_points(shop, ("2099-12-31", 250), name="bob")
    mall.exchange_points(alice, wanted(1))
    assert refusal(mall, alice, wanted(1, "other")) is RewardErrors.EXCHANGE_ID_REUSED
    mall.exchange_points(bob, wanted(1))  # Another member may use the same id.
    assert len(coupons(shop)) == 2


def test_a_later_revision_adds_stock(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE | {"stock": 1})
    alice = with_points(shop, ("2099-12-31", 250))
    mall.exchange_points(alice, wanted(1))
    offer(shop, FIVE | {"stock": 1})  # A repeat changes nothing.
    assert refusal(mall, alice, wanted(2)) is RewardErrors.MALL_SOLD_OUT
    offer(shop, FIVE | {"stock": 2, "revision": 2})
    mall.exchange_points(alice, wanted(2))
    assert refusal(mall, alice, wanted(3)) is RewardErrors.MALL_SOLD_OUT
    with pytest.raises(Refusal, match="RULES_CONFLICT"):
        offer(shop, FIVE)


def test_an_item_with_an_unknown_coupon_template_is_not_stored(shop: Shop, mall: Mall) -> None:
    with pytest.raises(Refusal) as refused:
        offer(shop, FIVE | {"template_id": "nothing"})
    assert refused.value.field == "mall_items.five.template_id"
    assert refused.value.message() == "未找到：优惠券模板"
    assert "five" not in {item.item_id for item in mall.list_items(shop.register()).items}


def test_kpis_and_reconciliation_count_points_used_in_the_mall(
    shop: Shop, mall: Mall, clock: FakeClock
) -> None:
    offer(shop, FIVE)
    alice = with_points(shop, ("2099-12-31", 250))
    mall.exchange_points(alice, wanted(1))
    Holds(shop.database, shop.clock).hold_points(alice, "game:1", 50, "game")  # Not used yet.
    Kpis(shop.database, clock).roll_up_figures(60)
    report = Kpis(shop.database, clock).report_figures(ReportRequest(as_of=date(2026, 3, 2)))
    assert (report["points_issued"], report["points_used"]) == (250, 100)
    totals = Reconciliation(shop.database, clock).reconcile_page(None, 10)["totals"]
    assert (totals.points_used, totals.points_outstanding) == (100, 150)


def test_an_interrupted_exchange_goes_on_or_its_points_are_given_back(
    shop: Shop, mall: Mall
) -> None:
    offer(shop, FIVE)
    alice = with_points(shop, ("2099-12-31", 250))
    holds = Holds(shop.database, shop.clock)
    for number in (1, 2):
        holds.hold_points(alice, f"mall:{alice}:exchange-{number}", 100, "mall")
    mall.exchange_points(alice, wanted(1))
    let_hold_expire(shop, f"mall:{alice}:exchange-2")
    assert [holds.release_due_hold(due) for due in list(holds.due_holds())] == ["released"]
    assert refusal(mall, alice, wanted(2)) is HoldErrors.HOLD_RELEASED
    assert points_of(shop, alice) == (150, 0)
    assert taken(shop) == 1


def test_held_points_are_given_back_at_once_if_the_item_is_sold_out(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE | {"stock": 1})
    alice = with_points(shop, ("2099-12-31", 250))
    bob = with_points(shop, ("2099-12-31", 250), name="bob")
    Holds(shop.database, shop.clock).hold_points(alice, f"mall:{alice}:exchange-1", 100, "mall")
    mall.exchange_points(bob, wanted(1))
    assert refusal(mall, alice, wanted(1)) is RewardErrors.MALL_SOLD_OUT
    assert points_of(shop, alice) == (250, 0)


@pytest.mark.slow
def test_five_of_twenty_simultaneous_members_get_one_of_five_items(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE)
    members = [with_points(shop, ("2099-12-31", 100), name=f"m{n}") for n in range(20)]
    results = at_once([lambda m=member: mall.exchange_points(m, wanted(1)) for member in members])
    assert len(winners(results)) == 5
    lost = {result.code for result in results if isinstance(result, Refusal)}
    assert lost == {RewardErrors.MALL_SOLD_OUT}
    assert taken(shop) == len(coupons(shop)) == 5
    having = {coupon["member_id"] for coupon in coupons(shop)}
    for member in members:
        assert points_of(shop, member) == ((0, 0) if member in having else (100, 0))


def test_a_member_with_points_for_one_item_gets_one_of_several_simultaneous_exchanges(
    shop: Shop, mall: Mall
) -> None:
    offer(shop, FIVE)
    alice = with_points(shop, ("2099-12-31", 150))
    results = at_once(
        [lambda n=number: mall.exchange_points(alice, wanted(n)) for number in range(4)]
    )
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} == {PointsErrors.POINTS_NOT_ENOUGH}
    assert (len(coupons(shop)), taken(shop), spent(shop, alice)) == (1, 1, [100])
    assert points_of(shop, alice) == (50, 0)


def test_the_limit_per_member_holds_for_simultaneous_calls(shop: Shop, mall: Mall) -> None:
    offer(shop, FIVE | {"per_member": 2, "stock": None})
    alice = with_points(shop, ("2099-12-31", 1_000))
    results = at_once(
        [lambda n=number: mall.exchange_points(alice, wanted(n)) for number in range(6)]
    )
    assert len(winners(results)) == 2
    exchanges = shop.database.collection("mall_exchanges").find({"member_id": alice})
    assert sorted(exchange["seq"] for exchange in exchanges) == [1, 2]
    assert points_of(shop, alice) == (800, 0)


def test_simultaneous_calls_with_one_exchange_id_get_the_same_coupon(
    shop: Shop, mall: Mall
) -> None:
    offer(shop, FIVE | {"stock": 1})
    alice = with_points(shop, ("2099-12-31", 100))
    results = at_once([lambda: mall.exchange_points(alice, wanted(1))] * 5)
    assert len(winners(results)) == 5, results
    assert len({result.coupon.coupon_id for result in results}) == 1
    assert points_of(shop, alice) == (0, 0)
