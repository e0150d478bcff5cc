"""Every route of the console, for every role: no data of another store, no names without orders."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from console_people import Browser, index, owner, person
from huitou.members.profiles.rules import phone_hash, phone_identity
from huitou.members.profiles.till_service import FirstOrder, TillMembers
from huitou.operations.console.lookup_service import SEARCHES_AN_HOUR, PhoneBook
from huitou.operations.staff.models import OF_STORES, Role
from huitou.operations.staff.rules import MAY, may
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from merging import merged

__all__ = ["index", "owner"]  # Fixtures.
ROLES: tuple[Role, ...] = get_args(Role)
PERSON = {"nickname": "赵小明", "phone_last4": "8801"}


class There:
    """What a member left in a store of others: an order with address and invoice, and a refund."""

    def __init__(self, chain: Database, clock: FakeClock) -> None:
        self.shop = Shop(chain, clock)
        self.member = self.shop.register("bob")
        self.order: Order = self.shop.paid(self.member, store_id="xujiahui")
        members, orders = chain.collection("members"), chain.collection("orders")
        members.update_one({"_id": self.member}, {"$set": PERSON})
        kept = {
            "delivery": {"name": "赵收件", "phone": "13900008801", "address": "远方路 7 号"},
            "invoice": {
                "title": "远方公司",
                "email": "boss@far.example",
                "tax_number": "91310000FAR0000",
                "asked_at": clock.now(),
            },
        }
        orders.update_one({"_id": self.order.id}, {"$set": kept})
        refund = {
            "_id": "R-there-1",
            "schema": 1,
            "kind": "order",
            "order_id": self.order.id,
            "member_id": self.member,
            "store_id": "xujiahui",
            "amount_fen": 100,
            "reason": "远方原因",
            "actor": "far",
            "role": "cashier",
            "created_at": clock.now(),
            "status": "awaiting_approval",
        }
        chain.collection("refunds").insert_one(refund)
        gift = {
            "_id": "adj-there-1",
            "schema": 1,
            "member_id": self.member,
            "points": 5_000,
            "reason": "远方补偿",
            "actor": "store-managerxujiahui",
            "role": "manager",
            "day": self.order.business_day,
            "status": "awaiting_approval",
            "created_at": clock.now(),
        }
        chain.collection("points_adjustments").insert_one(gift)

    @property
    def secrets(self) -> list[str]:
        """Texts that only people of that store may read."""
        return [
            self.order.id,
            "赵小明",
            "8801",
            "赵收件",
            "远方",
            "boss@far.example",
            "91310000FAR0000",
            "R-there-1",
        ]

    def fields(self, model: type[Any]) -> dict[str, Any]:
        """Fill a request with everything of that store that it has a field for."""
        known = {
            "order_id": self.order.id,
            "member_id": self.member,
            "store_id": "xujiahui",
            "day": self.order.business_day,
            "refund_id": "R-there-1",
            "approve": False,
            "reason": "见过",
            "adjustment_id": f"adj-{secrets.token_hex(4)}",
            "points": 5,
            "template_id": "back-30-8",
            "cause": secrets.token_hex(4),
            "campaign_id": "day-3",
            "dish_id": "milk-tea",
            "tag": "vip",
        }
        named = {name: value for name, value in known.items() if name in model.model_fields}
        if model.__name__ == "DecideAdjustmentRequest":
            named["adjustment_id"] = "adj-there-1"
        if model.__name__ == "FindMembersRequest":
            return {"member_id": self.member}
        if model.__name__ == "FindOrdersRequest":
            return {"order_id": self.order.id}
        return named


@pytest.fixture
def there(chain: Database, clock: FakeClock) -> There:
    return There(chain, clock)


def answers(index: ModuleType, browser: Browser, there: There) -> Iterator[tuple[str, str]]:
    """Yield each route's answer as a text. Erasing and signing out come last."""
    late = ("members/erase", "session/sign_out", "session/password", "staff/change", "staff/reset")
    for route in sorted(MAY, key=lambda name: (name in late, name)):
        area, _, action = route.partition("/")
        model = index.routes(area)[action].request
        yield route, json.dumps(browser.send(route, there.fields(model)), ensure_ascii=False)


def test_the_table_of_permissions_names_every_route_and_no_other(index: ModuleType) -> None:
    assert set(MAY) == {f"{area}/{name}" for area in index.AREAS for name in index.routes(area)}


@pytest.mark.parametrize("role", OF_STORES)
def test_no_route_tells_a_stores_people_anything_of_another_store(
    index: ModuleType, chain: Database, there: There, role: Role
) -> None:
    browser = person(index, chain, role, "jingan").browser()
    called = 0
    for route, text in answers(index, browser, there):
        told = [word for word in there.secrets if word in text]
        assert not told, (role, route, told, text)
        assert '"INTERNAL"' not in text, (role, route)
        called += '"ok": true' in text
    assert called >= 4  # The routes really answered.


