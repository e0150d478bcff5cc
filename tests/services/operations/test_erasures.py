"""Erasing a member: what is deleted, what stays for the books, and that it happens once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.audiences.models import AudienceRequest
from huitou.marketing.audiences.service import Audiences
from huitou.marketing.features.models import TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.operations.erasures.errors import ErasureErrors
from huitou.operations.erasures.keeping import BY_ID, BY_MEMBER
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import WORDS, Erasures
from huitou.persons.ids.errors import PersonErrors
from huitou.runtime.database import Database
from huitou.runtime.declarations import declarations
from huitou.runtime.errors import Code, Refusal
from merging import merged

PHONE = "13912345678"


class Numbers:
    def phone_number(self, code: str) -> str:
        return f"+86{code}"


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def erasures(shop: Shop) -> Erasures:
    return Erasures(shop.database, shop.clock, "huitou")


def request(member_id: str, **more: str) -> EraseMemberRequest:
    return EraseMemberRequest.model_validate(
        {"member_id": member_id, "actor": "owner", "reason": "本人要求", **more}
    )


def known_member(shop: Shop) -> str:
    """Return a member with much personal data and a completed order."""
    alice = shop.register("alice")
    shop.members.bind_phone(alice, PHONE, Numbers(), b"k" * 32)  # type: ignore[arg-type]
    shop.database.collection("members").update_one(
        {"_id": alice}, {"$set": {"nickname": "爱丽丝", "birthday": "1990-05-01"}}
    )
    for purpose in ("marketing", "precise_location"):
        Consents(shop.database, shop.clock).record_consent(
            alice,
            ConsentRequest.model_validate({"purpose": purpose, "given": True, "text_version": "1"}),
        )
    order = shop.paid(alice, items=[item(4)])
    shop.database.collection("orders").update_one(
        {"_id": order.id},
        {
            "$set": {
                "status": "completed",
                "delivery": {
                    "name": "爱丽丝",
                    "phone": PHONE,
                    "address": "南京西路 1 号",
                },
            }
        },
    )
    FeatureBook(shop.database, shop.clock).tag_members(TagRequest(tag="vip", add=[alice]))
    template = Coupons(shop.database, shop.clock).find_templates(["back-30-8"])["back-30-8"]
    assert Coupons(shop.database, shop.clock).issue_coupon(template, member_id=alice, cause="c1")
    return alice


def everything(database: Database) -> str:
    found: dict[str, list[Any]] = {}
    for name in database.mongo.list_collection_names():
        found[name] = list(database.collection(name).find({"_id": {"$exists": True}}))
    return json.dumps(found, default=str, ensure_ascii=False)


def test_nothing_identifies_the_erased_person_and_the_books_still_agree(
    shop: Shop, erasures: Erasures
) -> None:
    alice = known_member(shop)
    points = shop.account(alice)["available"]
    assert points > 0
    answer = erasures.erase_member(request(alice))
    assert (answer.points, answer.coupons) == (points, 1)
    left = everything(shop.database)
    for word in ("爱丽丝", PHONE, PHONE[-4:], "1990-05-01", "南京西路 1 号", "vip"):
        assert word not in left, word
    assert shop.database.collection("identities").find_one({"member_id": alice}) is None
    held = Consents(shop.database, shop.clock).consents_of([alice])[alice]
    assert set(held.values()) == {False}
    account = shop.account(alice)
    assert (account["available"], account.get("birthday_md")) == (0, None)
    [coupon] = shop.database.collection("coupons").find({"member_id": alice})
    assert (coupon["status"], coupon["revoked"]["reason"]) == ("revoked", WORDS)
    assert shop.database.collection("orders").find_one({"member_id": alice}) is not None
    assert shop.differences() == []
    audience = Audiences(shop.database, shop.clock).count_audience(AudienceRequest())
    assert (audience.matching, audience.sample) == (0, [])


def test_an_erased_person_who_comes_back_is_a_new_member(shop: Shop, erasures: Erasures) -> None:
    alice = known_member(shop)
    erasures.erase_member(request(alice))
    again = shop.register("alice")
    assert again != alice
    shop.members.bind_phone(again, PHONE, Numbers(), b"k" * 32)  # type: ignore[arg-type]
    assert shop.members.show_profile(again)["phone_last4"] == PHONE[-4:]


def test_six_erasures_at_once_erase_once(shop: Shop, erasures: Erasures) -> None:
    alice = known_member(shop)
    answers = at_once([lambda: erasures.erase_member(request(alice))] * 6)
    assert len({(answer.points, answer.at) for answer in answers}) == 1
    entries = shop.database.collection("points_entries")
    assert entries.count_documents({"member_id": alice, "kind": "adjust"}) == 1


def test_a_member_with_an_order_under_way_is_not_erased(shop: Shop, erasures: Erasures) -> None:
    alice = shop.register("alice")
    order = shop.paid(alice)
    with pytest.raises(Refusal) as refused:
        erasures.erase_member(request(alice))
    assert refused.value.code is ErasureErrors.MEMBER_HAS_OPEN_ORDERS
    shop.refund(order)
    assert erasures.erase_member(request(alice)).member_id == alice


def test_an_unknown_and_a_merged_member_give_different_errors(
    shop: Shop, erasures: Erasures
) -> None:
    alice = shop.register("alice")
    shop.database.collection("members").update_one(
        {"_id": alice}, {"$set": {"merged_into": "other"}}
    )
    for member_id, code in (("nobody", Code.NOT_FOUND), (alice, PersonErrors.MERGED_ELSEWHERE)):
        with pytest.raises(Refusal) as refused:
            erasures.erase_member(request(member_id))
        assert refused.value.code is code


def test_an_erased_member_cant_be_merged(shop: Shop, erasures: Erasures) -> None:
    alice, bob = shop.register("alice"), shop.register("bob")
    erasures.erase_member(request(alice))
    for source, into in ((alice, bob), (bob, alice)):
        with pytest.raises(Refusal) as refused:
            merged(shop.database, shop.clock, source, into)
        assert refused.value.code is Code.NOT_FOUND


def test_collections_kept_until_erasure_are_all_deleted() -> None:
    kept = {one.name for one in declarations() if one.retention.startswith("until erased")}
    # These are changed, not deleted, because the books need them.
    assert kept - {*BY_MEMBER, *BY_ID} == {"members", "identities", "accounts"}
