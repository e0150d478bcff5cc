"""No hot statement lacks its collection's shard key, and no guarantee needs another one.

`mongos` can't be had here, so each statement is judged by its filter.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chain_data import FakeClock, item
from handlers import Run, call
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.merges.following import FOLLOWING
from huitou.runtime.database import Database
from huitou.runtime.declarations import declarations
from localcloud.keys import LocalSecrets
from localcloud.mongod import Mongod
from merging import merged
from paying import PayingShop
from routing import KEYS, Statement, statements
from watching import Commands, watched, watching_new_clients

__all__ = ["call"]  # A fixture.
# Hot statements that one shard can't answer alone, and why that is borne.
NOT_TARGETED = {
    ("update", "coupons", ("_id", "status", "order_id")): "an order uses its coupon by the coupon's"
    " id; one of the shards finds it. Next: name the member as well",
    (
        "aggregate",
        "coupons",
        ("_id",),
    ): "a cart names a coupon by its id, and the answer must tell a"
    " stranger's coupon from one that doesn't exist. Next: ask for the member's own first",
    ("aggregate", "coupons", ("$or",)): "a limited template's coupons are counted by their first"
    " member, whoever holds them. Next: places of their own, see `gives_up` of `coupons`",
}
# Statements of refunds and merges that a cluster refuses: these must change before a first shard.
REFUSED = {
    ("$lookup", "points_entries"): "an order that was settled before is read with its entries in"
    " one statement of a transaction. Before MongoDB 8 that takes two",
    **{
        ("update", name): "a merge gives all of a member's documents away at once, which moves them"
        " to other shards. That takes one statement for each"
        for name in ("arrivals", "coupons", "exposures")
    },
}
# Unique indexes that a shard can't keep, since they don't begin with the shard key.
GIVEN_UP = {
    ("coupons", "issued_one_per_seq"),
    ("coupons", "issued_one_per_day_seq"),
    ("coupons", "issued_one_per_month_seq"),
}
# Where the shard key isn't the id, an id must always go to the same shard to be there only once.
ONE_SHARD_FOR_AN_ID = {
    "payments": "the id begins with the order's id",
    "coupons": "the id is made of what caused the coupon, which names the member; gifts and merges"
    " move the document itself",
    "exposures": "the id names the member; a merge moves the document itself",
    "arrivals": "the id names the member; a merge moves the document itself",
    "consents": "the id names the member, for ever",
    "tier_changes": "the id names the member, for ever",
    "mall_exchanges": "the id names the member; a merge moves the document itself",
}
# Collections that name members and stay whole on one shard.
WHOLE = {
    "erasures": "one for each member who leaves",
    "import_batches": "one for some hundred rows of an import",
    "limit_pools": "one for each quota",
    "merges": "one for each merge",
    "phone_moves": "one for each number that changes hands",
    "points_adjustments": "staff make them by hand",
    "referral_codes": "at most one for each member, of a hundred bytes; a code is unique, and so is"
    " its member",
    "referrals": "at most one for each invited member; unique by invited member and by inviter",
    "staff_changes": "staff make them by hand",
}


@pytest.fixture
def shop(
    chain: Database, mongod: Mongod, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> tuple[PayingShop, Commands]:
    with watched(mongod.uri, chain.name) as (database, commands):
        yield PayingShop(database, clock, keys, tmp_path), commands  # type: ignore[misc]


def sent(commands: Commands) -> list[Statement]:
    return [one for command in commands.sent for one in statements(command)]


def not_targeted(found: list[Statement]) -> dict[tuple[str, str, tuple[str, ...]], Statement]:
    return {
        (one.command, one.collection, one.fields): one for one in found if one.route != "one shard"
    }


def give_coupon(shop: PayingShop, member_id: str, cause: str) -> str:
    coupons = Coupons(shop.database, shop.clock)
    template = coupons.find_templates(["welcome-20-5"])["welcome-20-5"]
    issued, _ = coupons.try_issue_coupon(template, member_id=member_id, cause=cause)
    assert issued
    return issued.id


def test_every_statement_of_an_order_asks_one_shard(shop: tuple[PayingShop, Commands]) -> None:
    till, commands = shop
    member_id = till.register()
    coupon_id = give_coupon(till, member_id, f"staff:{member_id}:1")
    for cart in ({"coupon_id": coupon_id}, {"coupons": "best"}):
        order = till.bought(member_id, items=[item(3)], **cart)
        assert till.settlement.settle_order(order.id) == "settled"
        tiers = Tiers(till.database, till.clock)
        tiers.evaluate_member(member_id)
        tiers.evaluate_members([member_id])  # As the timer reviews many.
        TierCoupons(till.database, till.clock).grant_entry_coupons(member_id)
        for step in ("accepted", "preparing", "ready", "picked_up", "completed"):
            till.fulfilment.take_step(order.id, step, "till-1")  # type: ignore[arg-type]
        assert till.orders.own_order(member_id, order.id).status == "completed"
    found = sent(commands)
    written = {one.collection for one in found if one.command == "insert"}
    assert {
        "identities",
        "members",
        "logins",
        "orders",
        "payments",
        "coupons",
        "shares",
        "points_entries",
    } <= written
    assert set(not_targeted(found)) == set(NOT_TARGETED)


def test_every_statement_of_a_guest_who_looks_asks_one_shard(call: Run) -> None:
    """A log-in, the menu, a quote and an order through the doors, with their limits of calls."""
    cart = {"store_id": "jingan", "items": [item(2)]}
    with watching_new_clients() as commands:
        call("member-profile", {"action": "login"}, "alice")
    call("store-menu", {"action": "menu", "store_id": "jingan"}, "alice")
    call("member-profile", {"action": "coupons"}, "alice")
    quote = call("pay", {"action": "quote", **cart}, "alice")["data"]
    priced = {"quote_id": quote["quote_id"], "payable_fen": quote["payable_fen"]}
    order = call("pay", {"action": "create", **cart, **priced}, "alice")["data"]
    call("pay", {"action": "status", "order_id": order["order_id"]}, "alice")
    call("pay", {"action": "cancel", "order_id": order["order_id"]}, "alice")
    found = sent(commands)
    assert {"stores", "accounts", "orders", "identities"} <= {one.collection for one in found}
    assert not_targeted(found) == {}


def test_what_a_cluster_would_refuse_is_known(shop: tuple[PayingShop, Commands]) -> None:
    """A refund and a merge, as they send statements that an order's own way doesn't."""
    till, commands = shop
    one, other = till.register("one"), till.register("other")
    order = till.bought(one, "one", items=[item(3)])
    till.settlement.settle_order(order.id)
    till.give_back(order.id)
    till.let_happen()
    assert till.settlement.settle_order(order.id) == "settled"
    merged(till.database, till.clock, one, other)
    refused = {(o.command, o.collection) for o in sent(commands) if o.route == "refused"}
    assert refused == set(REFUSED)


def test_a_unique_index_begins_with_the_shard_key_or_is_given_up() -> None:
    lost = set()
    for one in declarations():
        for made in one.indexes:
            first = next(iter(made.document["key"]))
            if one.shard_key and made.document.get("unique") and first != one.shard_key.field:
                lost.add((one.name, made.document["name"]))
    assert lost == GIVEN_UP
    [coupons] = [one for one in declarations() if one.name == "coupons"]
    assert coupons.shard_key
    assert "unique" in coupons.shard_key.gives_up


def test_an_id_is_unique_in_the_whole_cluster() -> None:
    other = {name for name, field in KEYS.items() if field != "_id"}
    assert other == set(ONE_SHARD_FOR_AN_ID)


def test_each_collection_that_names_members_is_sharded_or_small() -> None:
    assert {name for name in FOLLOWING if name not in KEYS} == set(WHOLE)


def test_a_statement_is_judged_by_its_filter() -> None:
    def route(command: dict[str, object]) -> str:
        [one] = statements(command)
        return one.route

    assert route({"find": "orders", "filter": {"_id": "o1"}}) == "one shard"
    assert route({"find": "orders", "filter": {"_id": {"$in": ["o1"]}}}) == "one shard"
    assert route({"find": "orders", "filter": {"_id": {"$gt": "o1"}}}) == "every shard"
    assert route({"find": "orders", "filter": {"member_id": "m"}}) == "every shard"
    assert route({"find": "stores", "filter": {}}) == "one shard"
    either = [{"member_id": "m"}, {"issued_to": "m"}]
    assert route({"find": "coupons", "filter": {"$or": either}}) == "every shard"
    assert route({"findAndModify": "orders", "query": {"settlement": "due"}}) == "refused"
    moved = {"q": {"member_id": "m"}, "u": {"$set": {"member_id": "n"}}, "multi": True}
    assert route({"update": "coupons", "updates": [moved]}) == "refused"
    named = {"q": {"_id": "c"}, "u": {"$set": {"status": "used"}}}
    assert route({"update": "coupons", "updates": [named]}) == "every shard"
    unnamed = {"q": {"status": "open"}, "u": {"$set": {"status": "used"}}}
    assert route({"update": "coupons", "updates": [unnamed]}) == "refused"
    joined = {"$lookup": {"from": "points_entries", "pipeline": [{"$match": {"_id": "e"}}]}}
    within = {"aggregate": "accounts", "pipeline": [{"$match": {"_id": "m"}}, joined]}
    assert [one.route for one in statements(within)] == ["one shard", "one shard"]
    within["autocommit"] = False
    assert [one.route for one in statements(within)] == ["one shard", "refused"]
