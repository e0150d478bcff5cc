"""Of two that run at once, one that stores something for a member and one that ends the member,
one loses: nothing is left behind with an id that is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from huitou.coupons.issuing.models import CouponTemplate, IssueCouponRequest
from huitou.coupons.issuing.service import Coupons
from huitou.growth.geofence.models import PositionRequest
from huitou.growth.geofence.service import Geofence
from huitou.growth.referrals.service import Referrals
from huitou.loyalty.adjustments.models import AdjustPointsRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.holds.service import Holds
from huitou.marketing.features.models import TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.members.messaging.models import SubscribedRequest
from huitou.members.messaging.service import Messages
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.erasures.errors import ErasureErrors
from huitou.operations.erasures.keeping import BY_ID, BY_MEMBER
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.operations.merges.following import FOLLOWING
from huitou.ordering.fulfilment.service import Fulfilment
from huitou.ordering.orders.models import InvoiceRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import HuitouError, Refusal
from merging import merged
from whole_life import KEY, Numbers

ROUNDS = 5
Work = Callable[[], object]


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def _order(shop: Shop, member_id: str) -> Work:
    place = {"name": "收件人", "phone": "13987654321", "address": "某某路一号"}
    request = shop.request(member_id, mode="delivery", delivery=place)
    return lambda: shop.orders.create_order(member_id, request)


def _invoice(shop: Shop, member_id: str) -> Work:
    order = shop.paid(member_id)
    shop.database.collection("orders").update_one(
        {"_id": order.id}, {"$set": {"status": "completed"}}
    )
    wanted = InvoiceRequest(order_id=order.id, title="抬头", email="a@example.test")
    fulfilment = Fulfilment(shop.database, shop.clock, "huitou")
    return lambda: fulfilment.ask_invoice(member_id, wanted)


def _coupon(shop: Shop, member_id: str) -> Work:
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template, coupons = CouponTemplate.model_validate(found), Coupons(shop.database, shop.clock)
    return lambda: coupons.issue_coupon(template, member_id=member_id, cause=f"race:{member_id}")


def _coupons(shop: Shop, member_id: str) -> Work:
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template, coupons = CouponTemplate.model_validate(found), Coupons(shop.database, shop.clock)
    return lambda: coupons.issue_coupons(template, {f"race:{member_id}": member_id})


def _phone(shop: Shop, member_id: str) -> Work:
    number = f"139{shop.database.collection('members').count_documents({'_id': {'$gt': ''}}):08}"
    return lambda: shop.members.bind_phone(member_id, number, Numbers(), KEY)  # type: ignore[arg-type]


def _profile(shop: Shop, member_id: str) -> Work:
    update = UpdateProfileRequest.model_validate_json(
        '{"nickname": "爱丽丝", "birthday": "1990-05-17"}'
    )
    return lambda: shop.members.update_profile(member_id, update)


def _check_in(shop: Shop, member_id: str) -> Work:
    return lambda: Bonuses(shop.database, shop.clock).check_in(member_id)


def _adjust(shop: Shop, member_id: str) -> Work:
    request = AdjustPointsRequest.model_validate(
        {
            "adjustment_id": f"race-{member_id}",
            "member_id": member_id,
            "points": 5,
            "actor": "ann",
            "role": "manager",
            "reason": "补",
        }
    )
    return lambda: Adjustments(shop.database, shop.clock).ask_for_adjustment(request)


def _gift_that_waits(shop: Shop, member_id: str) -> Work:
    adjustments = Adjustments(shop.database, shop.clock)
    gift = IssueCouponRequest(
        member_id=member_id, template_id="gold-50-15", cause="sorry", actor="li", reason="多送"
    )
    return lambda: adjustments.give_coupon(gift)


def _hold(shop: Shop, member_id: str) -> Work:
    shop.paid(member_id)
    return lambda: Holds(shop.database, shop.clock).hold_points(
        member_id, f"game:{member_id}", 5, "game"
    )


def _consent(shop: Shop, member_id: str) -> Work:
    given = ConsentRequest(purpose="marketing", given=True, text_version="1")
    return lambda: Consents(shop.database, shop.clock).record_consent(member_id, given)


def _subscribe(shop: Shop, member_id: str) -> Work:
    request = SubscribedRequest.model_validate(
        {"prompt_id": "p1", "answers": [{"template_id": "T1", "result": "accept"}]}
    )
    return lambda: Messages(shop.database).record_subscriptions(member_id, request)


def _position(shop: Shop, member_id: str) -> Work:
    for purpose in ("precise_location", "marketing"):
        given = ConsentRequest.model_validate(
            {"purpose": purpose, "given": True, "text_version": "1"}
        )
        Consents(shop.database, shop.clock).record_consent(member_id, given)
    here = PositionRequest.model_validate(
        {
            "lat": 31.2243,
            "lng": 121.4468,
            "system": "GCJ-02",
            "accuracy_m": 10.0,
            "at": shop.clock.now(),
        }
    )
    return lambda: Geofence(shop.database, shop.clock, "huitou").check_position(member_id, here)


def _tag(shop: Shop, member_id: str) -> Work:
    request = TagRequest(tag="vip", add=[member_id])
    return lambda: FeatureBook(shop.database, shop.clock).tag_members(request)


def _code(shop: Shop, member_id: str) -> Work:
    return lambda: Referrals(shop.database, shop.clock, "huitou").personal_code(member_id)


WORKS = [
    _order,
    _invoice,
    _coupon,
    _coupons,
    _phone,
    _profile,
    _check_in,
    _adjust,
    _gift_that_waits,
    _hold,
    _consent,
    _subscribe,
    _position,
    _tag,
    _code,
]


def quietly(work: Work) -> object:
    """Run one side of a race; the side that loses may be refused."""
    with suppress(HuitouError):
        return work()
    return None


@pytest.mark.parametrize("prepared", WORKS, ids=lambda work: work.__name__)
def test_what_is_stored_while_a_member_is_erased_doesnt_stay(
    shop: Shop, prepared: Callable[[Shop, str], Work]
) -> None:
    erasures, database = Erasures(shop.database, shop.clock, "huitou"), shop.database
    for number in range(ROUNDS):
        member_id = shop.register(f"racer-{number}")
        work = prepared(shop, member_id)
        request = EraseMemberRequest(member_id=member_id, actor="owner", reason="本人要求")
        _, erased = at_once([lambda w=work: quietly(w), lambda r=request: erasures.erase_member(r)])  # type: ignore[misc]
        if isinstance(erased, Refusal):  # An order came first: it has to be done before.
            assert erased.code is ErasureErrors.MEMBER_HAS_OPEN_ORDERS
            assert database.collection("orders").find_one({"_id": erased.detail}) is not None
            continue
        check_forgotten(shop, member_id)
    assert shop.differences() == []


def check_forgotten(shop: Shop, member_id: str) -> None:
    database, mine = shop.database, {"member_id": member_id}
    assert database.collection("identities").find_one(mine) is None
    member = database.collection("members").find_one({"_id": member_id})
    assert member
    assert not {"nickname", "birthday", "phone_hash"} & member.keys()
    for order in database.collection("orders").find(mine):
        assert "delivery" not in order
        assert "email" not in order.get("invoice", {})
    account = shop.account(member_id)
    assert (account["available"], account.get("birthday_md")) == (0, None)
    assert database.collection("coupons").find_one(mine | {"status": "issued"}) is None
    assert not any(Consents(database, shop.clock).consents_of([member_id])[member_id].values())
    for name in BY_MEMBER:
        assert database.collection(name).find_one(mine) is None, name
    for name in BY_ID:
        assert database.collection(name).find_one({"_id": member_id}) is None, name


@pytest.mark.parametrize("prepared", WORKS, ids=lambda work: work.__name__)
def test_what_is_stored_while_a_member_is_merged_goes_along(
    shop: Shop, prepared: Callable[[Shop, str], Work]
) -> None:
    moved = {name for name, one in FOLLOWING.items() if one.how.startswith("moves")}
    stays = {"features", "members", "subscriptions", "accounts"}
    for number in range(ROUNDS):
        source, into = shop.register(f"racer-{number}"), shop.register(f"into-{number}")
        work = prepared(shop, source)
        at_once(
            [
                lambda w=work: quietly(w),  # type: ignore[misc]
                lambda s=source, i=into: merged(shop.database, shop.clock, s, i),  # type: ignore[misc]
            ]
        )
        for name in moved - stays:
            left: Any = shop.database.collection(name).find_one({"member_id": source})
            assert left is None, (name, left)
        account = shop.account(source)
        assert (account["available"], account["reserved"]) == (0, 0)
    assert shop.differences() == []
