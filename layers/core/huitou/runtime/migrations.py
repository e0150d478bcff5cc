"""Forward steps of the data, each run once, in order; safe to repeat after a crash.

Each stands in `schema.py` of the area whose collection it changes; `declarations.py` collects them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from huitou.runtime.database import Database, Document


@dataclass(frozen=True)
class Migration:
    """One forward step of the data; must be safe to repeat after a crash.

    `number` is its place among all migrations of the product: a new one takes the next.
    """

    number: int
    title: str
    run: Callable[[Database], None]


def pages(database: Database, collection: str, *fields: str) -> Iterator[list[Document]]:
    """Read these fields of a whole collection, 500 documents at a time, by id."""
    after = ""
    shown = dict.fromkeys(fields, 1)
    while page := list(
        database.collection(collection)
        .find({"_id": {"$gt": after}}, shown)
        .sort("_id", 1)
        .limit(500)
    ):
        after = page[-1]["_id"]
        yield page


def mark_all(database: Database, collection: str, ids: list[str], name: str, value: str) -> None:
    """Set a field to `value` in these documents where they lack it."""
    database.collection(collection).update_many(
        {"_id": {"$in": ids}, name: {"$exists": False}}, {"$set": {name: value}}
    )


def migrate(database: Database, migrations: Iterable[Migration]) -> list[str]:
    """Run those that haven't run; returns their titles."""
    meta = database.collection("meta")
    state = meta.find_one({"_id": "migrations"}) or {"number": 0}
    done = []
    for migration in sorted(migrations, key=lambda step: step.number):
        if migration.number > state["number"]:
            migration.run(database)
            meta.update_one(
                {"_id": "migrations"},
                {"$max": {"number": migration.number}, "$set": {"schema": 1}},
                upsert=True,
            )
            done.append(migration.title)
    return done
