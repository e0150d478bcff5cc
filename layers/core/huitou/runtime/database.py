"""The document database: one connection for each instance, transactions with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo import timeout as deadline
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from huitou.runtime.cache import Cache
from huitou.runtime.followers import Followers

Document = dict[str, Any]
Result = TypeVar("Result")

OPERATION_TIMEOUT_MS = 10_000
TRANSACTION_TIMEOUT_S = 8.0
_DUPLICATE = 11_000  # MongoDB's code.
_SNAPSHOT_TOO_OLD = 239  # MongoDB's code.
_SNAPSHOT = ReadConcern("snapshot")
_MAJORITY = WriteConcern("majority")


class _RehearsalDone(Exception):  # noqa: N818
    """A rehearsal came to its end; its result is the argument. Raising it rolls back."""


class Database:
    """The chain's collections by name, and the transactions in which several are written."""

    def __init__(self, client: MongoClient[Document], name: str) -> None:
        self.client = client
        self.name = name
        self.cache = Cache()
        self.followers = Followers()
        self.mongo = client.get_database(name, write_concern=_MAJORITY)
        self._collections: dict[str, Collection[Document]] = {}

    def collection(self, name: str) -> Collection[Document]:
        """Return a collection declared in an area's `schema.py`."""
        # Kept, because each call builds its services anew; a payment's services ask some 50 times.
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self.mongo[name]
        return found

    def transact(self, write: Callable[[ClientSession], Result]) -> Result:
        """Run `write` in one snapshot transaction; on a conflict, run it again until a deadline.

        The deadline is needed because `with_transaction` alone would retry for 120 s, longer than
        any function may run. `write` must not catch a DuplicateKeyError: the transaction is
        aborted by then, and would be retried until the deadline.
        """
        with deadline(TRANSACTION_TIMEOUT_S), self.client.start_session() as session:
            return session.with_transaction(write, read_concern=_SNAPSHOT, write_concern=_MAJORITY)

    def transact_once(self, write: Callable[[ClientSession], Result]) -> Result:
        """Run a `write` that first looks for what it would store, and does nothing if it exists.

        If two calls run at once, both may find nothing. The slower one then fails at a unique
        index; it runs again, and this time it finds what the faster one stored.
        """
        try:
            return self.transact(write)
        except DuplicateKeyError:
            return self.transact(write)

    def rehearse(self, write: Callable[[ClientSession], Result]) -> Result:
        """Run `write` as `transact` does, roll it back and return its result."""

        def write_and_stop(session: ClientSession) -> None:
            raise _RehearsalDone(write(session))

        try:
            self.transact(write_and_stop)
        except _RehearsalDone as done:
            result: Result = done.args[0]
            return result
        raise AssertionError("a rehearsal was committed")


def connect(uri: str, name: str) -> Database:
    """Open a client on `uri`; every operation ends or fails within 10 s."""
    return _open(uri, name, timeoutMS=OPERATION_TIMEOUT_MS)


def connect_for_waiting(uri: str, name: str) -> Database:
    """Open a client whose commands may wait, each for the time it names.

    It has no `timeoutMS`, which would override the times that the commands name.
    """
    return _open(uri, name, socketTimeoutMS=OPERATION_TIMEOUT_MS)


def _open(uri: str, name: str, **timeouts: Any) -> Database:
    client: MongoClient[Document] = MongoClient(
        uri, tz_aware=True, serverSelectionTimeoutMS=5_000, appname="huitou", **timeouts
    )
    return Database(client, name)


@cache
def shared_database(uri: str, name: str) -> Database:
    """Return this instance's connection; it is kept from call to call."""
    return connect(uri, name)


def is_passing(error: PyMongoError) -> bool:
    """Tell whether the same call may succeed later (lost connection, election, timeout, conflict).

    That includes a snapshot that MongoDB, being busy, didn't keep until the last read of it. An
    unindexed query, a document that a validator refuses or a duplicate fails again each time.
    """
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or getattr(error, "code", None) == _SNAPSHOT_TOO_OLD
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("RetryableWriteError")
    )


def insert_new(collection: Collection[Document], document: Document) -> bool:
    """Insert a document; False if its id or another unique key of it is already taken."""
    try:
        collection.insert_one(document)
    except DuplicateKeyError:
        return False
    return True


def is_duplicate(error: DuplicateKeyError | BulkWriteError) -> bool:
    """Tell whether an error means "this document exists already", for one or for many writes."""
    if isinstance(error, DuplicateKeyError):
        return True
    return any(wrong["code"] == _DUPLICATE for wrong in (error.details or {})["writeErrors"])
