"""Measure what an order costs the database: bytes of documents and indexes, commands, CPU.

After a small day every index is one page, so its size says nothing. So the day's documents are
stored many times in a database of its own, each time under other ids and on other days, and
MongoDB tells how large its collections and indexes have become.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.bench import insert_quickly, setting_up
from cli.capacity.figures import GROWTH, CollectionFigures, DatabaseFigures
from cli.cost.measure import paid_orders
from huitou.runtime.database import Database, Document, connect
from huitou.runtime.declarations import declare
from localcloud.cloud import LocalCloud

_NAMES = re.compile(
    r"(?P<member>m[a-z2-7]{24})|(?P<hex>[0-9a-f]{24,})|(?P<guest>guest-\d{4})"
    r"|(?P<day>\d{4}-\d{2}-\d{2})"
)
IDLE_S = 2.0
APART_DAYS = 10  # The measured days end after so many, with all that they caused.
_BETWEEN = ("inserts", "updates", "reads", "transactions")


class Watch:
    """Watches a cloud's database while its days are played, and measures what they left."""

    def __init__(self, sample: int, progress: Callable[[str], None]) -> None:
        self._sample = sample
        self._progress = progress
        self.figures: DatabaseFigures | None = None

    @contextmanager
    def watch(self, cloud: LocalCloud) -> Iterator[None]:
        """Measure from here to the end of the block; `sample` is the number of orders to store."""
        began, before = time.monotonic(), _spent(cloud)
        yield
        ended, after = time.monotonic(), _spent(cloud)
        time.sleep(IDLE_S)
        idle = {name: (value - after[name]) / IDLE_S for name, value in _spent(cloud).items()}
        # What the database does all the time is no order's.
        spent = {
            name: max(0.0, value - before[name] - idle[name] * (ended - began))
            for name, value in after.items()
        }
        paid = max(1, paid_orders(cloud))
        self._progress(f"storing what the days left, until {self._sample} of each are there")
        collections = _stored(cloud, self._sample)
        members = cloud.database.collection("members").count_documents({}, hint="_id_")
        self.figures = DatabaseFigures(
            paid_orders=paid,
            members=members,
            sample=self._sample,
            cpu_ms_per_order=spent["cpu_ms"] / paid,
            per_order={name: spent[name] / paid for name in _BETWEEN},
            collections=collections,
        )


def _spent(cloud: LocalCloud) -> dict[str, float]:
    """Return what the database has done since it started."""
    status = cloud.database.client.admin.command("serverStatus")
    done, documents = status["opcounters"], status["metrics"]["document"]
    return {
        "inserts": documents["inserted"],
        "updates": documents["updated"] + documents["deleted"],
        "reads": done["query"] + done["command"] + done["getmore"],
        "transactions": status["transactions"]["totalCommitted"],
        "cpu_ms": cpu_ms(cloud),
    }


def cpu_ms(cloud: LocalCloud) -> float:
    """Return the CPU time that the local cloud's mongod has used, in milliseconds."""
    if cloud.mongod is None:
        raise RuntimeError("only a MongoDB of the local cloud's own can be measured")
    fields = Path(f"/proc/{cloud.mongod.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _stored(cloud: LocalCloud, sample: int) -> tuple[CollectionFigures, ...]:
    """Store the documents of collections that grow in another database, many times; measure it."""
    database = connect(cloud.mongodb_uri, "capacity")
    try:
        with setting_up():
            declare(database)
            counts = {name: _copy(cloud.database, database, name, sample) for name in GROWTH}
            cloud.database.client.admin.command("fsync")  # Files have their sizes after that.
            return tuple(_sizes(database, name, count) for name, count in counts.items() if count)
    finally:
        database.client.close()


def _copy(source: Database, into: Database, name: str, sample: int) -> int:
    """Store a collection's documents under other names; returns how many there were."""
    documents = list(source.collection(name).find({}).hint("_id_"))
    for number in range(math.ceil(sample / len(documents)) if documents else 0):
        renamed = Renamed(number)
        insert_quickly(into, name, [renamed.document(one) for one in documents])
    return len(documents)


def _sizes(database: Database, name: str, count: int) -> CollectionFigures:
    stats = database.mongo.command("collStats", name)
    return CollectionFigures(
        name=name,
        documents=count,
        document_bytes=stats["size"] / stats["count"],
        stored_bytes=stats["storageSize"] / stats["count"],
        index_bytes={key: size / stats["count"] for key, size in stats["indexSizes"].items()},
    )


class Renamed:
    """One copy of the days: other members, orders and guests, and other days."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._ahead = timedelta(days=APART_DAYS * number)
        self._names: dict[str, str] = {}

    def document(self, document: Document) -> Document:
        """Return a document of this copy."""
        return dict(self._value(document))

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return _NAMES.sub(self._name, value)
        if isinstance(value, dict):
            return {self._value(key): self._value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if isinstance(value, datetime):
            return value + self._ahead
        return value

    def _name(self, found: re.Match[str]) -> str:
        old = found[0]
        if old not in self._names:
            digest = hashlib.sha512(f"{self._number} {old}".encode())
            if found["member"]:
                new = "m" + base64.b32encode(digest.digest()).decode().lower()[: len(old) - 1]
            elif found["hex"]:
                new = (digest.hexdigest() * 4)[: len(old)]
            elif found["guest"]:
                new = f"guest-{self._number:04}{old[6:]}"
            else:
                new = _later(old, self._ahead)
            self._names[old] = new
        return self._names[old]


def _later(day: str, ahead: timedelta) -> str:
    try:
        return (date.fromisoformat(day) + ahead).isoformat()
    except (ValueError, OverflowError):  # `9999-12-31` means for ever.
        return day
