"""Who may call what: every function through its real handler, with forged callers and events."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from answers import check
from bootstrap import ROOT
from chain_data import Shop
from huitou.ordering.orders.models import PendingRefund
from huitou.runtime.database import Database, shared_database
from huitou.runtime.errors import Unavailable
from huitou.runtime.identity import internal_token
from huitou.runtime.settings import settings
from localcloud.mongod import Mongod

SECRET = "s" * 40
MERCHANT_KEY = (
    generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
EVENTS = Path(__file__).parent.parent / "events"
MEMBERS_ONLY = ("member-profile", "store-menu", "pay")
INTERNAL = ("points-sync", "tier-evaluate", "coupon-issue", "trigger-relay", "maintenance")


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


@pytest.fixture
def call(
    chain: Database, mongod: Mongod, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Any]:
    """Call a function's `main_handler` on this test's database, as a member or as nobody."""
    monkeypatch.setenv("MONGODB_URI", mongod.uri)
    monkeypatch.setenv("HUITOU_DATABASE", chain.name)
    monkeypatch.setenv("HUITOU_INTERNAL_SECRET", SECRET)
    for name in ("APPID", "APP_SECRET", "PAY_MCHID", "PAY_MERCHANT_SERIAL"):
        monkeypatch.setenv(f"WECHAT_{name}", "test")
    monkeypatch.setenv("WECHAT_PAY_MERCHANT_KEY", MERCHANT_KEY)
    monkeypatch.setenv("WECHAT_PAY_API_V3_KEY", "k" * 32)
    monkeypatch.setenv("WECHAT_PAY_PLATFORM_KEYS", "SERIAL=-----BEGIN PUBLIC KEY-----")
    monkeypatch.setenv("WECHAT_PAY_NOTIFY_URL", "http://127.0.0.1:9/pay/notify")
    monkeypatch.setenv("WECHAT_PAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WECHAT_API_URL", "http://127.0.0.1:9")  # Nobody is there.
    monkeypatch.setenv("HUITOU_PHONE_KEY", "phones")
    monkeypatch.setenv("HUITOU_CLOCK_FILE", str(EVENTS / "noon.json"))
    settings.cache_clear()
    modules: dict[str, ModuleType] = {}

    def run(function: str, event: object, openid: str | None = None) -> dict[str, Any]:
        if function not in modules:
            path = ROOT / "functions" / function / "index.py"
            spec = importlib.util.spec_from_file_location(f"index_{function}", path)
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            modules[function] = module
        caller = {"WX_OPENID": openid, "WX_APPID": "wxapp"} if openid else {}
        context: Mapping[str, Any] = {
            "request_id": "r1", "time_limit_in_ms": 60_000, "environment": json.dumps(caller),
        }  # fmt: skip
        answer: dict[str, Any] = modules[function].main_handler(event, context)
        table = getattr(modules[function], "MEMBER" if openid else "INTERNAL", {})
        if answer.get("ok") and isinstance(event, dict) and event.get("action") in table:
            check(table[event["action"]], answer["data"])
        return answer

    yield run
    shared_database(mongod.uri, chain.name).client.close()
    shared_database.cache_clear()


def everything(database: Database) -> dict[str, int]:
    names = database.mongo.list_collection_names()
    return {name: database.collection(name).count_documents({}) for name in sorted(names)}


@pytest.mark.parametrize("function", INTERNAL)
@pytest.mark.parametrize(
    "event",
    [
        recorded("timer"),
        recorded("change"),
        recorded("changes"),
        {"action": "declare"},
        {"action": "load", "stores": []},
        {"httpMethod": "POST", "path": "/", "body": "{}"},
    ],
    ids=["timer", "change", "changes", "declare", "load", "http"],
)
def test_a_member_opens_no_internal_door(
    call: Any, chain: Database, function: str, event: dict[str, Any]
) -> None:
    before = everything(chain)
    token = internal_token(SECRET.encode(), function)  # Even with a stolen token.
    answer = call(function, {**event, "token": token, "Message": token}, "mallory")
    assert answer["error"]["code"] == "FORBIDDEN"
    assert everything(chain) == before


@pytest.mark.parametrize("function", [*INTERNAL, "pay", "member-profile", "store-menu"])
@pytest.mark.parametrize("name", ["timer", "change", "changes"])
@pytest.mark.parametrize("token", ["", "wrong", None, 5, ["x"]])
def test_without_the_functions_token_nobody_is_internal(
    call: Any, chain: Database, function: str, name: str, token: object
) -> None:
    before = everything(chain)
    answer = call(function, {**recorded(name), "token": token, "Message": token})
    assert answer["error"]["code"] in ("FORBIDDEN", "IDENTITY_REQUIRED")
    assert everything(chain) == before


def test_one_functions_token_does_not_open_another(call: Any) -> None:
    token = internal_token(SECRET.encode(), "points-sync")
    answer = call("maintenance", {"action": "declare", "token": token})
    assert answer["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("function", MEMBERS_ONLY)
@pytest.mark.parametrize("who", [{"openId": "alice"}, {"openId": 5}, "alice", ["alice"]])
def test_a_forged_user_info_is_refused(
    call: Any, chain: Database, function: str, who: object
) -> None:
    call("member-profile", {"action": "login"}, "alice")
    before = everything(chain)
    for action in ("login", "profile", "stores", "orders"):
        answer = call(function, {"action": action, "userInfo": who}, "mallory")
        assert not answer["ok"]
    assert everything(chain) == before


def test_an_openid_in_the_event_is_nobodys(call: Any) -> None:
    call("member-profile", {"action": "login"}, "alice")
    for forged in ({"openid": "alice"}, {"WX_OPENID": "alice"}, {"OPENID": "alice"}):
        answer = call("member-profile", {"action": "profile", **forged})
        assert answer["error"]["code"] == "IDENTITY_REQUIRED"


def test_the_environment_of_the_process_is_not_believed(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runtimes leave the previous caller there."""
    call("member-profile", {"action": "login"}, "alice")
    monkeypatch.setenv("WX_OPENID", "alice")
    answer = call("member-profile", {"action": "profile"})
    assert answer["error"]["code"] == "IDENTITY_REQUIRED"


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
    call: Any, chain: Database, event: Any, code: str, field: str
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


