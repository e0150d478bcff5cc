"""Leases, the relay, declarations, migrations and dead letters on a real database."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure, WriteError

from at_once import at_once
from huitou.runtime import leases
from huitou.runtime.cache import Cache
from huitou.runtime.database import Database, connect, connect_for_waiting, is_passing
from huitou.runtime.dead_letters import find_letter, forget_letter, list_letters, record_letter
from huitou.runtime.declarations import declarations, declare, migrations
from huitou.runtime.migrations import Migration
from huitou.runtime.relay import NAME, Relay, health
from huitou.runtime.triggers import TRIGGERS
from localcloud.mongod import Mongod, NoMongoDB, check_replica_set, find_binary


def test_if_many_callers_acquire_a_lease_at_once_one_gets_it(database: Database) -> None:
    taken = at_once([lambda: leases.acquire(database, "x", until_ms=1_000)] * 8)
    assert sum(lease is not None for lease in taken) == 1


def test_the_cache_is_empty_at_first_even_if_the_machine_has_just_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 3.0)  # The machine started 3 s ago.
    assert Cache().get("x", lambda: "read", seconds=60) == "read"


def test_an_expired_lease_is_taken_over_and_its_old_holder_cannot_renew(database: Database) -> None:
    first = leases.acquire(database, "x", until_ms=1_000)
    assert first
    assert leases.renew(database, first)
    leases.release(database, first)
    second = leases.acquire(database, "x", until_ms=60_000)
    assert second
    assert second.fence > first.fence
    assert not leases.renew(database, first)
    assert 50 < leases.seconds_until_handover(database, "x") <= 60


FOLLOWING = [trigger.function for trigger in TRIGGERS]


class Started:
    """Receives the relay's calls instead of the platform."""

    def __init__(self) -> None:
        self.ids: list[tuple[str, str]] = []
        self.calls = 0

    def __call__(self, function: str, event: Mapping[str, Any]) -> None:
        self.calls += 1
        for change in event["events"]:
            assert list(change["data"]) == ["docId"]
            self.ids.append((function, change["data"]["docId"]))

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.ids) < count and time.monotonic() < deadline:
            time.sleep(0.02)


def run_relay(database: Database, mongod: Mongod, started: Started, seconds: float) -> Any:
    """Run a relay in a thread of its own, for `seconds`; returns the thread."""
    stream = connect_for_waiting(mongod.uri, database.name)
    relay = Relay(database, stream, started, seconds=seconds)

    def run() -> None:
        with stream.client:
            relay.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_the_relay_makes_a_call_for_each_marker_that_becomes_due_and_no_other(
    database: Database, mongod: Mongod
) -> None:
    started = Started()
    thread = run_relay(database, mongod, started, seconds=4)
    time.sleep(0.5)
    orders = database.collection("orders")
    order = {"member_id": "m", "status": "paid", "payable_fen": 1, "points_used": 0, "version": 1}
    orders.insert_one({"_id": "a", "settlement": "due", **order})
    orders.insert_one({"_id": "b", **order})
    orders.update_one({"_id": "a"}, {"$set": {"settlement": "done"}})
    orders.update_one({"_id": "b"}, {"$set": {"settlement": "due"}})
    database.collection("accounts").insert_one(
        {"_id": "m", "available": 0, "reserved": 0, "version": 1, "benefits": "due"}
    )
    started.wait_for(3)
    thread.join(10)
    assert sorted(started.ids) == [
        ("coupon-issue", "m"),
        ("points-sync", "a"),
        ("points-sync", "b"),
    ]


@pytest.mark.slow
def test_a_relay_continues_where_the_last_one_stopped(database: Database, mongod: Mongod) -> None:
    run_relay(database, mongod, Started(), seconds=1).join(10)
    accounts = database.collection("accounts")
    for number in range(30):
        accounts.insert_one(
            {"_id": f"m{number}", "available": 0, "reserved": 0, "version": 1, "tier_review": "due"}
        )
    started = Started()
    thread = run_relay(database, mongod, started, seconds=2)
    started.wait_for(30)
    thread.join(10)
    assert {document_id for _, document_id in started.ids} == {f"m{n}" for n in range(30)}
    assert started.calls < 30, "changes that have gathered are sent in one call"


