"""One database with documents to be read: MongoDB itself, and a stand-in that needs no server."""

from __future__ import annotations

from typing import Any

import mongomock
import pytest

from chain_data import FakeClock, load_chain
from huitou.runtime.database import Database


@pytest.fixture(params=["mongomock", "mongod"])
def readable(request: pytest.FixtureRequest) -> Database:
    """An empty database for plain reads; each test runs on both and expects the same answers."""
    if request.param == "mongod":
        found: Database = request.getfixturevalue("database")
        return found
    client: Any = mongomock.MongoClient(tz_aware=True)
    return Database(client, "tests")


@pytest.fixture
def sold(readable: Database) -> Database:
    """The same with the sample chain in it."""
    load_chain(readable, FakeClock())
    return readable
