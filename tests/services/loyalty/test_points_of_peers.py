"""Bugs that other projects had with points (Odoo, ERPNext, ruoyi, CRMEB, mitxpro), by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from test_points_races import rules

from chain_data import FakeClock, Shop, item
from huitou.catalog.stores.models import Store
from huitou.catalog.stores.service import Stores
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.models import Caps, Expiry, PointsRules
from huitou.loyalty.points.service import Points
from huitou.ordering.orders.models import PendingRefund
from huitou.runtime.database import Database
from huitou.runtime.paging import PageRequest


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def entries(shop: Shop, member_id: str) -> list[dict[str, Any]]:
    found = shop.database.collection("points_entries").find({"member_id": member_id})
    return sorted(found, key=lambda entry: int(entry["number"]))


def test_points_spent_before_a_refund_are_taken_back(shop: Shop) -> None:
    """Odoo 257854 and ERPNext 32951; ruoyi lost the debit."""
    member_id = shop.register()
    earned = shop.paid(member_id, items=[item(20)])
    spent = shop.paid(member_id, items=[item(20)], points=300)
    shop.refund(earned)
    shop.settlement.settle_order(earned.id)
    shop.refund(spent)
    shop.settlement.settle_order(spent.id)
    account = shop.account(member_id)
    assert (account["available"], account["debt"], account["lots"]) == (0, 0, {})
    assert shop.differences() == []


def test_a_claw_back_entry_has_exactly_the_points_that_it_took(shop: Shop) -> None:
    """CRMEB set the balance to 0 and logged the full amount, so log and balance differed."""
    rules(shop, claw_back="within_balance")
    member_id = shop.register()
    earned = shop.paid(member_id, items=[item(20)])
    shop.paid(member_id, items=[item(4)], points=200 - 100)
    before = shop.account(member_id)["available"]
    shop.refund(earned)
    shop.settlement.settle_order(earned.id)
    [back] = [entry for entry in entries(shop, member_id) if entry["kind"] == "claw-back"]
    assert before < 300
    assert (back["points"], back["waived"]) == (-before, 300 - before)
    assert back["balance"] == shop.account(member_id)["available"] == 0
    assert shop.differences() == []


def test_a_refund_does_not_use_points_again(shop: Shop) -> None:
    """Odoo 212922: a refund took points once more."""
    member_id = shop.register()
    shop.paid(member_id, items=[item(20)])
    before = shop.account(member_id)["available"]
    order = shop.paid(member_id, items=[item(10)], points=200)
    shop.refund(order)
    for _ in range(3):
        shop.settlement.settle_order(order.id)
        shop.database.collection("orders").update_one(
            {"_id": order.id}, {"$set": {"settlement": "due"}}
        )
    assert shop.account(member_id)["available"] == before
    assert [e["kind"] for e in entries(shop, member_id)].count("use") == 1


@pytest.mark.parametrize("amounts", [(1, 2, 3, 4), (999, 1), (333, 333, 334), (50,) * 20])
def test_partial_refunds_take_back_exactly_what_was_given(
    shop: Shop, amounts: tuple[int, ...]
) -> None:
    """For any parts: after each, the order keeps what its rest would earn, in the end nothing."""
    member_id = shop.register()
    shop.paid(member_id, items=[item(20)])
    held = shop.account(member_id)["available"]
    order = shop.paid(member_id, items=[item(1)], points=100)
    left = order.payable_fen
    for number, amount_fen in enumerate(amounts):
        shop.refund(order, f"part-{number}", amount_fen)
        shop.settlement.settle_order(order.id)
        left -= amount_fen
        back = 100 * (order.payable_fen - left) // order.payable_fen
        assert shop.account(member_id)["available"] == held - 100 + left // 100 + back
    shop.refund(order, "the-rest")
    shop.settlement.settle_order(order.id)
    assert shop.account(member_id)["available"] == held
    assert shop.differences() == []


def test_points_are_valid_to_the_end_of_their_last_day_in_the_stores_zone(
    shop: Shop, clock: FakeClock
) -> None:
    """mitxpro 991: by the server's clock they ended a day early."""
    rules(shop, expiry=Expiry(kind="rolling_months", months=1))
    member_id = shop.register()
    shop.paid(member_id, items=[item(20)])  # On 2 March, in Shanghai.
    points = Points(shop.database, clock)
    clock.moment = datetime(2026, 4, 2, 19, 59, 59, tzinfo=UTC)  # 03:59:59 in Shanghai.
    points.bring_up_to_date(member_id)
    assert shop.account(member_id)["available"] == 300
    assert points.available_points(member_id) == 300
    clock.moment += timedelta(seconds=1)
    assert points.available_points(member_id) == 0  # Even if no timer has run yet.
    points.bring_up_to_date(member_id)
    assert shop.account(member_id)["available"] == 0