@pytest.mark.slow
def test_a_call_that_is_not_accepted_is_made_again_by_the_next_relay(
    database: Database, mongod: Mongod
) -> None:
    run_relay(database, mongod, Started(), seconds=1).join(10)
    account = {"_id": "m", "available": 0, "reserved": 0, "version": 1, "tier_review": "due"}
    database.collection("accounts").insert_one(account)

    def broken(function: str, event: Mapping[str, Any]) -> None:
        raise ConnectionError(function)

    with connect_for_waiting(mongod.uri, database.name).client as client:
        relay = Relay(database, Database(client, database.name), broken, seconds=5)
        with pytest.raises(ConnectionError):
            relay.run()
    started = Started()
    run_relay(database, mongod, started, seconds=2).join(10)
    assert set(started.ids) == {("tier-evaluate", "m")}


@pytest.mark.slow
@pytest.mark.parametrize("lost", [{"_data": "zz"}, {"_data": "82640000000000000100"}])
def test_a_relay_starts_at_the_present_moment_if_its_token_is_lost(
    database: Database, mongod: Mongod, lost: dict[str, str]
) -> None:
    database.collection("relay_state").insert_one({"_id": NAME, "token": lost, "fence": 0})
    started = Started()
    thread = run_relay(database, mongod, started, seconds=3)
    time.sleep(1)
    account = {"_id": "m", "available": 0, "reserved": 0, "version": 1, "tier_review": "due"}
    database.collection("accounts").insert_one(account)
    started.wait_for(1)
    thread.join(10)
    assert started.ids == [("tier-evaluate", "m")]


@pytest.mark.slow
def test_a_second_relay_ends_while_the_first_one_runs(database: Database, mongod: Mongod) -> None:
    alive = run_relay(database, mongod, Started(), seconds=100)
    time.sleep(1)
    assert alive.is_alive()
    with connect_for_waiting(mongod.uri, database.name).client as client:
        second = Relay(database, Database(client, database.name), Started(), seconds=60)
        assert second.run() == {"status": "another relay runs"}
    # Somebody takes the lease by force. The first relay notices it and stops.
    database.collection("leases").update_one({"_id": NAME}, {"$inc": {"fence": 1}})
    alive.join(10)
    assert not alive.is_alive()


def test_the_longest_wait_is_that_of_the_oldest_due_order(database: Database) -> None:
    assert health(database) == {"alive": False, "due": dict.fromkeys(FOLLOWING, 0), "lag_s": 0.0}
    order = {"member_id": "m", "status": "paid", "payable_fen": 1, "points_used": 0, "version": 1}
    orders = database.collection("orders")
    now = time.time()
    # Orders of an earlier version keep no moment; a settled order waits for nothing.
    orders.insert_one({"_id": "old", "settlement": "due", **order})
    orders.insert_one({"_id": "a", "settlement": "due", "settlement_since": now - 50, **order})
    orders.insert_one({"_id": "b", "settlement": "due", "settlement_since": now - 20, **order})
    orders.insert_one({"_id": "c", "settlement": "done", "settlement_since": now - 90, **order})
    found = health(database)
    assert found["due"]["points-sync"] == 3
    assert 50 <= found["lag_s"] < 80


