"""Small and large chains in which equally many members have something due."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from cli.bench import insert_quickly, scratch_mongod
from cli.bench.orders import register_members
from cli.bench.profile import Profile
from cli.bench.sides import watching
from huitou.loyalty.points.models import NEVER
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declare
from huitou.runtime.sweeps import AT_ONCE as TOGETHER
from huitou.runtime.sweeps import Together

FIRST_DAY = date(2026, 6, 1)
YEAR = timedelta(days=365)
AT_ONCE = 10_000
ROUNDS = 3  # Measured days; one more day warms up.


class CrowdClock:
    """Business time: noon in Shanghai of the measured day."""

    def __init__(self) -> None:
        self.day = FIRST_DAY

    def now(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, 4, tzinfo=UTC)


class Crowd:
    """A chain with `members` members; on each measured day `due` of them have something due."""

    def __init__(self, uri: str, members: int, due: int) -> None:
        self.database = connect(uri, f"crowd_{members}")
        self.members, self._due = members, due
        declare(self.database)
        self._make()

    def _make(self) -> None:
        starts = range(0, self.members, AT_ONCE)
        for start in track(starts, f"{self.members:,} members", console=Console(stderr=True)):
            numbers = range(start, min(start + AT_ONCE, self.members))
            accounts = [self._account(number) for number in numbers]
            insert_quickly(self.database, "accounts", accounts)
            register_members(self.database, [account["_id"] for account in accounts])

    def _account(self, number: int) -> dict[str, Any]:
        """Return an account; its points end and its tier is reviewed on a measured day or later."""
        # The members of a day are spread over the whole range of ids, as real ones are.
        turn, chosen = number % (self.members // self._due), number // (self.members // self._due)
        is_due = turn <= ROUNDS and chosen < self._due
        day = FIRST_DAY + timedelta(days=turn if is_due else 400 + number % 300)
        spent, ended = day - YEAR, (day - timedelta(days=1)).isoformat()
        return {
            "_id": f"m{number:08}",
            "schema": 1,
            "available": 600,
            "reserved": 0,
            "lots": {ended: 100, NEVER: 500},
            "pending": {},
            "debt": 0,
            "entries": 1,
            "noticed_through": ended,
            "points_on": day.isoformat(),
            "first_order_id": f"o{number:08}",
            "spend_by_day": {spent.isoformat(): 60_000},
            "orders_by_day": {spent.isoformat(): 1},
            "points_by_day": {spent.isoformat(): 600},
            "tier": {"level": "silver", "rules_revision": 1, "since_day": spent.isoformat()},
            "tier_review": "done",
            "review_on": day.isoformat(),
            "version": 1,
        }


@contextmanager
def crowds(members: int, small_members: int, due: int) -> Iterator[tuple[Crowd, Crowd]]:
    """Make a small and a large crowd in one scratch MongoDB.

    Raises UsageError if the small one has too few members for the measured days.
    """
    if not 0 < due * (ROUNDS + 1) <= small_members < members:
        raise click.UsageError(f"--members > --small-members >= {ROUNDS + 1} x --due > 0")
    with scratch_mongod() as mongod:
        small, large = (Crowd(mongod.uri, count, due) for count in (small_members, members))
        yield small, large
        for crowd in (small, large):
            crowd.database.client.close()


def measure(
    crowds: tuple[Crowd, Crowd],
    work: Callable[[Database, CrowdClock], int],
    due: int,
    profile: Profile | None,
) -> dict[str, Any]:
    """Time each day's work on both crowds in turn; `work` returns how many members it did."""
    clock, seconds = CrowdClock(), ([], [])  # type: ignore[var-annotated]
    for number in range(ROUNDS + 1):
        clock.day = FIRST_DAY + timedelta(days=number)
        for crowd, times in zip(crowds, seconds, strict=True):
            watched = profile if number == ROUNDS and crowd is crowds[1] else None
            started = time.perf_counter()
            with watching(watched, "member", due):
                done = work(crowd.database, clock)
            if done != due:
                raise SystemExit(f"{done} of {due} were done on {clock.day}")
            if number:
                times.append(time.perf_counter() - started)
    small, large = seconds
    return {
        "small_members": crowds[0].members,
        "members": crowds[1].members,
        "due": due,
        "small_s": round(statistics.median(small), 3),
        "s": round(statistics.median(large), 3),
        "per_s": round(due / statistics.median(large)),
        "ratio": round(statistics.median(b / a for a, b in zip(small, large, strict=True)), 2),
    }


def swept(ids: Iterable[str], together: Together) -> Counter[str]:
    """Do the work in groups, as a function's sweep does; returns how many had which outcome."""
    rest, outcomes = iter(ids), Counter[str]()
    while group := list(islice(rest, TOGETHER)):
        outcomes.update(together(group))
    return outcomes
