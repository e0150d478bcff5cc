"""A member's limit counts what was issued to them, whoever holds it now."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from pydantic import ValidationError

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate, SavedTemplate
from huitou.coupons.issuing.schema import MIGRATIONS
from huitou.coupons.issuing.service import CLAIMS_A_DAY, Coupons
from huitou.coupons.transfers.service import Gifts
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from merging import merged

KEY = b"t" * 32
FREE = {
    "_id": "free",
    "name": "领券",
    "valid_days": 7,
    "claimable": True,
    "transferable": True,
    "terms": {"off_fen": 1_000},
}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def coupons(shop: Shop) -> Coupons:
    return Coupons(shop.database, shop.clock)


def offer(coupons: Coupons, **more: Any) -> CouponTemplate:
    made = CouponTemplate.model_validate({**FREE, **more})
    coupons.put_templates([made], [])
    return made


def give(shop: Shop, giver: str, taker: str, coupon_id: str) -> None:
    gifts = Gifts(shop.database, shop.clock, KEY)
    gifts.take_gift(taker, gifts.give_coupon(giver, coupon_id).gift)


def claim(coupons: Coupons, member: str, template: str = "free") -> str:
    return coupons.claim_coupon(template, member, secrets.token_hex(4)).coupon_id


def refused_claim(coupons: Coupons, member: str, template: str = "free") -> object:
    with pytest.raises(Refusal) as refused:
        claim(coupons, member, template)
    return refused.value.code


@pytest.mark.parametrize("limit", ["per_member", "per_member_day", "per_member_month"])
def test_a_coupon_that_was_given_away_still_counts_in_its_first_members_limit(
    shop: Shop, coupons: Coupons, limit: str
) -> None:
    offer(coupons, limits={"quota": 100, limit: 2})
    alice, bob = shop.register(), shop.register("bob")
    for _ in range(2):
        give(shop, alice, bob, claim(coupons, alice))
    assert refused_claim(coupons, alice) is CouponErrors.COUPON_NOT_ISSUED
    # What somebody was given doesn't count for them, also if it goes on to a third member.
    held = claim(coupons, bob)
    give(shop, bob, alice, held)
    claim(coupons, bob)
    assert refused_claim(coupons, bob) is CouponErrors.COUPON_NOT_ISSUED
    assert refused_claim(coupons, alice) is CouponErrors.COUPON_NOT_ISSUED


def test_claims_at_once_keep_to_the_limit_while_coupons_are_given_away(
    shop: Shop, coupons: Coupons
) -> None:
    offer(coupons, limits={"quota": 100, "per_member": 3})
    alice, bob = shop.register(), shop.register("bob")

    def claim_and_give() -> str:
        found = claim(coupons, alice)
        give(shop, alice, bob, found)
        return found

    results = at_once([claim_and_give for _ in range(8)])
    assert len(winners(results)) == 3
    assert shop.database.collection("coupons").count_documents({"template_id": "free"}) == 3


def test_a_limit_of_a_month_counts_coupons_of_revisions_without_that_limit(
    shop: Shop, coupons: Coupons
) -> None:
    first = offer(coupons, limits={"quota": 100, "per_member_day": 2})
    alice = shop.register()
    claim(coupons, alice)
    monthly = first.limits.model_copy(update={"per_member_day": None, "per_member_month": 1})
    coupons.put_templates([first.model_copy(update={"limits": monthly, "revision": 2})], [])
    assert refused_claim(coupons, alice) is CouponErrors.COUPON_NOT_ISSUED


def test_after_a_merge_the_limit_counts_what_both_members_were_issued(
    shop: Shop, coupons: Coupons
) -> None:
    offer(coupons, limits={"quota": 100, "per_member": 3})
    alice, again, friend = shop.register(), shop.register("alice2"), shop.register("friend")
    give(shop, again, friend, claim(coupons, again))
    claim(coupons, again)
    claim(coupons, alice)
    merged(shop.database, shop.clock, again, alice)
    assert refused_claim(coupons, alice) is CouponErrors.COUPON_NOT_ISSUED


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({}, "limits.quota"),
        ({"per_member": 1}, "limits.quota"),
        ({"quota": 9}, "limits.per_member"),
    ],
)
def test_a_claimable_template_without_a_limit_is_refused_when_it_is_saved(
    limits: dict[str, int], field: str
) -> None:
    with pytest.raises(ValidationError, match=field):
        SavedTemplate.model_validate({**FREE, "limits": limits})
    SavedTemplate.model_validate({**FREE, "limits": {"quota": 9, "per_member_day": 1}})
    SavedTemplate.model_validate({**FREE, "limits": limits, "claimable": False})


def test_a_template_of_the_version_before_without_limits_can_be_claimed_once(
    shop: Shop, coupons: Coupons
) -> None:
    offer(coupons)
    alice = shop.register()
    claim(coupons, alice)
    results: list[object] = at_once([lambda: claim(coupons, alice) for _ in range(4)])
    assert {r.code for r in results if isinstance(r, Refusal)} == {CouponErrors.COUPON_NOT_ISSUED}
    assert winners(results) == []


def test_a_member_may_claim_so_often_on_a_day_over_all_templates(
    shop: Shop, coupons: Coupons
) -> None:
    for name in ("free", "free2"):
        offer(coupons, _id=name, limits={"quota": 100, "per_member_day": 50})
    alice = shop.register()
    coupons.claim_coupon("free", alice, "tap")
    for _ in range(3):  # A repeated call is no other claim.
        coupons.claim_coupon("free", alice, "tap")
    calls = [lambda n=n: claim(coupons, alice, ("free", "free2")[n % 2]) for n in range(24)]
    results = at_once(calls)
    assert len(winners(results)) == CLAIMS_A_DAY - 1
    assert refused_claim(coupons, alice) is CouponErrors.TOO_MANY_CLAIMS
    claim(coupons, shop.register("bob"))
    shop.clock.advance(days=1)
    claim(coupons, alice)


def test_coupons_of_the_version_before_count_for_whom_they_were_issued_to(
    shop: Shop, coupons: Coupons
) -> None:
    offer(coupons, limits={"quota": 100, "per_member": 1})
    alice, bob = shop.register(), shop.register("bob")
    given, kept = claim(coupons, alice), claim(coupons, bob)
    give(shop, alice, bob, given)
    stored = shop.database.collection("coupons")
    stored.update_many({"_id": {"$in": [given, kept]}}, {"$unset": {"issued_to": "", "seq": ""}})
    # Before the migration an old coupon counts for its holder.
    assert refused_claim(coupons, bob) is CouponErrors.COUPON_NOT_ISSUED
    old = "one_per_seq"
    keys = [("template_id", 1), ("member_id", 1), ("seq", 1)]
    stored.create_index(
        keys, unique=True, partialFilterExpression={"seq": {"$exists": True}}, name=old
    )
    for _ in range(2):  # It is safe to repeat.
        MIGRATIONS[1].run(shop.database)
    assert old not in stored.index_information()
    assert refused_claim(coupons, alice) is CouponErrors.COUPON_NOT_ISSUED
    assert [stored.find_one({"_id": one})["issued_to"] for one in (given, kept)] == [alice, bob]  # type: ignore[index]