def test_a_refund_that_ends_during_the_migration_stays_ended(database: Database) -> None:
    orders = database.collection("orders")
    orders.insert_one(
        {
            "_id": "o1",
            "member_id": "m",
            "status": "refunding",
            "refund_id": "R1",
            "points_used": 0,
            "payable_fen": 1_500,
            "version": 1,
            "tenders": [{"kind": "wechat_pay"}],
        }
    )

    class Meddling(Database):
        """Ends the refund between the migration's read and write, as an older version may do."""

        asked = 0

        def collection(self, name: str) -> Any:
            self.asked += 1
            if self.asked == 2:  # The page was read, and is written next.
                orders.update_one({"_id": "o1"}, {"$set": {"status": "refunded"}})
            return database.collection(name)

    migrations()[2].run(Meddling(database.client, database.name))
    found = orders.find_one({"_id": "o1"})
    assert found is not None
    assert (found["status"], "refunding" in found) == ("refunded", False)


def test_the_migration_makes_an_open_refund_a_list_and_may_be_repeated(database: Database) -> None:
    orders = database.collection("orders")
    orders.insert_one(
        {
            "_id": "o1",
            "member_id": "m",
            "status": "refunding",
            "refund_id": "R1",
            "points_used": 0,
            "payable_fen": 1_500,
            "version": 1,
            "tenders": [{"kind": "wechat_pay"}],
        }
    )
    for _ in range(2):
        migrations()[2].run(database)
        found = orders.find_one({"_id": "o1"})
        assert found is not None
        assert found["refunding"] == [{"refund_id": "R1", "amount_fen": 1_500, "lines": []}]
        assert (found["refund_status"], found["before_refund"]) == ("refunding", "paid")


def test_declaring_again_changes_nothing_and_migrations_run_once(database: Database) -> None:
    runs: list[int] = []
    steps = tuple(
        Migration(number, f"step {number}", lambda _, n=number: runs.append(n)) for number in (2, 1)
    )
    before = {d.name: database.collection(d.name).index_information() for d in declarations()}
    assert declare(database, steps)["migrated"] == ["step 1", "step 2"]
    assert declare(database, steps)["migrated"] == []
    assert runs == [1, 2]
    after = {d.name: database.collection(d.name).index_information() for d in declarations()}
    assert before == after


@pytest.mark.parametrize(
    ("collection", "document"),
    [
        ("accounts", {"available": 1.5, "reserved": 0, "version": 0}),
        ("accounts", {"available": 1, "reserved": -1, "version": 0}),
        ("points_entries", {"member_id": "m", "kind": "earn", "points": "5", "spend_fen": 0,
                            "order_id": "o"}),
        ("payments", {"order_id": "o", "amount_fen": 0, "status": "open"}),
    ],
)  # fmt: skip
def test_the_database_itself_refuses_documents_with_wrong_amounts(
    database: Database, collection: str, document: dict[str, Any]
) -> None:
    with pytest.raises(WriteError):
        database.collection(collection).insert_one(document)


def test_an_unindexed_query_fails(database: Database) -> None:
    database.collection("orders").insert_one(
        {"member_id": "m", "status": "paid", "payable_fen": 1, "points_used": 0, "version": 1}
    )
    with pytest.raises(OperationFailure):
        database.collection("orders").find_one({"nobody_indexed": 1})


def test_a_dead_letter_that_failed_again_since_it_was_read_is_not_deleted(
    database: Database,
) -> None:
    record_letter(database, "points-sync", "o1", "ValidationError")
    letter = find_letter(database, "points-sync:o1")
    assert letter
    record_letter(database, "points-sync", "o1", "ValidationError")
    forget_letter(database, letter)
    assert [found["times"] for found in list_letters(database)] == [2]
    forget_letter(database, list_letters(database)[0])
    assert list_letters(database) == []


def test_a_snapshot_that_the_database_did_not_keep_may_be_read_again() -> None:
    assert is_passing(OperationFailure("the snapshot is too old", 239))
    assert not is_passing(OperationFailure("no index", 291))


def test_a_database_that_does_not_answer_is_reported() -> None:
    nowhere = connect("mongodb://127.0.0.1:9/", "x")
    with nowhere.client, pytest.raises(NoMongoDB, match="MONGODB_URI"):
        check_replica_set(nowhere)


def test_without_any_mongodb_the_error_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoMongoDB, match="MONGODB_URI"):
        find_binary()
