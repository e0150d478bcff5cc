"""Whatever stands in a field, no action breaks: the answer names the field.

The requests and their fields are found through the tables of all functions and the console's
routes, so a new action is tried without being named here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Container, Iterator
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from console_people import index, person
from handlers import TABLES, Run, call, token_of
from huitou.operations.staff.service import Sessions
from huitou.runtime.database import Database
from huitou.runtime.errors import ConfigurationError
from huitou.runtime.faults import as_failure
from huitou.runtime.handler import Call
from sent_wrong import Place, broken, contradicts_itself, nested, request_from
from typings.tables import load_index

__all__ = ["call", "index"]  # Fixtures.
Ask = Callable[[dict[str, Any]], dict[str, Any] | None]  # Returns the error of the answer.
DEEP = "[" * 1_000 + "]" * 1_000


def wrong_answers(
    model: type[BaseModel], name: str, ask: Ask, signed: Container[str] = ()
) -> list[str]:
    """Ask with every breaking value in every field; returns the answers that name no field.

    The `signed` fields are filled in by the function itself.
    """
    found = []
    for place, what, fields in broken(model, request_from(model)):
        if place[0] in signed:
            continue
        error = ask(fields) or {"code": "none"}
        where, named = _shown(place), str(error.get("field"))
        if error["code"] == "INVALID_REQUEST" and (named != "event" or where == "event"):
            # Where fields contradict each other, the answer names one of them.
            is_named = named.startswith(where) or contradicts_itself(model, fields)
        else:  # Lists that lie too deep are found before their place is known.
            is_named = error["code"] != "INVALID_REQUEST" or what == "deep"
        if error["code"] == "INTERNAL" or not is_named:
            found.append(f"{name} {where}: {what} -> {error['code']} {named}")
    return found


def _shown(place: Place) -> str:
    return ".".join(map(str, place))


def calls() -> Iterator[tuple[str, str, str | None, type[BaseModel]]]:
    """Yield each action of each function, and who may call it."""
    for table in TABLES.values():
        for name, action in table.member.items():
            yield table.function, name, "alice", action.request
        for name, action in table.internal.items():
            yield table.function, name, None, action.request


@pytest.mark.parametrize("function", sorted(TABLES))
def test_a_wrong_value_in_any_field_of_any_action_is_named(
    call: Run, chain: Database, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    for setting in ("TCB_ENV", "TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY"):
        monkeypatch.setenv(setting, "test")
    monkeypatch.setenv("HUITOU_SCF_ENDPOINT", "127.0.0.1:9")
    monkeypatch.setattr("huitou.runtime.handler.count_call", lambda *_: None)  # All are tried.
    call("member-profile", {"action": "login"}, "alice")
    for of, name, openid, model in calls():
        if of == function:

            def ask(fields: dict[str, Any], name: str = name, who: str | None = openid) -> Any:
                token = {} if who else {"token": token_of(function)}
                return call(function, {**fields, "action": name, **token}, who).get("error")

            assert wrong_answers(model, f"{function} {name}", ask) == []


CONSOLE = load_index("console")


@pytest.mark.parametrize("area", CONSOLE.AREAS)
def test_a_wrong_value_in_any_field_of_any_console_route_is_named(
    index: ModuleType, chain: Database, area: str
) -> None:
    token = person(index, chain, "owner").browser().cookie
    console = Call("console", {}, {"time_limit_in_ms": 60_000})
    staff = Sessions(chain, console.settings.internal_secret).get_signed_in_staff(token)
    desk = index.Desk(console, staff, token, "127.0.0.1")
    for name, route in index.routes(area).items():

        def ask(fields: dict[str, Any], name: str = name, route: Any = route) -> Any:
            sent = {key: value for key, value in fields.items() if key not in route.signed}
            try:
                index._run_route(desk, f"{area}/{name}", route, sent)
            except Exception as error:
                if isinstance(error, ConfigurationError):
                    return None  # This test's instance has no settings for the outside.
                failure = as_failure(error)
                return {"code": failure.code.name, "field": failure.field}
            return None

        assert wrong_answers(route.request, f"console {area}/{name}", ask, route.signed) == []


HTTP_BODIES = {
    "deep": DEEP,
    "long number": '{"staff_id": ' + "1" * 5_000 + "}",
    "NaN": '{"staff_id": NaN}',
    "a key twice": '{"staff_id": "a", "staff_id": "b"}',
    "half of a pair": '{"staff_id": "\\ud800"}',
    "half of a pair, not escaped": "\ud800",
    "no JSON": "{",
    "too large": " " * 200_000,
}


@pytest.mark.parametrize("route", ["session/sign_in", "home/alarms", "nowhere"])
@pytest.mark.parametrize("name", HTTP_BODIES)
def test_a_malformed_body_is_refused_before_anybody_signs_in(
    index: ModuleType, name: str, route: str
) -> None:
    event = {
        "path": f"/api/{route}",
        "httpMethod": "POST",
        "body": HTTP_BODIES[name],
        "headers": {"X-Huitou": "1"},
    }
    answer = index.main_handler(event, {})
    error = json.loads(answer["body"])["error"]
    assert answer["statusCode"] == 400
    assert error["code"] == ("TOO_LARGE" if name == "too large" else "INVALID_REQUEST")
    assert error["field"] in ("staff_id", "body")


@pytest.mark.parametrize("name", HTTP_BODIES)
def test_a_malformed_payment_notice_is_refused(call: Run, name: str) -> None:
    event = {
        "path": "/pay/notify", "httpMethod": "POST", "body": HTTP_BODIES[name], "headers": {},
    }  # fmt: skip
    answer = call("pay", event)
    assert 400 <= answer["statusCode"] < 500


def test_a_body_that_is_not_base64_is_refused(call: Run) -> None:
    event = {"path": "/", "httpMethod": "POST", "body": "=", "isBase64Encoded": True}
    for function in ("pay", "console"):
        assert 400 <= call(function, event)["statusCode"] < 500


# Parts of an HTTP call beside its body; the platform hands them over as it got them.
HTTP_PARTS: dict[str, dict[str, Any]] = {
    "backslashes in a cookie": {
        "headers": {"X-Huitou": "1", "Cookie": 'huitou_session="' + "\\" * 100_000 + '"'}
    },
    "cookies that are not ours": {
        "headers": {"X-Huitou": "1", "Cookie": "huitou_session; a=b" * 50_000}
    },
    "half of a pair in a cookie": {"headers": {"X-Huitou": "1", "Cookie": "huitou_session=\ud800"}},
    "half of a pair in a header's name": {"headers": {"X-Huitou": "1", "\ud800": "\ud800"}},
    "half of a pair in the path": {"path": "/api/\ud800/\udfff"},
    "half of a pair in the method": {"httpMethod": "\ud800"},
    "half of a pair in the address": {"requestContext": {"sourceIp": "\ud800"}},
    "a long path": {"path": "/api/" + "session/" * 100_000},
    "headers that are no table": {"headers": ["X-Huitou"]},
    "a header that is no text": {"headers": {"X-Huitou": {"1": ["1"]}}},
}


@pytest.mark.parametrize("part", HTTP_PARTS)
@pytest.mark.parametrize(("function", "path"), [("console", "/api/home/alarms"), ("pay", "/pay")])
def test_malformed_parts_of_an_http_call_are_refused_at_once(
    call: Run, function: str, path: str, part: str
) -> None:
    event = {"path": path, "httpMethod": "POST", "body": "{}", "headers": {"X-Huitou": "1"}}
    began_s = time.process_time()
    answer = call(function, event | HTTP_PARTS[part])
    assert time.process_time() - began_s < 2  # It would be minutes for the longest ones.
    assert 400 <= answer["statusCode"] < 500
    assert answer["body"].encode()


def test_a_password_of_nothing_but_accents_takes_no_time(index: ModuleType) -> None:
    sent = {"staff_id": "e" + "\u0301\u0316" * 10_000, "password": "p", "code": "1"}
    event = {
        "path": "/api/session/sign_in",
        "httpMethod": "POST",
        "body": json.dumps(sent, ensure_ascii=False),
        "headers": {"X-Huitou": "1"},
    }
    began_s = time.process_time()
    error = json.loads(index.main_handler(event, {})["body"])["error"]
    assert (error["code"], error["field"]) == ("INVALID_REQUEST", "staff_id")
    assert time.process_time() - began_s < 1


MANY: dict[str, Any] = {
    "numbers": [1] * 3_000_000,
    "lists": [[]] * 2_000_000,
    "tables": {str(number): {} for number in range(50_000)},
}


@pytest.mark.parametrize("kind", MANY)
def test_a_members_event_that_is_too_large_is_refused_before_its_values_are_read(
    call: Run, kind: str
) -> None:
    began_s = time.process_time()
    answer = call("store-menu", {"action": "stores", "x": MANY[kind]}, "alice")
    assert answer["error"]["code"] == "TOO_LARGE"
    assert time.process_time() - began_s < 0.5  # To look at each value takes seconds.


CHANGES: dict[str, Any] = {
    "a list as subject": [{"subject": ["orders"], "data": {"docId": "o1"}}],
    "a table as subject": [{"subject": {"$ne": None}, "data": {"docId": "o1"}}],
    "a number as id": [{"subject": "orders", "data": {"docId": 1}}],
    "an operator as id": [{"subject": "orders", "data": {"docId": {"$ne": None}}}],
    "half of a pair as id": [{"subject": "orders", "data": {"docId": "\ud800"}}],
    "texts": ["orders"],
    "no list": {"subject": "orders"},
    "too many": [{"subject": "orders", "data": {"docId": "o1"}}] * 1_000,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_malformed_change_is_refused_by_name(call: Run, kind: str) -> None:
    event = {"token": token_of("points-sync"), "events": CHANGES[kind]}
    error = call("points-sync", event)["error"]
    assert error["code"] == "INVALID_REQUEST"
    assert error["field"].startswith("events")


@pytest.mark.parametrize("function", sorted(TABLES))
@pytest.mark.parametrize("who", ["alice", None])
def test_an_event_that_lies_too_deep_is_refused_at_every_door(
    call: Run, function: str, who: str | None
) -> None:
    token = token_of(function)
    deep = nested(1_000)
    for event in (
        deep,
        {"action": "x", "token": token, "x": deep},
        {"action": deep, "token": token},
        {"Type": "Timer", "Message": token, "TriggerName": deep},
        {"token": token, "events": deep},
    ):
        assert call(function, event, who)["error"]["code"] != "INTERNAL"
