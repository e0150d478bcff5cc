"""Every kind of forged caller tries each door of every function in the bundle.

The doors are read from the function itself, so a new function is covered as soon as it is in
cloudbaserc.json. Most tests run in an instance that has only the internal secret: no database,
no key, no outside service. A caller who gets in there gets another kind of error, so a refusal
proves that nothing was read, written or sent.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bootstrap import ROOT
from chain_data import FakeClock, Shop
from handlers import SECRET, TABLES, Run, call, everything, recorded, run, token_of
from huitou.operations.staff.rules import MAY
from huitou.runtime.database import Database
from huitou.runtime.events import change_event
from huitou.runtime.settings import settings
from huitou.runtime.triggers import TRIGGERS
from localcloud.keys import LocalSecrets
from localcloud.platform import STANDING

__all__ = ["call"]  # A fixture.
BUNDLE = (ROOT / "cloudbaserc.json").read_text(encoding="utf-8")
DECLARED: dict[str, Any] = {f["name"]: f for f in json.loads(BUNDLE)["functions"]}
FUNCTIONS = sorted(DECLARED)
TARGETS = {route["target"].partition(":")[2] for route in json.loads(BUNDLE)["gateway"]["routes"]}
WITH_HTTP = [name for name in FUNCTIONS if "http" in TABLES[name].doors]
LEFT_OVER = ("TCB_ENV", "STORAGE_URL", "TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY")
SHUT = {"FORBIDDEN", "IDENTITY_REQUIRED", "UNKNOWN_ACTION"}  # The answers of a closed door.
HTTP = {"httpMethod": "POST", "path": "/", "body": "{}", "headers": {}}
every_function = pytest.mark.parametrize("function", FUNCTIONS)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make an instance that has the internal secret and no other setting."""
    for name in {*re.findall(r"\{\{env\.(\w+)\}\}", BUNDLE), *LEFT_OVER}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HUITOU_INTERNAL_SECRET", SECRET)
    settings.cache_clear()
    yield
    settings.cache_clear()


def timers(function: str) -> dict[str, dict[str, Any]]:
    """Return the event of each timer of a function; if it has none, one of another function."""
    names = [trigger["name"] for trigger in DECLARED[function].get("triggers", [])]
    return {
        f"timer {name}": {**recorded("timer"), "TriggerName": name} for name in names or ["forged"]
    }


def changes(function: str, document_id: str = "o1") -> dict[str, dict[str, Any]]:
    """Return a change, and a batch of changes, in the collections that a function follows."""
    followed = [trigger.collection for trigger in TRIGGERS if trigger.function == function]
    events = [
        change_event(collection, document_id, "update", datetime(2026, 3, 2, tzinfo=UTC))
        for collection in followed or ["orders"]
    ]
    return {"change": events[0], "changes": {"events": events}}


def internal_events(function: str) -> dict[str, dict[str, Any]]:
    """Return all events that internal callers may send to the function or to any function."""
    actions = {f"action {name}": {"action": name} for name in TABLES[function].internal}
    return {**timers(function), **changes(function), **actions, "nothing": {}}


def with_token(event: dict[str, Any], token: object) -> dict[str, Any]:
    """Put a token into both places where functions look for it."""
    return {**event, "token": token, "Message": token}


def code_of(answer: dict[str, Any]) -> str | None:
    """Return the error's code, also from an HTTP answer; None if the call succeeded."""
    if "statusCode" in answer:
        assert answer["statusCode"] >= 400, answer
        answer = json.loads(answer["body"])
    return None if answer.get("ok") else str(answer["error"]["code"])


# --- callers without the function's own token -----------------------------------------------------

FORGED_TOKENS: dict[str, Callable[[str], object]] = {
    "empty": lambda _: "",
    "null": lambda _: None,
    "number": lambda _: 5,
    "list": lambda function: [token_of(function)],
    "wrong": lambda _: "wrong",
    "of another function": lambda function: token_of(FUNCTIONS[FUNCTIONS.index(function) - 1]),
    "of another secret": lambda function: token_of(function, "t" * 40),
    "the secret itself": lambda _: SECRET,
    "not ASCII": lambda function: token_of(function) + "\u0661",
    "half of a pair": lambda function: token_of(function) + "\ud800",
}


@every_function
@pytest.mark.parametrize("kind", FORGED_TOKENS)
def test_without_its_own_token_a_function_does_nothing(
    bare: None, function: str, kind: str
) -> None:
    token = FORGED_TOKENS[kind](function)
    for name, event in internal_events(function).items():
        code = code_of(run(function, with_token(event, token)))
        assert code == ("FORBIDDEN" if token else "IDENTITY_REQUIRED"), name


@every_function
def test_without_any_token_a_function_does_nothing(bare: None, function: str) -> None:
    for name, event in internal_events(function).items():
        assert code_of(run(function, event)) == "IDENTITY_REQUIRED", name


