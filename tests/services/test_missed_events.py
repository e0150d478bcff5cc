"""After an outage longer than an event's three tries, the next call finds what is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from handlers import close_shared_database
from huitou.runtime import missed
from huitou.runtime.database import Database, connect_for_waiting
from huitou.runtime.events import MAX_BATCH
from huitou.runtime.identity import internal_token
from huitou.runtime.relay import Relay
from huitou.runtime.settings import settings
from huitou.runtime.triggers import TRIGGERS, Trigger
from localcloud.mongod import Mongod
from typings.tables import load_index

SECRET = "secret-of-this-test-0123456789abcdef"
DOCUMENTS: dict[str, dict[str, Any]] = {
    "orders": {"member_id": "m", "status": "paid", "payable_fen": 1, "points_used": 0,
               "version": 1},
    "accounts": {"available": 0, "reserved": 0, "version": 1},
}  # fmt: skip


def leave_due(database: Database, trigger: Trigger, *ids: str) -> None:
    documents = DOCUMENTS[trigger.collection]
    database.collection(trigger.collection).insert_many(
        [{"_id": identity, trigger.marker: "due", **documents} for identity in ids]
    )


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.function)
def test_an_instance_looks_once_at_first_and_once_after_a_failure(
    database: Database, trigger: Trigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "_may_have_missed", True)
    leave_due(database, trigger, "left-behind", "named")
    looked = [missed.with_missed(database, trigger.function, ["named"]) for _ in range(2)]
    assert [sorted(ids) for ids in looked] == [["left-behind", "named"], ["named"]]
    missed.note_failure()
    assert "left-behind" in missed.with_missed(database, trigger.function, ["named"])


def test_at_most_a_batch_is_named_besides(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "_may_have_missed", True)
    leave_due(database, TRIGGERS[0], *(f"o{number}" for number in range(MAX_BATCH + 5)))
    assert len(missed.with_missed(database, TRIGGERS[0].function, [])) == MAX_BATCH


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.function)
def test_a_function_that_failed_in_an_outage_asks_for_what_is_due_in_its_next_call(
    database: Database, mongod: Mongod, trigger: Trigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", mongod.uri)
    monkeypatch.setenv("HUITOU_DATABASE", database.name)
    monkeypatch.setenv("HUITOU_INTERNAL_SECRET", SECRET)
    settings.cache_clear()
    monkeypatch.setattr(missed, "_may_have_missed", False)
    index = load_index(trigger.function)
    event = {
        "subject": trigger.collection,
        "specversion": "1.0",
        "data": {"docId": "named"},
        "token": internal_token(SECRET.encode(), trigger.function),
    }
    context = {"time_limit_in_ms": 60_000, "request_id": "r"}
    seen: list[str] = []

    def each(_: object, ids: list[str], *work: object) -> dict[str, Any]:
        seen.extend(ids)
        if "left-behind" not in ids:
            raise AutoReconnect("the database is away")
        return {}

    monkeypatch.setattr("huitou.runtime.handler.Call.each", each)
    with pytest.raises(AutoReconnect):
        index.main_handler(event, context)
    leave_due(database, trigger, "left-behind")
    assert index.main_handler(event, context)["ok"]
    assert sorted(seen) == ["left-behind", "named", "named"]
    close_shared_database(mongod, database)
    settings.cache_clear()


@pytest.mark.slow
def test_a_relay_that_begins_calls_for_what_was_left_due(
    database: Database, mongod: Mongod
) -> None:
    """Its events were accepted before, tried and dropped: the stream doesn't bring them again."""
    called: list[tuple[str, str]] = []

    def start(function: str, event: Mapping[str, Any]) -> None:
        called.extend((function, change["data"]["docId"]) for change in event["events"])

    def run() -> None:
        stream = connect_for_waiting(mongod.uri, database.name)
        with stream.client:
            Relay(database, stream, start, seconds=0.5).run()

    run()
    assert called == []
    for number, trigger in enumerate(TRIGGERS):
        leave_due(database, trigger, f"d{number}")
    run()
    called.clear()
    run()  # The stream's place is behind them now; only the marker tells.
    assert sorted(called) == sorted((t.function, f"d{n}") for n, t in enumerate(TRIGGERS))
