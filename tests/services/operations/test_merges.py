"""Merging two accounts of one person: everything moves to the other, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.merges.errors import MergeErrors
from huitou.operations.merges.models import MergeAnswer
from huitou.operations.merges.service import Merges
from huitou.persons.ids.errors import PersonErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.identity import Caller
from merging import KEY, codes, wish


class Counter:
    """A shop, and staff who merge its members."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.shop = Shop(database, clock)
        self.merges = Merges(database, clock, "huitou", KEY)
        self.alice, self.old = self.shop.register("alice"), self.shop.register("alice-old")

    def merge(
        self, number: str = "1", source: str = "", into: str = "", **more: Any
    ) -> MergeAnswer:
        one, other = source or self.old, into or self.alice
        proofs = codes(one, other)
        return self.merges.merge_members(wish(one, other, f"merge-{number}", **proofs, **more))

    def refused(self, *names: str, **more: Any) -> Code:
        with pytest.raises(Refusal) as refused:
            self.merge(*names, **more)
        return refused.value.code


@pytest.fixture
def counter(chain: Database, clock: FakeClock) -> Counter:
    return Counter(chain, clock)


def issue(shop: Shop, member_id: str, cause: str) -> str:
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template = CouponTemplate.model_validate(found)
    issued = Coupons(shop.database, shop.clock).issue_coupon(
        template, member_id=member_id, cause=cause
    )
    assert issued
    return issued.id


def test_lots_figures_coupons_and_identities_are_moved_and_the_books_agree(
    counter: Counter,
) -> None:
    shop = counter.shop
    shop.paid(counter.alice, items=[item(2)])
    shop.paid(counter.old, items=[item(4)])
    coupon_id = issue(shop, counter.old, "test")
    done = counter.merge()
    assert (done.points, done.coupons, done.identities) == (60, 1, 1)
    into, source = shop.account(counter.alice), shop.account(counter.old)
    assert (into["available"], source["available"]) == (90, 0)
    assert into["lots"] == {"2027-12-31": 90}
    assert into["spend_by_day"] == {"2026-03-02": 9_000}
    assert into["orders_by_day"] == {"2026-03-02": 2}
    assert into["points_by_day"] == {"2026-03-02": 90}
    assert not any(source["spend_by_day"].values())
    for openid in ("alice", "alice-old"):
        assert shop.members.member_id_of(Caller(openid, "wxapp")) == counter.alice
    assert (
        Coupons(shop.database, shop.clock).find_coupons([coupon_id])[0].member_id == counter.alice
    )
    assert shop.differences() == []
    assert counter.merge() == done  # A repetition moves nothing.
    assert shop.account(counter.alice)["version"] == into["version"]


def test_points_set_aside_move_with_their_order_whatever_happens_to_it_later(
    counter: Counter,
) -> None:
    shop = counter.shop
    shop.give_points(counter.old, 1_000)
    before = shop.account(counter.old)["available"]
    order = shop.order(counter.old, items=[item(20)], points=300)
    counter.merge()
    into = shop.account(counter.alice)
    assert (into["reserved"], into["available"]) == (300, before - 300)
    assert (shop.account(counter.old)["reserved"], shop.differences()) == (0, [])
    shop.pay(order)
    shop.settlement.settle_order(order.id)
    assert shop.account(counter.alice)["available"] > before - 300
    assert shop.differences() == []
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    assert shop.account(counter.alice)["available"] == before
    assert (shop.account(counter.old)["available"], shop.differences()) == (0, [])


def test_a_debt_is_moved_and_paid_off_in_the_new_account(counter: Counter) -> None:
    shop = counter.shop
    earned = shop.paid(counter.old, items=[item(20)])
    shop.paid(counter.old, items=[item(10)], points=300)
    shop.refund(earned)
    shop.settlement.settle_order(earned.id)
    assert shop.account(counter.old)["debt"] == 153
    shop.paid(counter.alice, items=[item(20)])
    counter.merge()
    into = shop.account(counter.alice)
    assert (into["available"], into["debt"], into["lots"]) == (147, 0, {"2027-12-31": 147})
    assert (shop.account(counter.old)["debt"], shop.differences()) == (0, [])


def test_pending_points_are_moved_also_those_that_wait_for_an_order(counter: Counter) -> None:
    shop = counter.shop
    for revision, usable in ((2, "after_days"), (3, "on_completion")):
        rules = {"_id": "points", "revision": revision, "usable": {"kind": usable, "days": 7}}
        request = LoadRequest.model_validate({"points_rules": rules})
        Maintenance(shop.database, shop.clock).load_chain(request)
        shop.database.cache.clear()
        shop = counter.shop = Shop(shop.database, shop.clock)
        order = shop.paid(counter.old, items=[item(2)])
    counter.merge()
    waits = {"2026-03-09|2027-12-31": 30}
    assert shop.account(counter.alice)["pending"] == waits | {"completed|2027-12-31": 30}
    assert (shop.account(counter.old)["pending"], shop.differences()) == ({}, [])
    shop.refund(order)
    shop.settlement.settle_order(order.id)
    assert (shop.account(counter.alice)["pending"], shop.differences()) == (waits, [])


