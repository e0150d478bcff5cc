"""Migrations: steps that bring stored data to a new shape. Each runs once, in order.

Each one is in the `schema.py` of the area whose collection it changes; `declarations.py` collects
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from huitou.runtime.database import Database, Document


@dataclass(frozen=True)
class Migration:
    """One migration. It must be safe to repeat, because a crash may stop it half way.

    `number` is its place among all migrations of the product; a new one takes the next number.
    """

    number: int
    title: str
    run: Callable[[Database], None]


def pages(database: Database, collection: str, *fields: str) -> Iterator[list[Document]]:
    """Yield the whole collection in pages of 500 documents, by id, with these fields only."""
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
    """Set a field to `value` in those of these documents that don't have it."""
    database.collection(collection).update_many(
        {"_id": {"$in": ids}, name: {"$exists": False}}, {"$set": {name: value}}
    )


def migrate(database: Database, migrations: Iterable[Migration]) -> list[str]:
    """Run the migrations that haven't run; returns their titles."""
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
