"""A member may call what costs much only so often in a minute, over all instances together."""

from __future__ import annotations

import time
from typing import Any

import pytest

from at_once import at_once
from chain_data import item
from handlers import SECRET, TABLES, Run, call, token_of
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.rates import MINUTE_S, count_call

__all__ = ["call"]  # A fixture.
CART = {"store_id": "jingan", "items": [item()]}
LIMITED = {
    (table.function, name): action.most_a_minute
    for table in TABLES.values()
    for name, action in table.member.items()
    if action.most_a_minute is not None
}
# What members may do without such a limit: reading, and writes that happen at most once. What asks
# WeChat has a limit in any case: WeChat limits the whole chain, so one member could stop it.
UNLIMITED = {
    "geofence-check": set[str](),
    "member-profile": {
        "login", "profile", "orders", "coupons", "coupon_token", "inbox", "open_message",
        "points", "notices", "mall", "merge_code",
    },
    "pay": set[str](),
    "referral-settle": {"mine"},
    "store-menu": {"stores", "menu"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def within_a_minute(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Hold the real clock still: a minute could end in the midst of a test."""
    now = [time.time() // MINUTE_S * MINUTE_S + 20]
    monkeypatch.setattr("huitou.runtime.rates.time.time", lambda: now[0])
    return now


def test_each_action_for_members_has_a_limit_or_is_named_here() -> None:
    for table in TABLES.values():
        of = {name for function, name in LIMITED if function == table.function}
        assert set(table.member) - of == UNLIMITED.get(table.function, set()), table.function


def quotes(call: Run, times: int, who: str = "alice") -> list[dict[str, Any]]:
    return [call("pay", {"action": "quote", **CART}, who) for _ in range(times)]


def test_a_member_at_the_limit_is_told_when_to_come_back(
    call: Run, within_a_minute: list[float]
) -> None:
    for name in ("alice", "bob"):
        call("member-profile", {"action": "login"}, name)
    most = LIMITED["pay", "quote"]
    assert all(answer["ok"] for answer in quotes(call, most))
    [refused] = quotes(call, 1)
    assert refused["error"]["code"] == "TOO_MANY_CALLS"
    assert refused["error"]["data"] == {"retry_s": 40}
    assert "40 秒" in refused["error"]["message"]
    assert quotes(call, 1, "bob")[0]["ok"]
    assert call("pay", {"action": "status", "order_id": "o1"}, "alice")["error"]["code"] == (
        "NOT_FOUND"
    )  # Each action is counted for itself.
    within_a_minute[0] += 40
    assert quotes(call, 1)[0]["ok"]


@pytest.mark.parametrize("action", ["prepay", "status", "cancel"])
def test_no_member_makes_us_ask_wechat_pay_without_a_limit(call: Run, action: str) -> None:
    event = {"action": action, "order_id": "o1"}
    codes = [
        call("pay", event, "alice")["error"]["code"] for _ in range(LIMITED["pay", action] + 1)
    ]
    assert codes.count("TOO_MANY_CALLS") == 1


@pytest.mark.parametrize("action", ["consent", "subscribed"])
def test_what_is_stored_for_each_call_of_a_member_has_a_limit(
    call: Run, chain: Database, action: str
) -> None:
    call("member-profile", {"action": "login"}, "alice")
    most = LIMITED["member-profile", action]
    for number in range(most + 5):
        accepted = {"template_id": f"template-{number}", "result": "accept"}
        fields: dict[str, Any] = {
            "consent": {"purpose": "marketing", "given": number % 2 == 0, "text_version": "1"},
            "subscribed": {"prompt_id": f"prompt-{number:04}", "answers": [accepted]},
        }[action]
        call("member-profile", {"action": action, **fields}, "alice")
    stored = {"consent": "consents", "subscribed": "subscriptions"}[action]
    assert len(list(chain.collection(stored).find({"_id": {"$gt": ""}}))) == most


def test_a_call_that_is_refused_for_its_fields_is_not_counted(call: Run, chain: Database) -> None:
    call("pay", {"action": "quote"}, "alice")
    assert chain.collection("call_counters").count_documents({}) == 0


def test_staff_have_no_such_limit(call: Run, chain: Database) -> None:
    member_id = call("member-profile", {"action": "login"}, "alice")["data"]["member_id"]
    event = {"action": "price_quote", "member_id": member_id, **CART, "token": token_of("pay")}
    call("pay", event)
    assert chain.collection("call_counters").count_documents({}) == 0


@pytest.mark.parametrize("left", [1, 3])
def test_of_more_callers_than_calls_left_the_others_lose(database: Database, left: int) -> None:
    for _ in range(10 - left):
        count_call(database, SECRET.encode(), "alice", "pay:quote", 10)
    one = lambda: count_call(database, SECRET.encode(), "alice", "pay:quote", 10)  # noqa: E731
    answers = at_once([one] * 6)
    assert [isinstance(answer, Refusal) for answer in answers].count(False) == left


def test_a_counter_names_nobody_and_goes_by_itself(database: Database) -> None:
    count_call(database, SECRET.encode(), "wxapp:alice", "pay:quote", 10)
    counters = database.collection("call_counters")
    [found] = counters.find({})
    assert "alice" not in str(found)
    ttl = [one for one in counters.index_information().values() if "expireAfterSeconds" in one]
    assert [(one["key"], one["expireAfterSeconds"]) for one in ttl] == [([("delete_at", 1)], 0)]
    assert found["delete_at"].timestamp() > time.time()