@every_function
def test_with_its_own_token_a_function_opens_the_doors_it_has_and_no_other(
    bare: None, function: str
) -> None:
    """Proves that the tests above use calls that the right token lets in."""
    table = TABLES[function]
    for name, event in internal_events(function).items():
        kind = name.split()[0].removesuffix("s")
        is_open = {
            "timer": "timer" in table.doors,
            "change": "changes" in table.doors,
            "action": True,
        }.get(kind, False)
        code = code_of(run(function, with_token(event, token_of(function))))
        assert code is not None, f"{name} needs no setting: this test can't tell who got in"
        assert (code not in SHUT) == is_open, (name, code)


@every_function
def test_a_token_does_not_open_members_actions(bare: None, function: str) -> None:
    for action in set(TABLES[function].member) - set(TABLES[function].internal):
        event = with_token({"action": action}, token_of(function))
        assert code_of(run(function, event)) in ("FORBIDDEN", "UNKNOWN_ACTION"), action


# --- members --------------------------------------------------------------------------------------


@every_function
def test_a_member_with_a_stolen_token_opens_no_internal_action(bare: None, function: str) -> None:
    table = TABLES[function]
    for name, event in {**internal_events(function), "http": HTTP}.items():
        if event.get("action") in table.member:
            continue  # Members may call it too.
        code = code_of(run(function, with_token(event, token_of(function)), "mallory"))
        assert code == ("UNKNOWN_ACTION" if table.member else "FORBIDDEN"), name


@every_function
def test_a_member_may_call_each_action_for_members(bare: None, function: str) -> None:
    """Proves that the other tests use calls that a real identity lets in."""
    for action in TABLES[function].member:
        code = code_of(run(function, {"action": action}, "alice"))
        assert code is not None, f"{action} needs no setting: these tests can't tell who got in"
        assert code not in SHUT, action


FORGED_IDENTITIES: dict[str, dict[str, Any]] = {
    "none": {},
    "openid": {"openid": "alice"},
    "WX_OPENID": {"WX_OPENID": "alice"},
    "OPENID": {"OPENID": "alice", "FROM_OPENID": "alice"},
    "userInfo": {"userInfo": {"openId": "alice", "appId": "wxapp"}},
    "environment": {"environment": json.dumps({"WX_OPENID": "alice"})},
    "environ": {"environ": "WX_OPENID=alice;WX_APPID=wxapp"},
    "tcbContext": {"tcbContext": {"WX_OPENID": "alice"}},
}


@every_function
@pytest.mark.parametrize("kind", FORGED_IDENTITIES)
def test_an_identity_in_the_event_is_not_believed(bare: None, function: str, kind: str) -> None:
    for action in {**TABLES[function].member, **TABLES[function].internal}:
        event = {"action": action, **FORGED_IDENTITIES[kind]}
        assert code_of(run(function, event)) == "IDENTITY_REQUIRED", action


