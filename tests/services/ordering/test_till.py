"""Coupons at the till are shown, verified and redeemed once; coupons claimed or given away."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate, IssueCouponRequest
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.errors import TransferErrors
from huitou.coupons.transfers.service import Gifts
from huitou.loyalty.adjustments.service import Adjustments
from huitou.ordering.till.errors import TillErrors
from huitou.ordering.till.models import RedeemTokenRequest
from huitou.ordering.till.service import LIVES_S, Till
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.tokens import read, sign

KEY = b"t" * 32


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop.database, shop.clock, KEY)


def template(shop: Shop, **more: Any) -> CouponTemplate:
    made = CouponTemplate.model_validate(
        {
            "_id": "till-5",
            "name": "到店立减5元",
            "valid_days": 7,
            "terms": {"off_fen": 500, **more.pop("terms", {})},
            **more,
        }
    )
    Coupons(shop.database, shop.clock).put_templates([made], [])
    return made


def coupon(shop: Shop, member_id: str, **more: Any) -> str:
    issued = Coupons(shop.database, shop.clock).issue_coupon(
        template(shop, **more), member_id=member_id, cause=secrets.token_hex(8)
    )
    assert issued
    return issued.id


def redeem(token: str, reference: str = "T1", store: str = "jingan") -> RedeemTokenRequest:
    return RedeemTokenRequest(
        coupon_token=token, store_id=store, till_reference=reference, actor="ann"
    )


def test_a_coupon_is_redeemed_once_and_a_repeated_call_gets_the_same_answer(
    shop: Shop, till: Till
) -> None:
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    token = till.make_coupon_token(alice, coupon_id).coupon_token
    assert len(token) < 120
    assert till.verify_token(token, "jingan").why_not is None
    first = till.redeem_token(redeem(token))
    assert first.status == "redeemed"
    assert till.redeem_token(redeem(token)) == first
    with pytest.raises(Refusal) as refused:
        till.redeem_token(redeem(token, "T2"))
    assert refused.value.code is CouponErrors.COUPON_NOT_USABLE
    with pytest.raises(Refusal):
        shop.request(alice, items=[item(2)], coupon_id=coupon_id)
    assert shop.differences() == []


def test_of_two_tills_and_an_order_at_once_only_one_gets_the_coupon(shop: Shop, till: Till) -> None:
    for number in range(4):
        alice = shop.register(f"g{number}")
        coupon_id = coupon(shop, alice)
        token = till.make_coupon_token(alice, coupon_id).coupon_token
        order = shop.request(alice, items=[item(2)], coupon_id=coupon_id)
        results: list[object] = at_once(
            [
                lambda t=token: till.redeem_token(redeem(t, "A")),
                lambda t=token: till.redeem_token(redeem(t, "B")),
                lambda a=alice, o=order: shop.orders.create_order(a, o),
            ]
        )
        assert len(winners(results)) == 1
    assert shop.differences() == []


def test_a_changed_token_is_not_valid(shop: Shop, till: Till) -> None:
    alice = shop.register()
    coupon_id = coupon(shop, alice)
    token = till.make_coupon_token(alice, coupon_id).coupon_token
    head, said, until, tag = token.split(".")
    longer = ".".join((head, said, f"{int(until, 16) + 999:x}", tag))
    other = sign(b"x" * 32, "HT1", (coupon_id,), time.time() + 60)
    for wrong in (other, longer, token[:-1], "HT1..", "x", token.replace("HT1", "HT2"), "ä.ö.ü"):
        with pytest.raises(Refusal) as refused:
            till.redeem_token(redeem(wrong))
        assert refused.value.code is TillErrors.TOKEN_NOT_VALID
    # A genuine signature, but of a gift.
    gift = sign(KEY, "HG1", (coupon_id,), time.time() + 60)
    with pytest.raises(Refusal):
        till.redeem_token(redeem(gift))
    assert read(KEY, "HT1", token) is not None


def test_a_token_expires_within_minutes(
    shop: Shop, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = shop.register()
    token = till.make_coupon_token(alice, coupon(shop, alice)).coupon_token
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIVES_S + 2)
    for call in (
        lambda: till.verify_token(token, "jingan"),
        lambda: till.redeem_token(redeem(token)),
    ):
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.code is TillErrors.TOKEN_EXPIRED


def test_a_member_gets_no_token_for_another_members_coupon(shop: Shop, till: Till) -> None:
    alice, mallory = shop.register(), shop.register("mallory")
    with pytest.raises(Refusal) as refused:
        till.make_coupon_token(mallory, coupon(shop, alice))
    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"store_ids": ["xujiahui"]}, "本店不可用"),
        ({"hours": [{"since": "14:00", "until": "17:00"}]}, "不在可用时段"),
        ({"weekdays": [6]}, "今天不可用"),
        ({"tiers": ["gold"]}, "会员等级不符"),
        ({"channels": ["mini_program"]}, "不适用于此渠道"),
    ],
)
def test_the_cashier_sees_why_a_coupon_cannot_be_used_here_and_now(
    shop: Shop, till: Till, terms: dict[str, Any], why: str
) -> None:
    alice = shop.register()
    token = till.make_coupon_token(alice, coupon(shop, alice, terms=terms)).coupon_token
    assert till.verify_token(token, "jingan").why_not == why
    with pytest.raises(Refusal) as refused:
        till.redeem_token(redeem(token))
    assert refused.value.detail == why


def test_a_till_order_below_the_threshold_is_refused_with_the_missing_amount(
    shop: Shop, till: Till
) -> None:
    alice = shop.register()
    token = till.make_coupon_token(
        alice, coupon(shop, alice, terms={"threshold_fen": 3_000})
    ).coupon_token
    with pytest.raises(Refusal) as refused:
        till.redeem_token(redeem(token).model_copy(update={"amount_fen": 2_550}))
    assert refused.value.detail == "还差 ¥4.50"
    done = till.redeem_token(redeem(token).model_copy(update={"amount_fen": 3_000}))
    assert done.status == "redeemed"


def test_a_repeated_claim_issues_one_coupon_and_claims_keep_to_the_limits(shop: Shop) -> None:
    coupons, alice = Coupons(shop.database, shop.clock), shop.register()
    template(shop, claimable=True, limits={"per_member_day": 2, "quota": 100})
    one = coupons.claim_coupon("till-5", alice, "tap1")
    assert coupons.claim_coupon("till-5", alice, "tap1") == one
    results = at_once(
        [lambda n=n: coupons.claim_coupon("till-5", alice, f"t{n}") for n in range(5)]
    )
    assert len(winners(results)) == 1
    assert {r.code for r in results if isinstance(r, Refusal)} == {CouponErrors.COUPON_NOT_ISSUED}
    with pytest.raises(Refusal) as refused:
        coupons.claim_coupon("silver-30-8", alice, "tap1")
    assert refused.value.code is Code.NOT_FOUND


def test_a_coupon_issued_by_staff_names_its_cause_and_its_issuer(shop: Shop) -> None:
    coupons, alice = Coupons(shop.database, shop.clock), shop.register()
    desk = Adjustments(shop.database, shop.clock)
    template(shop)
    wanted = IssueCouponRequest(
        member_id=alice, template_id="till-5", cause="complaint-17", actor="ann"
    )
    assert desk.give_coupon(wanted) == desk.give_coupon(wanted)
    (found,) = coupons.find_coupons([desk.give_coupon(wanted).coupon_id])
    assert (found.actor, found.cause) == ("ann", f"staff:{alice}:till-5:complaint-17")


def test_only_one_friend_can_take_a_gift_and_only_one_member_uses_it(shop: Shop) -> None:
    gifts = Gifts(shop.database, shop.clock, KEY)
    alice = shop.register()
    coupon_id = coupon(shop, alice, transferable=True, limits={"per_member": 1})
    gift = gifts.give_coupon(alice, coupon_id).gift
    friends = [shop.register(f"f{n}") for n in range(5)]
    order = shop.request(alice, items=[item(2)], coupon_id=coupon_id)
    takes = [lambda f=friend: gifts.take_gift(f, gift) for friend in friends]
    results = at_once([*takes, lambda: shop.orders.create_order(alice, order)])
    assert len(winners(results)) == 1
    (held,) = Coupons(shop.database, shop.clock).find_coupons([coupon_id])
    if held.status == "issued":
        # The friend who has the coupon may repeat the call.
        assert gifts.take_gift(held.member_id, gift).coupon_id == coupon_id
        with pytest.raises(Refusal):
            shop.request(alice, items=[item(2)], coupon_id=coupon_id)
        assert shop.order(held.member_id, items=[item(2)], coupon_id=coupon_id)
    assert shop.differences() == []


def test_a_coupon_that_is_not_transferable_or_not_the_members_own_cannot_be_given(
    shop: Shop,
) -> None:
    gifts = Gifts(shop.database, shop.clock, KEY)
    alice, mallory = shop.register(), shop.register("mallory")
    plain = coupon(shop, alice)
    for giver, code in ((alice, CouponErrors.COUPON_NOT_USABLE), (mallory, Code.NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            gifts.give_coupon(giver, plain)
        assert refused.value.code is code
    forged = sign(b"x" * 32, "HG1", (plain, alice), time.time() + 60)
    ended = sign(KEY, "HG1", (plain, alice), time.time() - 1)
    for gift in (forged, ended, sign(KEY, "HG1", (plain, alice), time.time() + 60)):
        with pytest.raises(Refusal) as refused:
            gifts.take_gift(mallory, gift)
        assert refused.value.code is TransferErrors.GIFT_GONE
