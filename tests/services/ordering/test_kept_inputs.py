"""An order keeps little, and its price, its points and its refunds are still proved."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.models import Order
from huitou.ordering.quotes.inputs_service import KeptInputs
from huitou.promotions.offers.models import Offer
from huitou.runtime.database import Database, connect
from huitou.runtime.errors import HuitouError, Refusal
from hunting import examples
from localcloud.mongod import Mongod
from older_orders import write_as_before

carts = st.fixed_dictionaries(
    {
        "items": st.lists(
            st.builds(
                item,
                st.integers(1, 4),
                st.just("milk-tea"),
                st.sampled_from(["m", "l"]),
            ),
            min_size=1,
            max_size=3,
        ),
        "mode": st.sampled_from(["dine_in", "pickup"]),
        "coupons": st.sampled_from(["best", "named"]),
    }
)


def all_that_follows(shop: Shop, member_id: str, order: Order) -> str:
    """Return what a guest, staff and the ledger see of a member's only order, without ids."""
    explained = shop.orders.explain_price(order.id)
    assert explained.same
    seen: dict[str, Any] = {
        "explained": explained.model_dump(mode="json"),
        # A paid order of before still says until when it could be paid.
        "shown": shop.orders.own_order(member_id, order.id)
        .shown()
        .model_dump(mode="json", exclude={"expires_at"}),
        "account": shop.account(member_id),
        "entries": list(shop.database.collection("points_entries").find({"member_id": member_id})),
    }
    text = json.dumps(seen, sort_keys=True, default=str)
    return text.replace(order.id, "ORDER").replace(member_id, "MEMBER")


def test_an_order_of_the_version_before_leads_to_the_same(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)

    @given(cart=carts, part_fen=st.integers(1, 1_000))
    @settings(max_examples=examples(4), suppress_health_check=[HealthCheck.too_slow])
    def leads_to_the_same(cart: dict[str, Any], part_fen: int) -> None:
        number = chain.collection("members").estimated_document_count()
        new, old = (shop.register(f"{name}-{number}") for name in ("new", "old"))
        orders = {new: shop.order(new, **cart), old: shop.order(old, **cart)}

        def same() -> None:
            write_as_before(chain, orders[old].id)
            found = [all_that_follows(shop, who, order) for who, order in orders.items()]
            assert found[0] == found[1]

        same()
        for order in orders.values():
            assert shop.pay(order)
        same()
        for order in orders.values():
            assert shop.settlement.settle_order(order.id) == "settled"
        same()
        for amount_fen in (part_fen, None):
            for order in orders.values():
                shop.refund(order, f"{amount_fen}-{order.id}", amount_fen)
                assert shop.settlement.settle_order(order.id) == "settled"
            same()

    leads_to_the_same()
    assert shop.differences() == []


def test_a_call_repeated_after_the_update_returns_the_order_of_before(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    request = shop.request(alice)
    order = shop.orders.create_order(alice, request)
    write_as_before(chain, order.id)
    assert shop.orders.create_order(alice, request).id == order.id
    other = request.model_copy(update={"table": "7"})
    with pytest.raises(Refusal) as refused:
        shop.orders.create_order(alice, other)
    assert refused.value.code == OrderErrors.QUOTE_ID_REUSED


def test_an_order_is_no_larger_among_many_offers(chain: Database, clock: FakeClock) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    shop.paid(alice)  # The next ones aren't the first order.

    def size() -> int:
        order = shop.paid(alice, items=[item(2), item(1, "spring-rolls", "one")])
        return len(bson.encode(chain.collection("orders").find_one({"_id": order.id}) or {}))

    few = size()
    for number in range(44):
        offer = Offer.model_validate({
            "_id": f"weekday-lunch-{number}", "name": "午市", "group": "reduction",
            "terms": {"base": "list", "threshold_fen": 10_000_000, "off_fen": 1},
        })  # fmt: skip
        chain.collection("offers").insert_one(offer.document())
    chain.cache.clear()
    assert size() == few < 1_450


def test_inputs_that_orders_share_are_stored_once_by_instances_at_once(
    mongod: Mongod, chain: Database, clock: FakeClock
) -> None:
    instances = [Shop(connect(mongod.uri, chain.name), clock) for _ in range(3)]
    members = [instances[0].register(name) for name in ("alice", "bob", "carol")]
    calls = [
        lambda shop=shop, member=member: shop.order(member)
        for shop, member in zip(instances, members, strict=True)
    ]
    orders = at_once(calls)
    shared = {order.priced_with.shared for order in orders}
    assert shared == {one["_id"] for one in chain.collection("price_inputs").find({}, hint="_id_")}
    assert len(shared) == 1
    for shop, order in zip(instances, orders, strict=True):
        assert shop.orders.explain_price(order.id).same
        shop.database.client.close()


def test_an_order_is_not_written_if_its_inputs_are_not(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    request = shop.request(alice)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(chain.collection("price_inputs"), "insert_one", killed)
        with pytest.raises(KeyboardInterrupt):
            shop.orders.create_order(alice, request)
    assert chain.collection("orders").find_one({"member_id": alice}) is None
    order = shop.orders.create_order(alice, request)
    assert shop.orders.explain_price(order.id).same


def test_inputs_that_were_removed_by_hand_are_an_error_and_no_price(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    order = shop.order(shop.register())
    chain.collection("price_inputs").delete_one({"_id": order.priced_with.shared})
    with pytest.raises(HuitouError):
        KeptInputs(chain).inputs_of(order)