@pytest.mark.parametrize("role", [role for role in ROLES if not may(role, "orders/get")])
def test_no_route_tells_names_phones_addresses_or_invoices_without_the_orders_permission(
    index: ModuleType, chain: Database, there: There, role: Role
) -> None:
    browser = person(index, chain, role).browser()
    personal = [word for word in there.secrets if word not in (there.order.id, "R-there-1")]
    for route, text in answers(index, browser, there):
        told = [word for word in personal if word in text]
        assert not told, (role, route, told, text)


def test_marketing_has_no_permission_for_orders() -> None:
    assert [role for role in ROLES if not may(role, "orders/get")] == ["marketing"]


def test_people_of_the_store_itself_and_of_the_chain_see_names_and_orders(
    index: ModuleType, chain: Database, there: There, owner: Browser
) -> None:
    own = person(index, chain, "store_manager", "xujiahui").browser()
    for browser in (own, owner):
        [found] = browser.ask("members/search", member_id=there.member)["members"]
        assert (found["nickname"], found["phone_last4"]) == ("赵小明", "8801")
        [order] = browser.ask("members/orders", member_id=there.member)["orders"]
        assert order["delivery"]["address"] == "远方路 7 号"
        assert browser.ask("members/get", member_id=there.member)["profile"]["nickname"]
        entries = browser.ask("members/statement", member_id=there.member)["entries"]
        assert there.order.id in [entry["order_id"] for entry in entries]
    other = person(index, chain, "cashier", "jingan").browser()
    [found] = other.ask("members/search", member_id=there.member)["members"]
    assert (found["nickname"], found["phone_last4"]) == ("赵**", "**01")
    assert other.ask("members/orders", member_id=there.member)["orders"] == []
    profile = other.ask("members/get", member_id=there.member)["profile"]
    assert (profile["nickname"], profile["phone_last4"]) == ("赵**", "**01")


