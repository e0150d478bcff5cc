"""Each giving of a coupon is its own fact: gifts and till tokens are for one hand only."""

from __future__ import annotations

import secrets
import time

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.errors import TransferErrors
from huitou.coupons.transfers.service import Gifts
from huitou.ordering.till.errors import TillErrors
from huitou.ordering.till.models import RedeemTokenRequest
from huitou.ordering.till.service import Till
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.tokens import sign

KEY = b"t" * 32


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def gifts(shop: Shop) -> Gifts:
    return Gifts(shop.database, shop.clock, KEY)


def coupon(shop: Shop, member_id: str) -> str:
    fields = {"name": "可转赠", "valid_days": 7, "transferable": True, "terms": {"off_fen": 500}}
    template = CouponTemplate.model_validate({"_id": "gift-5", **fields})
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([template], [])
    issued = coupons.issue_coupon(template, member_id=member_id, cause=secrets.token_hex(8))
    assert issued
    return issued.id


def gone(gifts: Gifts, member_id: str, gift: str) -> bool:
    with pytest.raises(Refusal) as refused:
        gifts.take_gift(member_id, gift)
    return refused.value.code is TransferErrors.GIFT_GONE


def test_a_taken_gift_stays_taken_when_the_coupon_comes_back(shop: Shop, gifts: Gifts) -> None:
    alice, bob, carl = (shop.register(name) for name in ("alice", "bob", "carl"))
    held = coupon(shop, alice)
    first = gifts.give_coupon(alice, held).gift
    same = gifts.give_coupon(alice, held).gift
    gifts.take_gift(bob, first)
    gifts.take_gift(bob, first)  # A repeated call of the one who has it.
    back = gifts.give_coupon(bob, held).gift
    gifts.take_gift(alice, back)
    for member in (bob, carl):
        for gift in (first, same, back):
            assert gone(gifts, member, gift)
    again = gifts.give_coupon(alice, held).gift
    gifts.take_gift(bob, again)
    # The one who has the coupon repeats old calls: each is about another giving.
    assert gone(gifts, bob, first)
    gifts.take_gift(bob, again)
    assert gone(gifts, alice, back)


def test_one_giving_at_once_with_others_brings_the_coupon_to_one_member(
    shop: Shop, gifts: Gifts
) -> None:
    alice, bob, carl = (shop.register(name) for name in ("alice", "bob", "carl"))
    for _ in range(3):
        held = coupon(shop, alice)
        links = [gifts.give_coupon(alice, held).gift for _ in range(2)]
        results = at_once(
            [
                lambda m=m, g=g: gifts.take_gift(m, g)
                for m, g in zip((bob, carl), links, strict=True)
            ]
        )
        assert len(winners(results)) == 1


def test_links_and_coupons_of_the_version_before_work_and_do_not_revive(
    shop: Shop, gifts: Gifts
) -> None:
    alice, bob = shop.register(), shop.register("bob")
    held = coupon(shop, alice)
    old_link = sign(KEY, "HG1", (held, alice), time.time() + 60)
    gifts.take_gift(bob, old_link)
    gifts.take_gift(alice, gifts.give_coupon(bob, held).gift)
    assert gone(gifts, bob, old_link)
    # A coupon that the version before gave away says only by whom.
    shop.database.collection("coupons").update_one({"_id": held}, {"$unset": {"times_given": ""}})
    assert gone(gifts, bob, old_link)
    gifts.take_gift(bob, gifts.give_coupon(alice, held).gift)


def test_a_till_token_is_worthless_once_its_member_gave_the_coupon_away(
    shop: Shop, gifts: Gifts
) -> None:
    till = Till(shop.database, shop.clock, KEY)
    alice, bob = shop.register(), shop.register("bob")
    held = coupon(shop, alice)
    old = till.make_coupon_token(alice, held).coupon_token

    def redeem(token: str) -> object:
        return till.redeem_token(
            RedeemTokenRequest(coupon_token=token, store_id="jingan", till_reference="T", actor="a")
        )

    gifts.take_gift(bob, gifts.give_coupon(alice, held).gift)
    for call in (lambda: till.verify_token(old, "jingan"), lambda: redeem(old)):
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.code is TillErrors.TOKEN_NOT_VALID
    # At once: either the till uses it, or the friend gets it.
    fresh = till.make_coupon_token(bob, held).coupon_token
    gift = gifts.give_coupon(bob, held).gift
    results = at_once([lambda: redeem(fresh), lambda: gifts.take_gift(alice, gift)])
    assert len(winners(results)) == 1
    codes = {TransferErrors.GIFT_GONE, CouponErrors.COUPON_NOT_USABLE, TillErrors.TOKEN_NOT_VALID}
    assert {r.code for r in results if isinstance(r, Refusal)} <= codes
