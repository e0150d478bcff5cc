"""A community group's offer: WeChat proves the group, from ten o'clock, a limited number a day."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from at_once import at_once
from campaign_world import CampaignWorld, campaign
from chain_data import FakeClock
from huitou.integrations.errors import MiniProgramErrors
from huitou.marketing.group_offers.models import TakeGroupOfferRequest
from huitou.marketing.group_offers.rules import group_of
from huitou.marketing.group_offers.service import PROOF_LIVES_S, GroupOffers
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets
from localcloud.mini_program import MiniProgramStandIn

GIFT = [{"gift": {"kind": "coupon", "template_id": "back-30-8"},
         "message": {"title": "社群券", "body": "送您{gift}"}}]  # fmt: skip


class Group(CampaignWorld):
    """Guests in a group whose campaign gives three coupons a day, from ten o'clock on."""

    def __init__(self, chain: Database, clock: FakeClock, keys: LocalSecrets) -> None:
        super().__init__(chain, clock)
        self.wechat = MiniProgramStandIn(keys, lambda **_: None)
        self.keys = keys
        self.offers = GroupOffers(chain, clock, self)
        self.run(
            campaign(
                trigger={"kind": "group", "opengids": ["G1"]},
                variants=GIFT,
                limits={"a_day": 3},
            )
        )

    def session(self, code: str) -> tuple[str, str]:
        answer = self.wechat.session(
            {
                "appid": self.keys.appid,
                "secret": self.keys.app_secret,
                "js_code": code,
                "grant_type": "authorization_code",
            }
        )
        if "session_key" not in answer:
            raise Refusal(MiniProgramErrors.GROUP_NOT_PROVEN, field="code")
        return answer["openid"], answer["session_key"]

    def take(self, name: str, member_id: str, group: str = "G1", **forged: Any) -> str:
        proof = self.wechat.enter_group(name, group) | forged
        request = TakeGroupOfferRequest(campaign_id="day-3", **proof)
        caller = Caller(name, self.keys.appid)
        return self.offers.take_offer(member_id, caller, request).coupon.coupon_id


@pytest.fixture
def group(chain: Database, clock: FakeClock, keys: LocalSecrets) -> Group:
    return Group(chain, clock, keys)


def test_a_guest_gets_one_coupon_a_day_and_the_same_one_again(group: Group) -> None:
    ann = group.guest("ann")
    first = group.take("ann", ann)
    assert group.take("ann", ann) == first
    group.at("2026-03-03 09:30")
    with pytest.raises(Refusal, match="OFFER_NOT_NOW"):
        group.take("ann", ann)
    group.at("2026-03-03 10:00")
    assert group.take("ann", ann) != first
    assert group.coupons(ann) == {"back-30-8": 2}


def test_if_twelve_guests_ask_at_once_three_get_a_coupon_each_day(group: Group) -> None:
    guests = {f"g{n}": group.guest(f"g{n}") for n in range(12)}

    def take(name: str) -> None:
        with suppress(Refusal):
            group.take(name, guests[name])

    at_once([lambda name=name: take(name) for name in guests])  # type: ignore[misc]
    assert sum(group.coupons(guest).total() for guest in guests.values()) == 3
    group.at("2026-03-03 10:00")
    at_once([lambda name=name: take(name) for name in guests])  # type: ignore[misc]
    assert sum(group.coupons(guest).total() for guest in guests.values()) == 6


def test_a_wrong_group_a_stolen_proof_and_a_made_up_code_are_refused(group: Group) -> None:
    ann = group.guest("ann")
    with pytest.raises(Refusal, match="GROUP_NOT_PROVEN"):
        group.take("ann", ann, "G2")
    stolen = group.wechat.enter_group("bob", "G1")
    with pytest.raises(Refusal, match="GROUP_NOT_PROVEN"):
        group.take("ann", ann, **stolen)
    own = group.wechat.enter_group("ann", "G1")
    with pytest.raises(Refusal, match="GROUP_NOT_PROVEN"):  # Bob's data with Ann's session key.
        group.take(
            "ann",
            ann,
            encrypted_data=group.wechat.enter_group("bob", "G1")["encrypted_data"],
            code=own["code"],
            iv=own["iv"],
        )
    with pytest.raises(Refusal, match="GROUP_NOT_PROVEN"):
        group.take("ann", ann, code="made-up")


def test_a_guest_without_consent_to_marketing_gets_no_coupon(group: Group) -> None:
    eve = group.guest("eve", consents=False)
    with pytest.raises(Refusal, match="COUPON_NOT_ISSUED"):
        group.take("eve", eve)


def test_the_watermark_of_another_mini_program_is_refused(group: Group) -> None:
    proof = group.wechat.enter_group("ann", "G1")
    _, key = group.session(proof["code"])
    args = (proof["encrypted_data"], proof["iv"], key)
    assert group_of(*args, group.keys.appid) == "G1"
    assert group_of(*args, "wx-another") is None
    assert group_of(*args, group.keys.appid, time.time() - 60) == "G1"
    assert group_of("%%%", proof["iv"], key, group.keys.appid) is None


def test_an_old_proof_of_a_group_is_refused(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = group.guest("ann")
    old, now = group.wechat.enter_group("ann", "G1"), time.time()
    monkeypatch.setattr(time, "time", lambda: now + PROOF_LIVES_S + 2)
    with pytest.raises(Refusal, match="GROUP_NOT_PROVEN"):
        group.take("ann", ann, **old)
    group.take("ann", ann)
