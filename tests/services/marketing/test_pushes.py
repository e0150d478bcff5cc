"""Subscription messages: each one uses up one consent; without consent there is the inbox."""

from __future__ import annotations

from typing import Any

import pytest

from at_once import at_once
from campaign_world import CampaignWorld, Postman, campaign
from chain_data import FakeClock
from huitou.marketing.deliveries.inbox_service import Inbox
from huitou.marketing.deliveries.models import OpenMessageRequest
from huitou.members.messaging.models import SubscribedRequest
from huitou.members.messaging.service import Messages
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.paging import PageRequest

PUSHED = [{
    "gift": {"kind": "coupon", "template_id": "silver-30-8"},
    "message": {"title": "三天没见", "body": "{until}前可用", "push_template_id": "huitou-care"},
}]  # fmt: skip


class Pushed(CampaignWorld):
    """A chain whose campaign pushes its messages, and a guest who last came on 2 March."""

    def __init__(self, chain: Database, clock: FakeClock) -> None:
        super().__init__(chain, clock)
        self.ann = self.guest("ann")
        self.orders(self.ann, "2026-03-02 12:00")
        self.run(campaign(variants=PUSHED))

    def accepts(self, *results: str, prompt: str = "p1", member: str = "") -> dict[str, int]:
        request = SubscribedRequest.model_validate(
            {
                "prompt_id": prompt,
                "answers": [{"template_id": "huitou-care", "result": result} for result in results],
            }
        )
        return Messages(self.database).record_subscriptions(member or self.ann, request).left

    def left(self) -> int:
        return (
            Messages(self.database)
            .messages_left([self.ann], ["huitou-care"])
            .get(f"{self.ann}|huitou-care", 0)
        )

    def push_status(self) -> Any:
        (exposure,) = self.exposures()
        return exposure.get("push")


@pytest.fixture
def world(chain: Database, clock: FakeClock) -> Pushed:
    return Pushed(chain, clock)


def test_one_consent_allows_one_message(world: Pushed) -> None:
    assert world.accepts("accept") == {"huitou-care": 1}
    assert world.accepts("accept") == {"huitou-care": 1}  # The same prompt again.
    world.tick("2026-03-05 10:00")
    assert world.postman.sent == [
        (
            f"openid-of-{world.ann}",
            "huitou-care",
            {"thing1": {"value": "三天没见"}, "thing2": {"value": "4 月 3 日前可用"}},
        )
    ]
    assert (world.push_status(), world.left()) == ("sent", 0)
    world.tick("2026-03-05 10:05")
    assert len(world.postman.sent) == 1


def test_without_consent_the_message_is_in_the_inbox_only(world: Pushed) -> None:
    world.tick("2026-03-05 10:00")
    assert world.postman.sent == []
    (message,) = Inbox(world.database, world.clock).list_messages(world.ann, PageRequest())[
        "messages"
    ]
    assert message["title"] == "三天没见"
    assert not message["opened"]
    assert world.shop.database.collection("coupons").find_one({"_id": message["coupon_id"]})
    opened = OpenMessageRequest(message_id=message["message_id"])
    Inbox(world.database, world.clock).open_message(world.ann, opened)
    (message,) = Inbox(world.database, world.clock).list_messages(world.ann, PageRequest())[
        "messages"
    ]
    assert message["opened"]
    bob = world.guest("bob")
    with pytest.raises(Refusal, match="NOT_FOUND"):
        Inbox(world.database, world.clock).open_message(bob, opened)


def test_error_43101_takes_all_consents_that_were_left(world: Pushed) -> None:
    for prompt in ("p1", "p2", "p3"):
        world.accepts("accept", prompt=prompt)
    world.postman.errors = [43101]
    world.tick("2026-03-05 10:00")
    assert (world.push_status(), world.left()) == ("refused", 0)


def test_a_ban_takes_all_consents_that_were_left(world: Pushed) -> None:
    world.accepts("accept")
    assert world.accepts("ban", prompt="p2") == {"huitou-care": 0}
    assert world.accepts("reject", prompt="p3") == {"huitou-care": 0}


@pytest.mark.parametrize(("error", "ends", "left"), [(47003, "failed", 1), (45009, "due", 1)])
def test_an_error_that_is_not_the_guests_gives_the_consent_back(
    world: Pushed, error: int, ends: str, left: int
) -> None:
    world.accepts("accept")
    world.postman.errors = [error]
    world.tick("2026-03-05 10:00")
    assert (world.push_status(), world.left()) == (ends, left)
    world.tick("2026-03-05 10:05")
    assert world.push_status() == ("sent" if ends == "due" else ends)


def test_a_message_that_may_have_gone_out_is_not_sent_again(
    world: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.accepts("accept")

    def lost(*_: object) -> int:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(Postman, "send_message", lost)
        world.tick("2026-03-05 10:00")
    assert world.push_status() == "unknown"
    world.tick("2026-03-05 10:05")
    assert world.postman.sent == []


def test_the_push_of_a_killed_sender_is_not_sent_again(world: Pushed) -> None:
    world.accepts("accept")
    world.tick("2026-03-05 10:00")
    world.database.collection("exposures").update_one(
        {"member_id": world.ann}, {"$set": {"push": "sending"}}
    )
    world.tick("2026-03-05 10:30")
    assert world.push_status() == "unknown"
    assert len(world.postman.sent) == 1


@pytest.mark.slow
def test_many_senders_send_each_message_once(world: Pushed) -> None:
    guests = [world.guest(f"g{number}") for number in range(30)]
    for guest in guests:
        world.orders(guest, "2026-03-02 12:00")
        world.accepts("accept", member=guest)
    world.at("2026-03-05 10:00")
    at_once([world.tick] * 4)
    world.tick()
    assert len(world.postman.sent) == len({openid for openid, *_ in world.postman.sent}) == 30


def test_a_waiting_push_is_not_sent_after_the_consent_is_withdrawn(world: Pushed) -> None:
    world.accepts("accept")
    world.postman.errors = [45009]
    world.tick("2026-03-05 10:00")
    world.consent(world.ann, given=False)
    world.tick("2026-03-05 10:05")
    assert world.push_status() == "no_consent"
    assert world.postman.sent == []


def test_a_push_that_waited_too_long_stays_in_the_inbox(world: Pushed) -> None:
    world.accepts("accept")
    world.postman.errors = [45009]
    world.tick("2026-03-05 10:00")
    world.tick("2026-03-05 13:30")
    assert world.push_status() == "late"
