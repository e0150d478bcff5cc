"""Signing in to the console: who may sign in, how long a session lasts, which role may do what."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from at_once import at_once
from chain_data import FakeClock
from console_people import PASSWORD, SECRET, Browser, Person, index, owner, person
from huitou.operations.staff.models import AddStaffRequest, Role
from huitou.operations.staff.rules import MAY
from huitou.operations.staff.service import Staff, _hashed
from huitou.runtime.database import Database

__all__ = ["index", "owner"]  # Fixtures.
ROLES: tuple[Role, ...] = get_args(Role)


# --- signing in -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_new_account_chooses_its_own_password_first(index: ModuleType, chain: Database) -> None:
    added = Staff(chain, FakeClock(), SECRET.encode()).add_account(
        AddStaffRequest(staff_id="li", name="李老板", role="owner")
    )
    seed = parse_qs(urlsplit(added.uri).query)["secret"][0]
    li = Person(index, "li", added.password, pyotp.TOTP(seed))
    browser = li.browser()
    assert browser.ask("session/me")["new_password"]
    assert browser.refused("staff/list") == "PASSWORD_TO_CHOOSE"
    assert browser.refused("session/password", old="wrong", new=PASSWORD) == "SIGN_IN_FAILED"
    assert browser.refused("session/password", old=added.password, new="short") == "INVALID_REQUEST"
    browser.ask("session/password", old=added.password, new=PASSWORD)
    assert browser.ask("staff/list")["staff"][0]["name"] == "李老板"


@pytest.mark.parametrize("wrong", ["staff_id", "password", "code"])
def test_every_failed_sign_in_gets_the_same_answer(
    index: ModuleType, chain: Database, wrong: str
) -> None:
    owner = person(index, chain, "owner")
    words = {"staff_id": "owner", "password": PASSWORD, "code": owner.code()} | {wrong: "nobody"}
    answer = Browser(index).send("session/sign_in", words)
    assert (answer["status"], answer["error"]["code"]) == (401, "SIGN_IN_FAILED")
    assert "field" not in answer["error"]


def test_a_one_time_code_works_once(index: ModuleType, chain: Database) -> None:
    owner = person(index, chain, "owner")
    words = {"staff_id": "owner", "password": PASSWORD, "code": owner.code()}
    answers = at_once([lambda: Browser(index).send("session/sign_in", words)] * 6)
    assert sorted(a["status"] for a in answers) == [200, *[401] * 5]


def test_an_old_one_time_code_is_refused(index: ModuleType, chain: Database) -> None:
    owner = person(index, chain, "owner")
    old = owner.totp.at(int(time.time()) - 120)
    words = {"staff_id": "owner", "password": PASSWORD, "code": old}
    assert Browser(index).refused("session/sign_in", **words) == "SIGN_IN_FAILED"


def test_after_too_many_tries_even_the_right_password_is_refused(
    index: ModuleType, chain: Database
) -> None:
    owner = person(index, chain, "owner")
    wrong = {"staff_id": "owner", "password": "guess", "code": "000000"}
    codes = [Browser(index).refused("session/sign_in", **wrong) for _ in range(11)]
    assert codes == ["SIGN_IN_FAILED"] * 10 + ["TOO_MANY_TRIES"]
    right = {"staff_id": "owner", "password": PASSWORD, "code": owner.code()}
    assert Browser(index).send("session/sign_in", right)["status"] == 429


def test_guesses_from_another_address_do_not_lock_an_account(
    index: ModuleType, chain: Database
) -> None:
    owner = person(index, chain, "owner")
    wrong = {"staff_id": "owner", "password": "guess", "code": "000000"}
    thief = Browser(index, address="203.0.113.9")
    assert [thief.refused("session/sign_in", **wrong) for _ in range(11)][-1] == "TOO_MANY_TRIES"
    assert owner.browser().ask("session/me")["staff_id"] == "owner"


@pytest.mark.slow
def test_an_address_that_tries_many_names_is_stopped(index: ModuleType) -> None:
    codes = [
        Browser(index).refused("session/sign_in", staff_id=f"n{n}", password="x", code="1")
        for n in range(62)
    ]
    assert codes[-2:] == ["TOO_MANY_TRIES"] * 2
    assert codes[0] == "SIGN_IN_FAILED"


def test_a_session_ends_by_signing_out_and_when_the_account_is_disabled(
    index: ModuleType, chain: Database, owner: Browser
) -> None:
    cashier = person(index, chain, "cashier")
    first, second = cashier.browser(), cashier.browser()
    sessions = chain.collection("staff_sessions")
    assert all(first.cookie not in json.dumps(s, default=str) for s in sessions.find({}))
    first.ask("session/sign_out")
    assert first.cookie == ""
    assert first.refused("session/me") == "SIGN_IN_REQUIRED"
    assert second.ask("session/me")["staff_id"] == "cashier"
    [mine] = owner.ask("staff/list")["staff"][:1]
    owner.ask(
        "staff/change",
        staff_id="cashier",
        name="收银",
        role="cashier",
        store_ids=["jingan"],
        status="disabled",
        revision=mine["revision"],
    )
    assert second.refused("session/me") == "SIGN_IN_REQUIRED"
    words = {"staff_id": "cashier", "password": PASSWORD, "code": cashier.code()}
    assert Browser(index).refused("session/sign_in", **words) == "SIGN_IN_FAILED"


@pytest.mark.parametrize(("seen_ago", "began_ago"), [(7_201, 7_201), (0, 43_201)])
def test_an_idle_or_old_session_has_ended(
    chain: Database, owner: Browser, seen_ago: int, began_ago: int
) -> None:
    sessions = chain.collection("staff_sessions")
    [session] = sessions.find({"staff_id": "owner"}).sort("began_at", -1).limit(1)
    now = datetime.now(UTC)
    sessions.update_one(
        {"_id": session["_id"]},
        {
            "$set": {
                "seen_at": now - timedelta(seconds=seen_ago),
                "expires_at": now - timedelta(seconds=began_ago) + timedelta(hours=12),
            }
        },
    )
    assert owner.refused("session/me") == "SIGN_IN_REQUIRED"


def test_a_request_from_another_site_is_refused(owner: Browser) -> None:
    owner.headers = {}
    assert owner.send("session/me", {})["status"] == 403
    owner.headers = {"X-Huitou": "1"}
    assert owner.send("session/me", {}, method="GET")["status"] == 403
    assert owner.ask("session/me")["staff_id"] == "owner"


@pytest.mark.parametrize("path", ["session/me", "no/such"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_answer_is_kept_by_a_browser_or_shown_in_a_frame(
    owner: Browser, path: str, signed_in: bool
) -> None:
    event = {
        "path": f"/api/{path}",
        "httpMethod": "POST",
        "body": "{}",
        "headers": {"X-Huitou": "1", "Cookie": f"huitou_session={owner.cookie * signed_in}"},
    }
    headers = owner.index.main_handler(event, {"time_limit_in_ms": 60_000})["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_scripts_and_other_sites_cannot_read_the_cookie(
    index: ModuleType, chain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = person(index, chain, "owner")
    monkeypatch.delenv("HUITOU_CLOCK_FILE")
    event = {
        "path": "/api/session/sign_in",
        "httpMethod": "POST",
        "headers": {"x-huitou": "1"},
        "body": json.dumps({"staff_id": "owner", "password": PASSWORD, "code": owner.code()}),
    }
    kept = index.main_handler(event, {})["headers"]["Set-Cookie"]
    assert all(word in kept for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/api"))


@pytest.mark.parametrize("body", ["[1]", "{", '"x"', "1" * 70_000])
def test_an_unreadable_request_is_refused_with_a_message(owner: Browser, body: str) -> None:
    event = {
        "path": "/api/session/me",
        "httpMethod": "POST",
        "headers": {"x-huitou": "1"},
        "body": body,
    }
    answer = owner.index.main_handler(event, {})
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["message"]


def test_the_database_holds_no_plain_secrets(index: ModuleType, chain: Database) -> None:
    owner = person(index, chain, "owner")
    kept = chain.collection("staff").find_one({"_id": "owner"})
    assert kept is not None
    assert owner.totp.secret not in json.dumps(kept, default=str)
    assert PASSWORD not in json.dumps(kept, default=str)
    assert kept["password_hash"].startswith("$argon2id$")


def test_a_password_is_hashed_with_owasps_parameters() -> None:
    assert _hashed(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


# --- which role may do what -----------------------------------------------------------------------


def test_the_table_of_permissions_lists_exactly_the_routes(index: ModuleType) -> None:
    found = {f"{area}/{action}" for area in index.AREAS for action in index.routes(area)}
    assert found == set(MAY)


@pytest.mark.parametrize("role", ROLES)
def test_a_route_is_open_to_its_roles_only(index: ModuleType, chain: Database, role: Role) -> None:
    browser = person(index, chain, role).browser()
    assert set(browser.ask("session/me")["may"]) == {r for r, roles in MAY.items() if role in roles}
    for route, roles in MAY.items():
        if route.startswith("session/"):
            continue
        answer = browser.send(route, {})
        is_shut = answer["status"] == 403 and answer["error"]["code"] == "FORBIDDEN"
        assert is_shut == (role not in roles), (route, answer)


def test_without_a_session_every_route_is_refused(index: ModuleType) -> None:
    for route in MAY:
        answer = Browser(index).send(route, {})
        assert (answer["status"], answer["error"]["code"]) == (401, "SIGN_IN_REQUIRED"), route


def test_an_unknown_route_is_not_found(owner: Browser) -> None:
    for path in ("nowhere/at_all", "orders/_refund", "desk/home", "orders", ""):
        assert owner.send(path, {})["status"] == 404, path


def test_a_browser_cannot_say_who_acts(owner: Browser) -> None:
    for route, fields in {
        "members/adjust": {
            "adjustment_id": "a-00001",
            "member_id": "m",
            "points": 5,
            "reason": "x",
            "actor": "somebody",
            "role": "finance",
        },
        "campaigns/start": {"campaign_id": "day-3", "actor": "somebody"},
    }.items():
        answer = owner.send(route, fields)
        assert (answer["status"], answer["error"]["field"]) == (400, "actor")
