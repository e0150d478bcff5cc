"""Passwords are guessed nowhere: all places share one counter, and its keys belong to one name."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from pydantic import BaseModel, ValidationError

from at_once import at_once
from console_people import PASSWORD, Browser, index, owner, person
from huitou.coupons.codes.models import MakeCodesRequest
from huitou.coupons.issuing.models import ClaimCouponRequest
from huitou.loyalty.rewards.models import ExchangeRequest
from huitou.operations.imports.balance_models import ImportBalancesRequest
from huitou.ordering.orders.models import CreateRequest
from huitou.runtime.counters import count_one
from huitou.runtime.database import Database

__all__ = ["index", "owner"]  # Fixtures.
GUESS = {"old": "wrong password", "new": "another password"}
SIGNS = "@|:"


def test_guesses_of_ones_own_password_are_counted_like_those_when_signing_in(
    owner: Browser,
) -> None:
    sent = at_once([lambda: owner.send("session/password", GUESS)] * 20)
    codes = [answer["error"]["code"] for answer in sent]
    assert (codes.count("SIGN_IN_FAILED"), codes.count("TOO_MANY_TRIES")) == (10, 10)
    right = {"old": PASSWORD, "new": "another password"}
    assert owner.refused("session/password", **right) == "TOO_MANY_TRIES"


def test_both_places_share_one_counter_and_a_right_password_clears_it(
    index: ModuleType, chain: Database
) -> None:
    cashier = person(index, chain, "cashier")
    browser = cashier.browser()
    wrong = {"staff_id": "cashier", "password": "guess", "code": "000000"}
    for _ in range(5):
        assert browser.refused("session/password", **GUESS) == "SIGN_IN_FAILED"
        assert Browser(index).refused("session/sign_in", **wrong) == "SIGN_IN_FAILED"
    assert browser.refused("session/password", **GUESS) == "TOO_MANY_TRIES"
    assert Browser(index).refused("session/sign_in", **wrong) == "TOO_MANY_TRIES"
    elsewhere = Browser(index, browser.cookie, address="10.9.9.9")
    elsewhere.ask("session/password", old=PASSWORD, new="another password")
    for _ in range(10):
        assert elsewhere.refused("session/password", **GUESS) == "SIGN_IN_FAILED"


def test_a_name_with_signs_never_fills_the_counter_of_another_name(
    index: ModuleType, chain: Database
) -> None:
    boss = person(index, chain, "owner")
    address = Browser(index).address
    for number, sign in enumerate(SIGNS):
        thief = Browser(index, address=f"203.0.113.{number}")
        words = {"staff_id": f"owner{sign}{address}", "password": "x", "code": "1"}
        for _ in range(11):
            thief.send("session/sign_in", words)
    assert boss.browser().ask("session/me")["staff_id"] == "owner"


def test_each_key_has_a_counter_of_its_own_whatever_signs_its_parts_have(chain: Database) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    tries = chain.collection("sign_in_tries")
    parts = ["a", "b", "a@b", "a|b", "$a", "a.b"]
    for name, address in itertools.product(parts, parts):
        assert count_one(tries, {"of": "name there", "name": name, "address": address}, ends) == 1
    assert count_one(tries, {"of": "name there", "name": "a", "address": "b"}, ends) == 2


@pytest.mark.parametrize(
    ("model", "field", "sign"),
    [
        (ClaimCouponRequest, "claim_id", ":"),
        (ExchangeRequest, "exchange_id", ":"),
        (MakeCodesRequest, "batch", ":"),
        (ImportBalancesRequest, "source", ":"),
        (CreateRequest, "quote_id", "|"),
    ],
)
def test_a_text_of_a_caller_that_is_joined_into_an_id_cannot_hold_its_separator(
    model: type[BaseModel], field: str, sign: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({field: f"aaaaaaaa{sign}bbbbbbbb"})
    assert (field,) in [error["loc"] for error in refused.value.errors()]


def test_a_session_begun_with_a_password_that_was_changed_meanwhile_has_ended(
    index: ModuleType, chain: Database
) -> None:
    cashier = person(index, chain, "cashier")
    changing, late = cashier.browser(), cashier.browser()
    sessions = chain.collection("staff_sessions")
    kept = list(sessions.find({"staff_id": "cashier"}))
    changing.ask("session/password", old=PASSWORD, new="another password")
    # The sign-in had compared the old password, and stores its session only now.
    sessions.delete_many({"staff_id": "cashier", "_id": {"$ne": kept[0]["_id"]}})
    for session in kept[1:]:
        sessions.insert_one(session)
    assert late.refused("session/me") == "SIGN_IN_REQUIRED"


def test_the_browser_that_changed_the_password_stays_signed_in(
    index: ModuleType, chain: Database
) -> None:
    browser = person(index, chain, "cashier").browser()
    browser.ask("session/password", old=PASSWORD, new="another password")
    assert browser.ask("session/me")["staff_id"] == "cashier"


@pytest.mark.parametrize(
    "change", [{"role": "cashier"}, {"store_ids": ["xujiahui"]}, {"status": "disabled"}]
)
def test_a_session_from_before_a_change_of_the_account_never_comes_back(
    index: ModuleType, chain: Database, owner: Browser, change: dict[str, object]
) -> None:
    browser = person(index, chain, "store_manager").browser()
    kept = list(chain.collection("staff_sessions").find({"staff_id": "store-manager"}))
    [account] = [s for s in owner.ask("staff/list")["staff"] if s["staff_id"] == "store-manager"]
    as_it_was = {
        name: account[name] for name in ("staff_id", "name", "role", "store_ids", "status")
    }
    changed = owner.ask("staff/change", **{**as_it_was, "revision": account["revision"], **change})
    owner.ask("staff/change", **{**as_it_was, "revision": changed["revision"]})
    for session in kept:  # As if ending them had been lost.
        chain.collection("staff_sessions").replace_one(
            {"_id": session["_id"]}, session, upsert=True
        )
    assert browser.refused("session/me") == "SIGN_IN_REQUIRED"


def test_after_a_reset_neither_the_old_password_nor_an_old_session_works(
    index: ModuleType, chain: Database, owner: Browser
) -> None:
    cashier = person(index, chain, "cashier")
    browser = cashier.browser()
    owner.ask("staff/reset", staff_id="cashier")
    assert browser.refused("session/me") == "SIGN_IN_REQUIRED"
    words = {"staff_id": "cashier", "password": PASSWORD, "code": cashier.code()}
    assert Browser(index).refused("session/sign_in", **words) == "SIGN_IN_FAILED"