def test_messages_are_chinese_unless_english_is_asked_for(call: Any) -> None:
    chinese = call("pay", {"action": "quote"}, "alice")["error"]["message"]
    english = call("pay", {"action": "quote", "lang": "en"}, "alice")["error"]["message"]
    assert chinese == "请求有误：store_id 缺少该字段"
    assert english == "Invalid request: store_id is missing"


def test_an_unregistered_member_is_told_to_log_in(call: Any) -> None:
    answer = call("member-profile", {"action": "profile"}, "stranger")
    assert answer["error"]["code"] == "NOT_REGISTERED"


def test_no_action_answers_with_another_members_data(
    call: Any, chain: Database, clock: Any
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


def test_nothing_of_the_event_or_the_caller_is_logged(call: Any, capsys: Any) -> None:
    call("member-profile", {"action": "login"}, "secret-openid")
    answer = call(
        "member-profile", {"action": "bind_phone", "code": "13800138000"}, "secret-openid"
    )
    assert answer["error"]["code"] == "UNAVAILABLE"  # It got as far as asking WeChat.
    call("member-profile", {"action": "13800138000"}, "secret-openid")
    logged = capsys.readouterr().out
    assert '"log":"call"' in logged
    assert "13800138000" not in logged
    assert "secret-openid" not in logged


def test_a_change_event_for_a_forged_order_finds_nothing_to_do(call: Any, chain: Database) -> None:
    before = everything(chain)
    event = {**recorded("changes"), "token": internal_token(SECRET.encode(), "points-sync")}
    assert call("points-sync", event)["data"] == {"outcomes": {"nothing due": 2}}
    assert everything(chain) == before


def test_what_no_retry_can_cure_becomes_a_dead_letter_and_stops_nobody_else(
    call: Any, chain: Database, clock: Any
) -> None:
    shop = Shop(chain, clock)
    order = shop.order(shop.register())
    shop.pay(order)
    chain.collection("orders").insert_one(
        {"_id": "a-broken", "member_id": "nobody", "status": "paid", "settlement": "due",
         "payable_fen": 1, "points_used": 0, "version": 1}
    )  # fmt: skip
    message = internal_token(SECRET.encode(), "points-sync")
    answer = call("points-sync", {**recorded("timer"), "Message": message})
    assert answer["data"]["outcomes"] == {"buried": 1, "settled": 1}
    letters = list(chain.collection("dead_letters").find({}))
    assert [letter["document_id"] for letter in letters] == ["a-broken"]


def test_the_timer_closes_months_of_points_that_are_over(call: Any, chain: Database) -> None:
    chain.collection("points_entries").insert_one({
        "_id": "earn:o1", "member_id": "m", "number": 1, "kind": "earn", "points": 7,
        "lots": [{"expires_on": "2027-12-31", "points": 7}], "balance": 7, "spend_fen": 700,
        "booked_on": "2026-01-15", "is_test": False,
    })  # fmt: skip
    timer = {**recorded("timer"), "Message": internal_token(SECRET.encode(), "points-sync")}
    assert call("points-sync", timer)["data"]["months"] == {"closed": 1}
    assert call("points-sync", timer)["data"]["months"] == {}
    [month] = chain.collection("points_months").find({})
    assert (month["_id"], month["open"]) == ("2026-01", {"2027": 7})
    token = {"token": internal_token(SECRET.encode(), "points-sync")}
    asked = {"action": "liability", "as_of": "2026-02-01", **token}
    told = call("points-sync", asked)["data"]
    assert [(m["month"], m["outstanding_at_end"]) for m in told["months"]] == [
        ("2026-01", 7), ("2026-02", 7)
    ]  # fmt: skip


def test_points_set_aside_and_forgotten_come_back_by_the_timer(
    call: Any, chain: Database, clock: Any
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    shop.give_points(alice, 100)
    has = shop.account(alice)["available"]
    token = internal_token(SECRET.encode(), "points-sync")

    def ask(action: str, **more: Any) -> Any:
        return call("points-sync", {"action": action, "token": token, "lang": "en", **more})

    wanted = {"member_id": alice, "hold_id": "game:1", "points": 60, "purpose": "game"}
    held = ask("hold_points", **wanted)["data"]
    assert (held["status"], shop.account(alice)["reserved"]) == ("held", 60)
    too_many = ask("hold_points", **wanted | {"hold_id": "game:2", "points": has})
    assert too_many["error"]["code"] == "POINTS_NOT_ENOUGH"
    assert ask("hold_points", **wanted | {"hold_id": "o1"})["error"]["field"] == "hold_id"
    chain.collection("points_holds").update_one(
        {"_id": "game:1"}, {"$set": {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    answer = call("points-sync", {**recorded("timer"), "Message": token})
    assert answer["data"]["holds"] == {"released": 1}
    assert shop.account(alice)["available"] == has
    late = ask("commit_points", hold_id="game:1")["error"]
    assert late["code"] == "HOLD_RELEASED"
    assert late["message"] == "These points were given back: begin again with a new id"


def test_rules_are_tried_applied_and_carried_on_by_the_timer(
    call: Any, chain: Database, clock: Any
) -> None:
    alice = Shop(chain, clock).register()
    chain.collection("accounts").update_one(
        {"_id": alice}, {"$set": {"spend_by_day": {"2026-03-02": 45_000}}}
    )
    token = internal_token(SECRET.encode(), "tier-evaluate")

    def ask(action: str, **more: Any) -> Any:
        answer = call("tier-evaluate", {"action": action, "token": token, "lang": "en", **more})
        return answer["data"] if answer["ok"] else answer["error"]

    rules = ask("rules")["rules"]
    rules["levels"][1] |= {"spend_fen": 40_000, "monthly_coupons": ["silver-30-8"]}
    wrong = {**rules, "levels": rules["levels"][1:]}
    assert ask("dry_run", rules=wrong)["field"] == "rules.levels.0"
    assert "levels.0: the lowest level" in ask("dry_run", rules=wrong)["message"]
    rules["revision"] += 1
    assert ask("dry_run", rules=rules)["moves"][0]["members"] == 1
    assert ask("run")["code"] == "NOT_FOUND"
    assert ask("apply", rules=rules)["status"] == "running"
    timer = {**recorded("timer"), "Message": token}
    assert call("tier-evaluate", timer)["data"] == {"outcomes": {}, "applied": {"raised": 1}}
    assert (ask("run")["status"], ask("run")["raised"]) == ("done", 1)
    timer["Message"] = internal_token(SECRET.encode(), "coupon-issue")
    done = call("coupon-issue", timer)["data"]
    assert (done["granted"], done["monthly"], done["birthdays"]) == (
        {"issued": 1},
        {"issued": 1},
        {},
    )
    assert chain.collection("coupons").count_documents({"member_id": alice}) == 2


def test_differences_between_the_books_are_told_as_declared(call: Any, chain: Database) -> None:
    chain.collection("accounts").insert_one(
        {"_id": "nobody", "available": 5, "reserved": 0, "version": 1}
    )
    chain.collection("payments").insert_one(
        {"_id": "p1", "order_id": "gone", "member_id": "nobody", "attempt": 1, "amount_fen": 1,
         "status": "open"}
    )  # fmt: skip
    token = internal_token(SECRET.encode(), "maintenance")
    page = call("maintenance", {"action": "reconcile", "token": token})["data"]
    assert page["differences"] == [
        {"kind": "balance", "id": "nobody", "expected": 0, "found": 5},
        {"kind": "money without order", "id": "p1", "found": "gone"},
    ]


def test_one_part_of_a_sweep_that_must_be_tried_again_does_not_keep_the_other_from_its_turn(
    call: Any, chain: Database, clock: Any
) -> None:
    """An order that WeChat Pay can't be asked about, and a refund of nothing, in one timer."""
    shop = Shop(chain, clock)
    alice = shop.register()
    free = shop.order(alice)
    shop.pay(free)
    chain.collection("orders").update_one({"_id": free.id}, {"$set": {"payable_fen": 0}})
    pending = PendingRefund(refund_id="R-free", amount_fen=0)
    free = shop.orders.get(free.id)
    chain.transact(lambda session: shop.orders.begin_refund(free, pending, "till", session))
    chain.collection("refunds").insert_one(
        {"_id": "R-free", "kind": "order", "order_id": free.id, "member_id": alice,
         "amount_fen": 0, "reason": "x", "actor": "y", "status": "requested",
         "created_at": clock.now()}
    )  # fmt: skip
    stuck = shop.order(alice)
    chain.collection("payments").insert_one(
        {"_id": f"{stuck.id}n1", "order_id": stuck.id, "member_id": alice, "attempt": 1,
         "amount_fen": 1_500, "status": "open", "expires_at": clock.now(),
         "created_at": clock.now()}
    )  # fmt: skip
    long_ago = clock.now() - timedelta(hours=1)
    chain.collection("orders").update_one({"_id": stuck.id}, {"$set": {"expires_at": long_ago}})
    message = internal_token(SECRET.encode(), "pay")
    with pytest.raises(Unavailable):  # The platform calls again.
        call("pay", {**recorded("timer"), "Message": message})
    assert shop.orders.get(stuck.id).status == "closing"
    assert shop.orders.get(free.id).status == "refunded"
