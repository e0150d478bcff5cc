"""Members who were merged or erased by the version before: the migration finishes the work."""

from __future__ import annotations

from chain_data import FakeClock, Shop, item
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.runtime.database import Database
from huitou.runtime.declarations import migrations
from huitou.runtime.migrations import migrate
from huitou.runtime.paging import PageRequest


def test_the_orders_of_a_member_merged_before_become_the_persons(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    one, two, three = (shop.register(name) for name in ("one", "two", "three"))
    order = shop.paid(one, items=[item(4)])
    members = chain.collection("members")
    for source, into in ((one, two), (two, three)):  # As the version before left them.
        members.update_one({"_id": source}, {"$set": {"merged_into": into}})
    steps = [step for step in migrations() if step.number in (8, 9)]
    for _ in range(2):  # A crash may let it run twice.
        chain.collection("meta").delete_many({"_id": "migrations"})
        migrate(chain, steps)
    found = shop.orders.list_orders(three, PageRequest(limit=5)).orders
    assert [shown.order_id for shown in found] == [order.id]
    assert shop.account(three)["available"] == 60
    assert shop.differences() == []


def test_a_person_erased_before_is_forgotten_under_the_merged_id_too(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    one, two = shop.register("one"), shop.register("two")
    place = {"name": "收件人", "phone": "13987654321", "address": "某某路一号"}
    order = shop.paid(one, mode="delivery", delivery=place)
    orders, members = chain.collection("orders"), chain.collection("members")
    request = EraseMemberRequest(member_id=two, actor="owner", reason="本人要求")
    Erasures(chain, clock, "huitou").erase_member(request)
    members.update_one({"_id": one}, {"$set": {"merged_into": two, "nickname": "爱丽丝"}})
    orders.update_one({"_id": order.id}, {"$set": {"status": "completed"}})
    migrate(chain, [step for step in migrations() if step.number in (8, 9)])
    assert "delivery" not in (orders.find_one({"_id": order.id}) or {})
    assert "nickname" not in (members.find_one({"_id": one}) or {})
    assert shop.account(two)["available"] == shop.account(one)["available"] == 0
