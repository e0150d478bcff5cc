"""People who use the console: a browser that keeps its cookie, and accounts with phones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from argon2 import PasswordHasher

from answers import check
from chain_data import FakeClock
from handlers import close_shared_database
from huitou.operations.staff.models import OF_STORES, AddStaffRequest, Role
from huitou.operations.staff.service import Staff
from huitou.runtime.database import Database
from huitou.runtime.handler import Action
from huitou.runtime.settings import settings
from localcloud.mongod import Mongod
from typings.tables import load_index

SECRET = "s" * 40
NOON = Path(__file__).parent.parent / "events" / "noon.json"
PASSWORD = "correct horse battery"


@pytest.fixture
def index(chain: Database, mongod: Mongod, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("MONGODB_URI", mongod.uri)
    monkeypatch.setenv("HUITOU_DATABASE", chain.name)
    monkeypatch.setenv("HUITOU_INTERNAL_SECRET", SECRET)
    monkeypatch.setenv("HUITOU_CLOCK_FILE", str(NOON))
    # Cheap parameters, so that tests are fast; test_console_sign_in uses the real ones.
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("huitou.operations.staff.service._hasher", lambda: cheap)
    settings.cache_clear()
    yield load_index("console")
    close_shared_database(mongod, chain)
    settings.cache_clear()


@dataclass
class Browser:
    """A browser that keeps its cookie and sends the headers that our own page sends."""

    index: ModuleType
    cookie: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"X-Huitou": "1"})
    address: str = "10.0.0.1"

    def send(self, path: str, body: object, method: str = "POST") -> dict[str, Any]:
        event = {
            "path": f"/api/{path}",
            "httpMethod": method,
            "body": json.dumps(body),
            "headers": {**self.headers, "Cookie": f"huitou_session={self.cookie}; other=1"},
            "requestContext": {"sourceIp": self.address},
        }
        answer: dict[str, Any] = self.index.main_handler(event, {"time_limit_in_ms": 60_000})
        kept = SimpleCookie(answer["headers"].get("Set-Cookie", "")).get("huitou_session")
        if kept is not None:
            self.cookie = kept.value
        return {"status": answer["statusCode"], **json.loads(answer["body"])}

    def ask(self, path: str, **fields: Any) -> Any:
        """Call a route, and check its answer against the model that the route declares."""
        answer = self.send(path, fields)
        assert answer["ok"], answer
        area, _, action = path.partition("/")
        if area in self.index.AREAS and path != self.index.SIGN_IN:
            route = self.index.routes(area)[action]
            check(Action(route.request, lambda *_: None, route.answer), answer["data"])
        return answer["data"]

    def refused(self, path: str, **fields: Any) -> str:
        answer = self.send(path, fields)
        assert not answer["ok"], answer
        return str(answer["error"]["code"])


@dataclass
class Person:
    """An account, and the phone that shows its one-time codes."""

    index: ModuleType
    staff_id: str
    password: str
    totp: pyotp.TOTP
    step: int = 0

    def code(self) -> str:
        """Return a code that wasn't used before, as a phone shows it within about a minute."""
        if time.time() % 30 > 28:  # The code would be too old when it is checked.
            time.sleep(2.1)
        self.step = max(self.step + 1, int(time.time() // 30) - 1)
        return self.totp.at(self.step * 30)

    def browser(self, password: str | None = None) -> Browser:
        browser = Browser(self.index)
        words = {"password": password or self.password, "code": self.code()}
        browser.ask("session/sign_in", staff_id=self.staff_id, **words)
        return browser


def person(index: ModuleType, database: Database, role: Role, *store_ids: str) -> Person:
    """Open an account and set the password that its owner chooses."""
    stores = list(store_ids) or (["jingan"] if role in OF_STORES else [])
    staff_id = f"{role.replace('_', '-')}{'.'.join(store_ids)}"
    added = Staff(database, FakeClock(), SECRET.encode()).add_account(
        AddStaffRequest(staff_id=staff_id, name=role, role=role, store_ids=stores)
    )
    seed = parse_qs(urlsplit(added.uri).query)["secret"][0]
    found = Person(index, staff_id, PASSWORD, pyotp.TOTP(seed))
    browser = found.browser(added.password)
    browser.ask("session/password", old=added.password, new=PASSWORD)
    return found


@pytest.fixture
def owner(index: ModuleType, chain: Database) -> Browser:
    return person(index, chain, "owner").browser()
