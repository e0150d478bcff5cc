"""Functions answer wrong input with a field, in two languages, only with the caller's data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chain_data import FakeClock, Shop
from handlers import Run, call, everything, token_of
from huitou.runtime.database import Database

__all__ = ["call"]  # A fixture.


@pytest.mark.parametrize(
    ("event", "code", "field"),
    [
        (None, "INVALID_REQUEST", "event"),
        ([], "INVALID_REQUEST", "event"),
        ("quote", "INVALID_REQUEST", "event"),
        ({}, "UNKNOWN_ACTION", "action"),
        ({"action": "steal"}, "UNKNOWN_ACTION", "action"),
        ({"action": ["quote"]}, "UNKNOWN_ACTION", "action"),
        ({"action": "quote\ud800"}, "UNKNOWN_ACTION", "action"),
        ({"action": "quote", "v": 2}, "INVALID_REQUEST", "v"),
        ({"action": "quote", "v": True}, "INVALID_REQUEST", "v"),
        ({"action": "quote", "x": "y" * 70_000}, "TOO_LARGE", "event"),
        ({"action": "quote"}, "INVALID_REQUEST", "store_id"),
        ({"items": []}, "INVALID_REQUEST", "items"),
        ({"items": "tea"}, "INVALID_REQUEST", "items"),
        ({"items": [{}] * 51}, "INVALID_REQUEST", "items"),
        ({"store_id": "atlantis"}, "STORE_NOT_FOUND", "store_id"),
        ({"quantity": 0}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": -1}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": 10**9}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": 10**30}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": 1.5}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": "1"}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": True}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": None}, "INVALID_REQUEST", "items.0.quantity"),
        ({"quantity": float("nan")}, "INVALID_REQUEST", "items.0.quantity"),
        ({"points": -5}, "INVALID_REQUEST", "points"),
        ({"points": 10**12}, "INVALID_REQUEST", "points"),
        ({"points": 1}, "POINTS_OVER_LIMIT", "points"),
        ({"coupon_id": {"$ne": None}}, "INVALID_REQUEST", "coupon_id"),
        ({"coupon_id": "c1"}, "NOT_FOUND", "coupon_id"),
        ({"dish_id": "unicorn"}, "DISH_NOT_FOUND", "items.0.dish_id"),
        ({"pay_nothing": True}, "INVALID_REQUEST", "pay_nothing"),
    ],
)
def test_bad_input_gets_a_code_that_names_the_field_and_writes_nothing(
    call: Run, chain: Database, event: Any, code: str, field: str
) -> None:
    call("member-profile", {"action": "login"}, "alice")
    before = everything(chain)
    if isinstance(event, dict) and "action" not in event and event:
        line = {"dish_id": "milk-tea", "sku_id": "m", "quantity": 1}
        line |= {key: event.pop(key) for key in ("quantity", "dish_id") if key in event}
        event = {"action": "quote", "store_id": "jingan", "items": [line], **event}
    answer = call("pay", event, "alice")
    assert (answer["ok"], answer["error"]["code"]) == (False, code)
    assert answer["error"]["field"] == field
    assert everything(chain) == before


def test_messages_are_chinese_unless_the_request_asks_for_english(call: Run) -> None:
    chinese = call("pay", {"action": "quote"}, "alice")["error"]["message"]
    english = call("pay", {"action": "quote", "lang": "en"}, "alice")["error"]["message"]
    assert chinese == "请求有误：store_id 缺少该字段"
    assert english == "Invalid request: store_id is missing"


def test_an_unregistered_member_is_told_to_log_in(call: Run) -> None:
    answer = call("member-profile", {"action": "profile"}, "stranger")
    assert answer["error"]["code"] == "NOT_REGISTERED"


def test_no_action_answers_with_another_members_data(
    call: Run, chain: Database, clock: FakeClock
) -> None:
    call("member-profile", {"action": "login"}, "mallory")
    alice = call("member-profile", {"action": "login"}, "alice")["data"]["member_id"]
    order = Shop(chain, clock).paid(alice)
    for action in ("status", "cancel", "prepay"):
        answer = call("pay", {"action": action, "order_id": order.id}, "mallory")
        unknown = call("pay", {"action": action, "order_id": "o-none"}, "mallory")
        for refused in (answer, unknown):
            assert refused["error"]["code"] == "NOT_FOUND"
            assert refused["error"]["field"] == "order_id"
        assert answer["error"]["message"] == unknown["error"]["message"]
        assert order.id not in json.dumps(answer)
    assert call("member-profile", {"action": "orders"}, "mallory")["data"]["orders"] == []
    assert call("member-profile", {"action": "points"}, "mallory")["data"]["entries"] == []
    mine = call("member-profile", {"action": "orders"}, "alice")["data"]["orders"]
    assert [found["order_id"] for found in mine] == [order.id]
    after = f"{order.created_at.isoformat()}|{order.id}"
    assert (
        call("member-profile", {"action": "orders", "after": after}, "mallory")["data"]["orders"]
        == []
    )


def test_the_log_holds_nothing_of_the_event_or_the_caller(call: Run, capsys: Any) -> None:
    call("member-profile", {"action": "login"}, "secret-openid")
    answer = call(
        "member-profile", {"action": "bind_phone", "code": "13800138000"}, "secret-openid"
    )
    assert answer["error"]["code"] == "UNAVAILABLE"  # The call got as far as asking WeChat.
    call("member-profile", {"action": "13800138000"}, "secret-openid")
    logged = capsys.readouterr().out
    assert '"log":"call"' in logged
    assert "13800138000" not in logged
    assert "secret-openid" not in logged


def test_differences_between_the_books_have_the_declared_shape(call: Run, chain: Database) -> None:
    chain.collection("accounts").insert_one(
        {"_id": "nobody", "available": 5, "reserved": 0, "version": 1}
    )
    chain.collection("payments").insert_one(
        {
            "_id": "p1",
            "order_id": "gone",
            "member_id": "nobody",
            "attempt": 1,
            "amount_fen": 1,
            "status": "open",
        }
    )
    token = token_of("maintenance")
    page = call("maintenance", {"action": "reconcile", "token": token})["data"]
    assert page["differences"] == [
        {"kind": "balance", "id": "nobody", "expected": 0, "found": 5},
        {"kind": "money without order", "id": "p1", "found": "gone"},
    ]