def test_members_get_one_notice_a_week_before_points_expire(shop: Shop, clock: FakeClock) -> None:
    rules(shop, expiry=Expiry(kind="rolling_months", months=1))
    members = [shop.register(name) for name in ("ann", "bob")]
    for member_id in members:
        shop.paid(member_id, items=[item(20)])  # They expire on 2 April.
    points, notices = Points(shop.database, clock), Notices(shop.database, clock)

    def notices_of(member_id: str) -> list[str]:
        points.bring_all_up_to_date(list(points.due_accounts()))
        listed = notices.list_notices(member_id, PageRequest(), "zh")["notices"]
        return [notice["text"] for notice in listed]

    clock.moment = datetime(2026, 3, 26, 15, tzinfo=UTC) - timedelta(days=1)
    assert notices_of(members[0]) == []
    clock.advance(days=1)
    for _ in range(2):
        assert [len(notices_of(member_id)) for member_id in members] == [1, 1]
    assert "300" in notices_of(members[0])[0]
    clock.advance(days=8)
    assert len(notices_of(members[0])) == 1
    assert shop.account(members[0])["available"] == 0


def test_points_stay_valid_while_the_day_lasts_at_a_store_further_west(
    shop: Shop, clock: FakeClock
) -> None:
    """Points valid today stay valid until the day is over at the westernmost store."""
    rules(shop, expiry=Expiry(kind="rolling_months", months=1))
    west = Store(id="west", brand_id="huitou", name="迪拜店", zone="Asia/Dubai", hours=[])
    Stores(shop.database, clock).put_store(west)
    shop.database.cache.clear()
    member_id = shop.register()
    shop.paid(member_id, items=[item(20)])
    points = Points(shop.database, clock)
    clock.moment = datetime(2026, 4, 2, 23, 59, 59, tzinfo=UTC)  # 03:59:59 in Dubai.
    assert points.available_points(member_id) == 300
    clock.moment += timedelta(seconds=1)
    assert points.available_points(member_id) == 0


def test_a_refund_takes_points_that_wait_for_completion(shop: Shop, clock: FakeClock) -> None:
    usable = PointsRules().usable.model_copy(update={"kind": "on_completion"})
    rules(shop, usable=usable)
    member_id = shop.register()
    kept, voided = (shop.paid(member_id, items=[item(20)]) for _ in range(2))
    points = Points(shop.database, clock)
    assert (points.available_points(member_id), points.show_points(member_id).pending) == (0, 600)
    shop.refund(voided)
    shop.settlement.settle_order(voided.id)
    assert points.show_points(member_id).pending == 300
    assert shop.orders.move_paid_order(shop.orders.get_order(kept.id), "completed", None)
    assert shop.settlement.settle_order(kept.id) == "settled"
    assert (points.available_points(member_id), points.show_points(member_id).pending) == (300, 0)
    assert shop.differences() == []


def test_points_become_usable_if_the_refund_of_a_completed_order_fails(
    shop: Shop,
) -> None:
    """The order is settled while its whole refund is pending; then the refund fails."""
    usable = PointsRules().usable.model_copy(update={"kind": "on_completion"})
    rules(shop, usable=usable)
    member_id = shop.register()
    order = shop.orders.get_order(shop.paid(member_id, items=[item(20)]).id)
    assert shop.orders.move_paid_order(order, "completed", None)
    completed = shop.orders.get_order(order.id)
    pending = PendingRefund(refund_id="R1", amount_fen=completed.left_fen)
    shop.database.transact(
        lambda session: shop.orders.begin_refund(completed, pending, "till", session)
    )
    assert shop.settlement.settle_order(order.id) == "settled"
    shop.database.transact(
        lambda session: shop.orders.end_refund(order.id, "R1", given=False, session=session)
    )
    assert shop.orders.get_order(order.id).status == "completed"
    assert shop.settlement.settle_order(order.id) == "settled"
    assert Points(shop.database, shop.clock).available_points(member_id) == 300
    assert shop.differences() == []


@pytest.mark.parametrize("policy", ["pending_only", "within_balance"])
def test_points_that_a_refund_waives_make_no_room_under_the_cap_of_a_day(
    shop: Shop, policy: str
) -> None:
    """Buying, spending and refunding several times gives no more than the cap allows."""
    rules(shop, claw_back=policy, caps=Caps(day_points=100))
    member_id = shop.register()
    for _ in range(3):
        order = shop.paid(member_id, items=[item(20)])
        available = shop.account(member_id)["available"]
        if available and policy == "within_balance":
            shop.paid(member_id, items=[item(20)], points=available)
        shop.refund(order)
        shop.settlement.settle_order(order.id)
    gained = sum(e["points"] for e in entries(shop, member_id) if e["kind"] != "use")
    assert gained <= 100
    assert shop.differences() == []