def test_an_order_list_of_a_member_has_the_stores_own_orders_on_every_page(
    index: ModuleType, chain: Database, there: There
) -> None:
    here = [there.shop.paid(there.member).id for _ in range(3)]
    there.shop.paid(there.member, store_id="xujiahui")
    cashier = person(index, chain, "cashier", "jingan").browser()
    seen: list[str] = []
    after = None
    while True:
        page = cashier.ask("members/orders", member_id=there.member, limit=2, after=after)
        seen += [order["order_id"] for order in page["orders"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(here)


def test_parts_of_a_phone_number_find_nobody(
    index: ModuleType, chain: Database, there: There, owner: Browser
) -> None:
    for wrong in ({"phone_last4": "8801"}, {"phone": "8801"}, {"phone": "1390000"}, {"phone": ""}):
        assert owner.refused("members/search", **wrong) == "INVALID_REQUEST"
    manager = person(index, chain, "store_manager", "jingan").browser()
    assert manager.refused("members/search", tag="vip") == "FORBIDDEN"


def test_a_whole_phone_number_finds_its_member_in_every_spelling(
    chain: Database, there: There
) -> None:
    key = b"k" * 32
    for phone in ("+8613900008801", "+85291234567"):
        identity = {"_id": phone_identity(phone_hash(phone, key)), "member_id": phone, "schema": 1}
        chain.collection("identities").insert_one(identity)
    book = PhoneBook(chain, key)
    assert book.find_by_phone("13900008801").member_id == "+8613900008801"
    assert book.find_by_phone("+85291234567").member_id == "+85291234567"
    assert book.find_by_phone("13900008802").member_id is None


def test_searches_of_a_person_are_limited_by_the_hour_also_if_many_come_at_once(
    index: ModuleType, chain: Database, there: There
) -> None:
    one, two = (
        person(index, chain, "cashier", store).browser() for store in ("jingan", "xujiahui")
    )
    calls = [lambda: one.send("members/search", {"member_id": there.member})] * 8
    sent = [answer for _ in range(8) for answer in at_once(calls)]
    assert sum(answer["ok"] for answer in sent) == SEARCHES_AN_HOUR
    assert {a["error"]["code"] for a in sent if not a["ok"]} == {"TOO_MANY_TRIES"}
    assert two.ask("members/search", member_id=there.member)["members"]


def test_what_waits_for_a_second_person_is_seen_and_decided_near_its_store(
    index: ModuleType, chain: Database, there: There, owner: Browser
) -> None:
    asker = person(index, chain, "store_manager", "xujiahui").browser()
    near = person(index, chain, "area_manager", "jingan", "xujiahui").browser()
    far = person(index, chain, "area_manager", "jingan").browser()
    for browser, seen in ((near, 1), (owner, 1), (asker, 1), (far, 0)):
        assert len(browser.ask("approvals/adjustments")["adjustments"]) == seen
        assert browser.ask("home/alarms")["adjustments"] == seen
    decision = {"adjustment_id": "adj-there-1", "approve": True}
    assert far.refused("approvals/decide_adjustment", **decision) == "NOT_FOUND"
    assert near.ask("approvals/decide_adjustment", **decision)["status"] == "applied"


def test_a_merge_that_waits_is_seen_and_decided_near_its_store(
    index: ModuleType, chain: Database, there: There, owner: Browser
) -> None:
    guest = there.shop.register("guest")
    asker = person(index, chain, "area_manager", "xujiahui").browser()
    near = person(index, chain, "area_manager", "jingan", "xujiahui").browser()
    far = person(index, chain, "area_manager", "jingan").browser()
    asked = {"from_member": guest, "into_member": there.member, "reason": "同一人"}
    asker.ask("members/merge", merge_id="merge-1", **asked)
    for browser, seen in ((near, 1), (owner, 1), (asker, 1), (far, 0)):
        assert len(browser.ask("approvals/merges")["merges"]) == seen
    decision = {"merge_id": "merge-1", "approve": False}
    assert far.refused("approvals/decide_merge", **decision) == "NOT_FOUND"
    assert near.ask("approvals/decide_merge", **decision)["status"] == "rejected"


@pytest.mark.parametrize("route", ["get", "statement", "orders", "coupons", "messages"])
def test_every_route_that_finds_a_member_by_number_counts_as_a_search(
    index: ModuleType, chain: Database, clock: FakeClock, there: There, route: str
) -> None:
    """Numbers at the till follow each other: K001, K002. Ids don't, so they aren't counted."""
    first = FirstOrder("2026-03-01", clock.now(), None)
    numbers = {f"K{number:03}": first for number in range(3)}
    till = TillMembers(chain, clock, "huitou")
    chain.transact(lambda session: till.register_till_members(numbers, session))
    cashier = person(index, chain, "cashier", "jingan").browser()
    tried = [f"K{number:03}" for number in range(SEARCHES_AN_HOUR + 5)]
    sent = [cashier.send(f"members/{route}", {"member_id": number}) for number in tried]
    codes = [answer["error"]["code"] for answer in sent if not answer["ok"]]
    assert codes == ["NOT_FOUND"] * (SEARCHES_AN_HOUR - 3) + ["TOO_MANY_TRIES"] * 5
    assert cashier.send(f"members/{route}", {"member_id": there.member})["ok"]


def test_an_old_id_shows_the_person_on_every_route(
    index: ModuleType, chain: Database, clock: FakeClock, there: There, owner: Browser
) -> None:
    goes_on = there.shop.register("goes on")
    merged(chain, clock, there.member, goes_on)
    for route in ("get", "statement", "orders", "coupons", "messages"):
        old, new = (owner.ask(f"members/{route}", member_id=one) for one in (there.member, goes_on))
        assert old == new, route


@pytest.mark.parametrize("route", ["statement", "orders", "coupons", "messages"])
def test_a_cursor_that_is_none_of_ours_is_refused(owner: Browser, there: There, route: str) -> None:
    for wrong in ("9" * 30, "-1", "x", "9.9.9", "2026-13-45|x", "\x00"):
        answer = owner.send(f"members/{route}", {"member_id": there.member, "after": wrong})
        error = answer["error"]
        assert (error["code"], error["field"]) == ("INVALID_REQUEST", "after"), (wrong, error)


def test_the_record_of_changes_keeps_no_number_that_was_typed_as_a_member(
    index: ModuleType, owner: Browser, there: There
) -> None:
    phone = "13800001111"
    named = {
        "adjust": {"member_id": phone, "adjustment_id": "adjust-1", "points": 5},
        "issue": {"member_id": phone, "template_id": "back-30-8", "cause": "c1"},
        "erase": {"member_id": phone},
        "merge": {"merge_id": "merge-1", "from_member": phone, "into_member": phone},
    }
    for route, fields in named.items():
        assert owner.refused(f"members/{route}", reason="x", **fields) == "NOT_FOUND"
    gift = {"member_id": there.member, "adjustment_id": "adjust-2", "points": 5, "reason": "x"}
    owner.ask("members/adjust", **gift)
    assert phone not in json.dumps(owner.ask("changes/list"))
    [kept] = owner.ask("changes/list", target=f"member {there.member}")["changes"]
    assert (kept["route"], kept["outcome"]) == ("members/adjust", "done")