def test_the_higher_tier_stays_and_the_other_account_keeps_none(counter: Counter) -> None:
    shop = counter.shop
    shop.paid(counter.old, items=[item(40)])
    tiers = Tiers(shop.database, shop.clock)
    assert tiers.evaluate_member(counter.old) == "raised"
    counter.merge()
    assert tiers.level_of(counter.alice)[0].level == "silver"
    for member_id in (counter.alice, counter.old):
        tiers.evaluate_member(member_id)
    assert tiers.level_of(counter.alice)[0].level == "silver"
    assert tiers.level_of(counter.old)[0].level == "basic"
    assert shop.account(counter.alice)["benefits"] == "due"
    assert "benefits" not in shop.account(counter.old)
    assert shop.differences() == []


def test_members_that_cant_be_merged_are_refused(counter: Counter) -> None:
    third = counter.shop.register("carol")
    assert counter.refused("1", counter.old, counter.old) is MergeErrors.MERGE_SAME_MEMBER
    assert counter.refused("1", "nobody") is Code.NOT_FOUND
    assert counter.refused("1", counter.old, "nobody") is Code.NOT_FOUND
    members = counter.shop.database.collection("members")
    for member_id, phone in ((counter.old, "a"), (counter.alice, "b")):
        members.update_one({"_id": member_id}, {"$set": {"phone_hash": phone}})
    assert counter.refused() is MergeErrors.MERGE_TWO_PHONES
    members.update_one({"_id": counter.alice}, {"$unset": {"phone_hash": ""}})
    counter.merge()
    found = members.find_one({"_id": counter.alice})
    assert found
    assert found["phone_hash"] == "a"
    assert (
        counter.refused("2", counter.alice, counter.old) is PersonErrors.MERGED_ELSEWHERE
    )  # It would form a circle.
    assert counter.refused("2", counter.old, third) is PersonErrors.MERGED_ELSEWHERE
    assert counter.refused("2", third, counter.old) is PersonErrors.MERGED_ELSEWHERE
    assert counter.refused("1", actor="bob") is MergeErrors.MERGE_ID_REUSED
    counter.merge("2", counter.alice, third)  # Who took over a member can be merged too.
    assert counter.shop.members.member_id_of(Caller("alice-old", "wxapp")) == third


def test_two_opposite_merges_at_once_form_no_circle(counter: Counter) -> None:
    for number in range(4):
        one, two = (counter.shop.register(f"{name}{number}") for name in "xy")
        results = at_once(
            [
                lambda n=number, o=one, t=two: counter.merge(f"xy{n}", o, t),
                lambda n=number, o=one, t=two: counter.merge(f"yx{n}", t, o),
                lambda n=number, o=one, t=two: counter.merge(f"xy{n}", o, t),
            ]
        )
        assert len({won.merge_id for won in winners(results)}) == 1
    assert counter.shop.differences() == []


@pytest.mark.slow
def test_merging_while_orders_are_settled_and_points_spent_loses_no_point(
    counter: Counter,
) -> None:
    shop = counter.shop
    shop.give_points(counter.alice, 1_000)
    total = shop.account(counter.alice)["available"]
    for number in range(4):
        old = shop.register(f"old-{number}")
        shop.give_points(old, 500)
        total += shop.account(old)["available"] + 60
        order = shop.order(old, items=[item(4)])
        shop.pay(order)
        results = at_once(
            [
                lambda n=number, o=old: counter.merge(str(n), o),
                lambda o=order: shop.settlement.settle_order(o.id),
                lambda o=old: shop.order(o, items=[item(10)], points=100),
                lambda: shop.order(counter.alice, items=[item(10)], points=50),
            ]
        )
        assert isinstance(results[0], MergeAnswer)
        accounts = [shop.account(m) for m in (old, counter.alice)]
        assert accounts[0]["available"] == accounts[0]["reserved"] == 0
        assert sum(a["available"] + a["reserved"] for a in accounts) == total
        assert shop.database.collection("orders").find_one({"member_id": old}) is None
        assert shop.differences() == []


def test_the_payer_of_an_order_from_before_the_merge_is_still_known(counter: Counter) -> None:
    members = counter.shop.members
    counter.merge()
    old, new = Caller("alice-old", "wxapp"), Caller("alice", "wxapp")
    assert members.is_or_was_member(old, counter.old)
    assert members.is_or_was_member(old, counter.alice)
    assert not members.is_or_was_member(new, counter.old)
    assert members.openid_of(counter.old, "wxapp") == "alice-old"
    assert members.openid_of(counter.alice, "wxapp") == "alice"


def test_points_keep_their_expiry_in_a_merge(counter: Counter) -> None:
    """Points keep the day on which they expire."""
    shop = counter.shop
    shop.paid(counter.old, items=[item(2)])
    shop.clock.advance(days=400)
    shop.paid(counter.alice, items=[item(2)])
    counter.merge()
    assert shop.account(counter.alice)["lots"] == {"2027-12-31": 30, "2028-12-31": 30}
    shop.clock.moment += timedelta(days=300)
    assert shop.members.show_profile(counter.alice)["points"].available == 30
    assert shop.differences() == []