@every_function
def test_the_environment_of_the_process_is_not_believed(
    bare: None, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """A runtime leaves the identity of the previous caller in the environment."""
    monkeypatch.setenv("WX_OPENID", "alice")
    monkeypatch.setenv("OPENID", "alice")
    for action in {**TABLES[function].member, **TABLES[function].internal}:
        assert code_of(run(function, {"action": action})) == "IDENTITY_REQUIRED", action


@every_function
@pytest.mark.parametrize("who", [{"openId": "alice"}, {"openId": 5}, "alice", ["alice"]], ids=str)
def test_a_member_who_claims_to_be_another_is_refused(
    bare: None, function: str, who: object
) -> None:
    for action in {**TABLES[function].member, **TABLES[function].internal}:
        answer = run(function, {"action": action, "userInfo": who}, "mallory")
        assert code_of(answer) == "FORBIDDEN", action


# --- on a real database ---------------------------------------------------------------------------


def forged_calls(function: str) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield every event of a function with every kind of forged caller."""
    events = {**internal_events(function), **changes(function, "due")}
    for event in events.values():
        yield event, None
        for token in FORGED_TOKENS.values():
            yield with_token(event, token(function)), None
    for action in TABLES[function].member:
        for identity in FORGED_IDENTITIES.values():
            yield {"action": action, **identity}, None
        yield {"action": action, "userInfo": {"openId": "alice"}}, "mallory"
    for event in events.values():
        if event.get("action") not in TABLES[function].member:
            yield with_token(event, token_of(function)), "mallory"
    if function not in WITH_HTTP:
        yield HTTP, None


@every_function
def test_forged_callers_change_nothing(
    call: Run, chain: Database, clock: FakeClock, function: str
) -> None:
    work_to_do(chain, clock)
    before = everything(chain)
    for event, openid in forged_calls(function):
        assert code_of(call(function, event, openid)) in SHUT, event
    assert everything(chain) == before


def test_the_right_token_changes_the_database(call: Run, chain: Database, clock: FakeClock) -> None:
    """Proves that the test above would notice a change: the same event changes the database."""
    work_to_do(chain, clock)
    before = everything(chain)
    event = changes("points-sync", "due")["change"]
    assert call("points-sync", with_token(event, token_of("points-sync")))["ok"]
    assert everything(chain) != before


def work_to_do(chain: Database, clock: FakeClock) -> None:
    """Make the paid order `due`, which a change event or a timer would settle."""
    shop = Shop(chain, clock)
    order = shop.order(shop.register("alice"))
    assert shop.pay(order)
    kept = chain.collection("orders").find_one({"_id": order.id})
    assert kept
    chain.collection("orders").delete_one({"_id": order.id})
    chain.collection("orders").insert_one({**kept, "_id": "due"})


# --- HTTP -----------------------------------------------------------------------------------------


def test_http_paths_lead_to_the_functions_with_a_door_for_http() -> None:
    assert set(WITH_HTTP) == TARGETS


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name not in WITH_HTTP])
def test_a_function_without_a_door_for_http_refuses_http(bare: None, function: str) -> None:
    answer = run(function, HTTP)
    assert (answer["statusCode"], code_of(answer)) == (404, "IDENTITY_REQUIRED")


def forged_notices(keys: LocalSecrets) -> Iterator[dict[str, Any]]:
    """Yield forged, old and changed notices."""
    right = notice(keys, keys.platform_private_key, keys.platform_serial)
    yield HTTP
    yield {**with_token(HTTP, token_of("pay")), "action": "refunds", "body": right["body"]}
    yield notice(keys, keys.merchant_private_key, keys.platform_serial)
    yield notice(keys, keys.merchant_private_key, keys.merchant_serial)
    yield notice(keys, keys.platform_private_key, "another")
    yield notice(keys, keys.platform_private_key, keys.platform_serial, at=time.time() - 3_600)
    yield {**right, "body": right["body"].replace("n1", "n2")}
    for name in right["headers"]:
        yield {**right, "headers": {k: v for k, v in right["headers"].items() if k != name}}


def notice(
    keys: LocalSecrets, private_key: str, serial: str, at: float | None = None
) -> dict[str, Any]:
    """Return a notice, encrypted with the chain's APIv3 key and signed with the given key."""
    sealed = AESGCM(keys.api_v3_key.encode()).encrypt(b"0" * 12, b"{}", b"transaction")
    resource = {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": "0" * 12,
        "associated_data": "transaction",
        "ciphertext": base64.b64encode(sealed).decode(),
    }
    body = json.dumps({"id": "n1", "event_type": "TRANSACTION.SUCCESS", "resource": resource})
    stamp, nonce = str(int(time.time() if at is None else at)), "0" * 32
    signed = f"{stamp}\n{nonce}\n{body}\n".encode()
    key: Any = load_pem_private_key(private_key.encode(), None)
    return {
        **HTTP,
        "path": "/pay/notify",
        "body": body,
        "headers": {
            "Wechatpay-Serial": serial,
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(
                key.sign(signed, PKCS1v15(), SHA256())
            ).decode(),
        },
    }


def console_calls_without_a_session(keys: LocalSecrets) -> Iterator[dict[str, Any]]:
    """Yield calls of every route without a session or with a wrong one."""
    for route in MAY:
        for cookie in (None, "", "wrong", token_of("console"), SECRET, '"', "\u7532", "\ud800"):
            kept = {} if cookie is None else {"Cookie": f"huitou_session={cookie}"}
            headers = {"X-Huitou": "1", **kept}
            yield with_token(
                {**HTTP, "path": f"/api/{route}", "headers": headers}, token_of("console")
            )
        yield {**HTTP, "path": f"/api/{route}"}  # Another site's form can't send our header.


FORGED_HTTP = {"pay": forged_notices, "console": console_calls_without_a_session}
NO_ENTRY = {
    "pay": ({401}, {"FAIL"}),
    "console": ({401, 403}, {"SIGN_IN_REQUIRED", "FORBIDDEN"}),
}


@pytest.mark.parametrize("function", WITH_HTTP)
def test_http_needs_a_signature_or_a_session(
    call: Run, chain: Database, clock: FakeClock, keys: LocalSecrets, function: str
) -> None:
    """A new function with a door for HTTP must list its forged calls in `FORGED_HTTP`."""
    work_to_do(chain, clock)
    before = everything(chain)
    statuses, codes = NO_ENTRY[function]
    for event in FORGED_HTTP[function](keys):
        answer = call(function, event)
        body = json.loads(answer["body"])
        assert answer["statusCode"] in statuses, event
        assert "data" not in body
        assert (body.get("code") or body["error"]["code"]) in codes, event
    assert everything(chain) == before


def test_a_notice_that_wechat_pay_signed_is_read(call: Run, keys: LocalSecrets) -> None:
    """Proves that the notices above were refused for their signatures: this one gets further."""
    signed = notice(keys, keys.platform_private_key, keys.platform_serial)
    assert call("pay", signed)["statusCode"] == 400
    assert call("pay", {**signed, "headers": {}})["statusCode"] == 401


# --- the bundle -----------------------------------------------------------------------------------


@every_function
def test_each_timer_and_trigger_has_a_door(function: str) -> None:
    doors = TABLES[function].doors
    timed = bool(DECLARED[function].get("triggers")) or function in STANDING  # Off by default.
    assert timed == ("timer" in doors)
    assert (function in {trigger.function for trigger in TRIGGERS}) == ("changes" in doors)
