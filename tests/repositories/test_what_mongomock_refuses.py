"""What mongomock can't do: most of it it refuses, so no test of this folder can rest on it unseen.

It knows neither our validators nor `notablescan`: that is why each test runs on MongoDB, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mongomock
import pytest
from pymongo.errors import OperationFailure

from huitou.runtime.database import Database

REFUSED: dict[str, Callable[[Database], object]] = {
    "sessions": lambda database: database.client.start_session(),
    "transactions": lambda database: database.transact(lambda _: None),
    "change streams": lambda database: database.mongo.watch(),
    "several collections in one read": lambda database: list(
        database.collection("a").aggregate([{"$unionWith": {"coll": "b", "pipeline": []}}])
    ),
    "windows": lambda database: list(
        database.collection("a").aggregate([{"$setWindowFields": {"output": {}}}])
    ),
    "validators": lambda database: database.mongo.create_collection("a", validator={"a": 1}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_raises_and_does_not_answer(what: str) -> None:
    client: Any = mongomock.MongoClient(tz_aware=True)
    with pytest.raises((NotImplementedError, TypeError)):
        REFUSED[what](Database(client, "tests"))


def test_it_reads_without_an_index_which_mongodb_refuses(database: Database) -> None:
    client: Any = mongomock.MongoClient(tz_aware=True)
    assert list(Database(client, "tests").collection("orders").find({"nobody": "indexed"})) == []
    with pytest.raises(OperationFailure, match="notablescan"):
        list(database.collection("orders").find({"nobody": "indexed"}))
