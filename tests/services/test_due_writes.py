"""A writer that makes something due and tells nobody is found, however it writes."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import UpdateOne

from chain_data import FakeClock, Shop, item
from due_writes import DueWrites
from huitou.loyalty.tiers.service import Tiers
from huitou.runtime.database import Database
from huitou.runtime.followers import Followers
from huitou.runtime.triggers import TRIGGERS


class Deaf(Followers):
    """Followers that hear of nothing, as if the writer had forgotten to tell them."""

    def written(self, collection: str, ids: Any, fields: Any) -> None:
        """Do nothing."""


def test_a_forgotten_word_to_the_followers_is_found(
    chain: Database, clock: FakeClock, due_writes: DueWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "followers", Deaf())
    shop = Shop(chain, clock)
    member = shop.register()
    order = shop.order(member, items=[item(90)])
    shop.pay(order)
    assert due_writes.untold() == {("orders", "settlement", order.id)}
    shop.settlement.settle_order(order.id)
    assert ("accounts", "tier_review", member) in due_writes.untold()
    Tiers(chain, clock).evaluate_member(member)
    assert ("accounts", "benefits", member) in due_writes.untold()
    assert {trigger.marker for trigger in TRIGGERS} == {m for _, m, _ in due_writes.untold()}
    due_writes.forget()


@pytest.mark.parametrize(
    "way", ["insert", "update_one", "update_many", "bulk", "find", "pipeline", "replace"]
)
def test_every_way_to_write_a_marker_is_seen(
    database: Database, due_writes: DueWrites, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("due_writes.LAYER", __file__)  # As if this test were the layer's code.
    orders = database.collection("orders")
    order = {"member_id": "m", "status": "paid", "payable_fen": 1, "points_used": 0, "version": 1}
    if way == "insert":
        orders.insert_one({"_id": "o", "settlement": "due", **order})
    else:
        orders.insert_one({"_id": "o", **order})
    due: dict[str, Any] = {"$set": {"settlement": "due"}}
    if way == "update_one":
        orders.update_one({"_id": "o"}, due)
    elif way == "update_many":
        orders.update_many({"_id": {"$in": ["o"]}}, due)
    elif way == "bulk":
        orders.bulk_write([UpdateOne({"_id": "o"}, due)])
    elif way == "find":
        orders.find_one_and_update({"_id": "o"}, due)
    elif way == "pipeline":
        orders.update_one({"_id": "o"}, [{"$set": {"settlement": {"$literal": "due"}}}])
    elif way == "replace":
        orders.replace_one({"_id": "o"}, {"settlement": "due", **order})
    assert due_writes.untold() == {("orders", "settlement", "o")}
    due_writes.forget()


def test_a_write_that_finds_nothing_or_is_rolled_back_makes_nothing_due(
    database: Database, due_writes: DueWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("due_writes.LAYER", __file__)
    accounts = database.collection("accounts")
    accounts.insert_one({"_id": "m", "available": 0, "reserved": 0, "version": 1})
    due = {"$set": {"tier_review": "due"}}
    accounts.update_one({"_id": "nobody"}, due)
    database.rehearse(lambda session: accounts.update_one({"_id": "m"}, due, session=session))
    assert due_writes.untold() == set()
    database.transact(lambda session: accounts.update_one({"_id": "m"}, due, session=session))
    assert due_writes.untold() == {("accounts", "tier_review", "m")}
    due_writes.forget()
