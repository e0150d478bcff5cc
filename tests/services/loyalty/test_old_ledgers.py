"""The migration of points from before lots: entries are numbered, and nobody loses points."""

from __future__ import annotations

import pytest

from chain_data import FakeClock, Shop, item
from huitou.loyalty.liability.service import Liability
from huitou.loyalty.points.models import NEVER
from huitou.loyalty.points.service import Points
from huitou.runtime.database import Database
from huitou.runtime.declarations import migrations

_NEW_IN_ACCOUNTS = (
    "lots", "pending", "debt", "entries", "first_order_id", "points_on", "orders_by_day",
    "points_by_day",
)  # fmt: skip
_NEW_IN_ENTRIES = ("number", "balance", "lots", "debt", "orders", "booked_on", "waived", "rules")
_OLD_TERMS = ("tier", "tier_rules_revision", "points_rules_revision", "fen_per_point")


def make_old(database: Database) -> None:
    """Remove all fields that the older version didn't write."""
    for name, fields in (("accounts", _NEW_IN_ACCOUNTS), ("points_entries", _NEW_IN_ENTRIES)):
        everything = {"_id": {"$gt": ""}}
        database.collection(name).update_many(everything, {"$unset": dict.fromkeys(fields, "")})
    for order in database.collection("orders").find({"_id": {"$gt": ""}}):
        change: dict[str, object] = {"$unset": {"points_drawn": ""}}
        if "terms" in order:
            change["$set"] = {"terms": {name: order["terms"][name] for name in _OLD_TERMS}}
        database.collection("orders").update_one({"_id": order["_id"]}, change)


def migrate(database: Database) -> None:
    [numbering] = [step for step in migrations() if "numbered" in step.title]
    numbering.run(database)


@pytest.fixture
def old_shop(chain: Database, clock: FakeClock) -> Shop:
    """Three members of the older version: one saves, one owes, one has points set aside."""
    shop = Shop(chain, clock)
    saver, ower, waiter = (shop.register(name) for name in ("saver", "ower", "waiter"))
    for member_id in (saver, ower, waiter):
        shop.paid(member_id, items=[item(20)])
    shop.paid(saver, items=[item(4)], points=100)
    first = shop.paid(ower, items=[item(10)])
    shop.paid(ower, items=[item(30)], points=400)
    shop.refund(first)
    shop.settlement.settle_order(first.id)
    shop.order(waiter, items=[item(4)], points=200)
    make_old(chain)
    chain.collection("accounts").update_one({"_id": ower}, {"$inc": {"available": -900}})
    chain.collection("points_entries").update_one(
        {"_id": f"claw-back:R{first.id}"}, {"$inc": {"points": -900}}
    )
    return shop


def test_old_accounts_get_one_lot_without_end_and_their_entries_are_numbered(
    old_shop: Shop, clock: FakeClock
) -> None:
    before = {a["_id"]: a for a in old_shop.database.collection("accounts").find().hint("_id_")}
    migrate(old_shop.database)
    migrate(old_shop.database)  # Safe to repeat.
    after = {a["_id"]: a for a in old_shop.database.collection("accounts").find().hint("_id_")}
    for member_id, account in after.items():
        assert account["available"] == before[member_id]["available"]
        assert account["available"] == account["lots"].get(NEVER, 0) - account["debt"]
    assert any(account["debt"] for account in after.values())
    differing = old_shop.differences()
    assert differing == ["order's entries"]  # `old_shop` changed this entry by hand.
    points = Points(old_shop.database, clock)
    for member_id in after:
        entries = points.entries_before(member_id, None, 50)
        account = after[member_id]
        assert entries[0].balance == account["available"] + account["reserved"]
    assert Liability(old_shop.database, clock).report_liability(None, lambda: True).agrees


def test_points_set_aside_before_the_migration_are_spent_after_it(old_shop: Shop) -> None:
    migrate(old_shop.database)
    waiting = old_shop.database.collection("orders").find_one(
        {"status": "created", "expires_at": {"$exists": True}}
    )
    assert waiting
    order = old_shop.orders.get_order(waiting["_id"])
    assert old_shop.pay(order)
    assert old_shop.settlement.settle_order(order.id) == "settled"
    account = old_shop.account(order.member_id)
    assert account["reserved"] == 0
    assert old_shop.differences() == ["order's entries"]
