"""Call every function through its real `main_handler`, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from answers import check
from chain_data import filled
from huitou.runtime.database import Database, Document, shared_database
from huitou.runtime.identity import internal_token
from huitou.runtime.settings import settings
from localcloud.keys import LocalSecrets
from localcloud.mongod import Mongod
from typings.tables import load_index, read_tables

SECRET = "s" * 40
EVENTS = Path(__file__).parent.parent / "events"
TABLES = {table.function: table for table in read_tables()}
Run = Callable[..., dict[str, Any]]
NOBODY_THERE = "http://127.0.0.1:9"  # Calls to the outside go here and fail.


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded event of the platform."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def token_of(function: str, secret: str = SECRET) -> str:
    return internal_token(secret.encode(), function)


def run(function: str, event: object, openid: str | None = None) -> dict[str, Any]:
    """Call a function as the member with `openid`; without it, as the caller the event names."""
    caller = {"WX_OPENID": openid, "WX_APPID": "wxapp"} if openid else {}
    context: Mapping[str, Any] = {
        "request_id": "r1",
        "time_limit_in_ms": 60_000,
        "environment": json.dumps(caller),
    }
    answer: dict[str, Any] = load_index(function).main_handler(event, context)
    actions = TABLES[function].member if openid else TABLES[function].internal
    if answer.get("ok") and isinstance(event, dict) and event.get("action") in actions:
        check(actions[event["action"]], answer["data"])
    return answer


@pytest.fixture
def call(
    chain: Database, mongod: Mongod, keys: LocalSecrets, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Return a way to call functions on this test's chain; outside services don't answer."""
    variables = {
        "MONGODB_URI": mongod.uri,
        "HUITOU_DATABASE": chain.name,
        "HUITOU_INTERNAL_SECRET": SECRET,
        "HUITOU_PHONE_KEY": "phones",
        "HUITOU_CLOCK_FILE": str(EVENTS / "noon.json"),
        "WECHAT_APPID": "test",
        "WECHAT_APP_SECRET": "test",
        "WECHAT_API_URL": NOBODY_THERE,
        "WECHAT_PAY_MCHID": keys.mchid,
        "WECHAT_PAY_MERCHANT_SERIAL": keys.merchant_serial,
        "WECHAT_PAY_MERCHANT_KEY": keys.merchant_private_key,
        "WECHAT_PAY_API_V3_KEY": keys.api_v3_key,
        "WECHAT_PAY_PLATFORM_KEYS": f"{keys.platform_serial}={keys.platform_public_key}",
        "WECHAT_PAY_NOTIFY_URL": f"{NOBODY_THERE}/pay/notify",
        "WECHAT_PAY_URL": NOBODY_THERE,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield run
    close_shared_database(mongod, chain)


def close_shared_database(mongod: Mongod, database: Database) -> None:
    """Close the connection that functions have opened, so that the next test opens its own."""
    shared_database(mongod.uri, database.name).client.close()
    shared_database.cache_clear()


def everything(database: Database) -> dict[str, list[Document]]:
    """Return all documents, so that a test can see whether a call has changed any.

    The counters of calls are left out: a refused call is counted too.
    """
    names = (name for name in filled(database) if name != "call_counters")
    return {name: list(database.collection(name).find({})) for name in names}
