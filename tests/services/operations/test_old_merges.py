"""Members who were merged or erased by the version before: the migration finishes the work."""

from __future__ import annotations

from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.service import Gifts
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


def test_coupons_that_merged_ids_gave_away_before_count_for_the_person(
    chain: Database, clock: FakeClock
) -> None:
    """In the version before, a coupon kept its place for its holder, and a gift freed it."""
    shop, coupons = Shop(chain, clock), Coupons(chain, clock)
    template = CouponTemplate.model_validate(
        {"_id": "two", "name": "两张", "valid_days": 7, "transferable": True}
        | {"terms": {"off_fen": 100}, "limits": {"per_member": 3}}
    )
    coupons.put_templates([template], [])
    one, other, *friends = (shop.register(name) for name in ("one", "other", "f", "g"))
    gifts, stored = Gifts(chain, clock, b"k" * 32), chain.collection("coupons")
    for number, friend in enumerate(friends):
        coupon = coupons.issue_coupon(template, member_id=one, cause=f"c{number}")
        assert coupon
        gifts.take_gift(friend, gifts.give_coupon(one, coupon.id).gift)
    assert coupons.issue_coupon(template, member_id=other, cause="c9")
    old = {"$unset": {"issued_to": "", "times_given": ""}}
    stored.update_many({"template_id": "two"}, old)
    stored.update_many({"template_id": "two"}, {"$set": {"seq": 1}})
    chain.collection("members").update_one({"_id": one}, {"$set": {"merged_into": other}})
    steps = [step for step in migrations() if step.number in (8, 9, 10)]
    for _ in range(2):  # A crash may let it run twice.
        chain.collection("meta").delete_many({"_id": "migrations"})
        migrate(chain, steps)
    assert coupons.try_issue_coupon(template, member_id=other, cause="c10")[1] == "limit_reached"
    for friend in friends:
        assert coupons.issue_coupon(template, member_id=friend, cause=f"of {friend}")
