"""Instances that die at any step, instances that take over, and instances that interfere.

A step is a moment just before or after something outside the instance changes: before and after
each write to the database, before and after each commit, before a call reaches WeChat Pay, and
after WeChat Pay has done it but before the instance sees the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests
from pymongo.client_session import ClientSession

from chain_data import FakeClock, Shop
from huitou.runtime.database import Database
from localcloud.keys import LocalSecrets
from localcloud.wechat_pay import WeChatPayStandIn
from paying import Door, PayingShop

Result = TypeVar("Result")

WRITES = frozenset({
    "insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one",
    "delete_many", "bulk_write", "find_one_and_update", "find_one_and_replace",
    "find_one_and_delete",
})  # fmt: skip


class Crash(BaseException):
    """The instance has died. It is no Exception, so that `except Exception` can't catch it."""


class Faults:
    """Counts steps; at a chosen step the instance dies, or something else is done first."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.in_transaction = False
        self._at = 0
        self._meanwhile: Callable[[], object] | None = None

    def arm(self, at: int, meanwhile: Callable[[], object] | None = None) -> None:
        """Crash at the `at`-th step from now (0: never), or call `meanwhile` there and go on.

        `meanwhile` is called at the first step from there that is outside a transaction. Inside, it
        would wait for the transaction, and the transaction would wait for it.
        """
        self.taken, self._at, self._meanwhile = [], at, meanwhile

    def disarm(self) -> None:
        self._at = 0

    def step(self, name: str) -> None:
        self.taken.append(name)
        if not self._at or len(self.taken) < self._at:
            return
        if self._meanwhile is None:
            self._at = 0
            raise Crash(name)
        if not self.in_transaction:
            self._at = 0
            self._meanwhile()


class CrashingCollection:
    """A collection; each of its writes is a step before and a step after."""

    def __init__(self, collection: Any, faults: Faults) -> None:
        self._collection, self._faults = collection, faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._collection, name)
        if name not in WRITES:
            return found

        def write(*args: Any, **options: Any) -> Any:
            step = f"{self._collection.name}.{name}"
            self._faults.step(f"before {step}")
            result = found(*args, **options)
            self._faults.step(f"after {step}")
            return result

        return write


class CrashingDatabase(Database):
    """A database whose writes and commits are steps; its cache is empty."""

    def __init__(self, database: Database, faults: Faults) -> None:
        super().__init__(database.client, database.name)
        self._faults = faults

    def collection(self, name: str) -> Any:
        return CrashingCollection(super().collection(name), self._faults)

    def transact(self, write: Callable[[ClientSession], Result]) -> Result:
        def write_and_commit(session: ClientSession) -> Result:
            result = write(session)
            self._faults.step("before the commit")
            return result

        self._faults.step("before the transaction")
        self._faults.in_transaction = True
        try:
            result = super().transact(write_and_commit)
        finally:
            self._faults.in_transaction = False
        self._faults.step("after the commit")
        return result


class CrashingDoor(Door):
    """A connection to WeChat Pay on which every call is two steps."""

    def __init__(self, stand_in: WeChatPayStandIn, faults: Faults) -> None:
        super().__init__(stand_in)
        self._faults = faults

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        path = request.path_url.partition("?")[0]
        call = f"{request.method} {re.sub(r'/[^/]{20,}', '/…', path)}"  # Without ids.
        self._faults.step(f"before {call}")
        response = super().send(request, **options)
        self._faults.step(f"after {call}")
        return response


class CrashingShop(PayingShop):
    """A chain that takes payments with instances that may die at any step."""

    def __init__(
        self, database: Database, clock: FakeClock, keys: LocalSecrets, folder: Path
    ) -> None:
        self.faults = Faults()
        self._kept = database
        super().__init__(CrashingDatabase(database, self.faults), clock, keys, folder)

    def door(self) -> Door:
        return CrashingDoor(self.wechat, self.faults)

    def crashes(self, at: int, work: Callable[[], object]) -> bool:
        """Do some work in an instance that dies at its `at`-th step; returns whether it did.

        If so, a new instance, which remembers nothing of the old one, has taken over.
        """
        self.faults.arm(at)
        try:
            work()
        except Crash:
            Shop.__init__(self, CrashingDatabase(self._kept, self.faults), self.clock)
            self.start()
            return True
        finally:
            self.faults.disarm()
        return False

    def interrupts(
        self, at: int, work: Callable[[], Result], meanwhile: Callable[[], object]
    ) -> tuple[Result, bool]:
        """Do some work; at its `at`-th step another instance does something else.

        Returns the work's result, and whether the work reached that step.
        """
        came = []
        self.faults.arm(at, lambda: came.append(meanwhile()))
        try:
            return work(), bool(came)
        finally:
            self.faults.disarm()
