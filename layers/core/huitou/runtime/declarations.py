"""Declare a collection: its indexes, the validator that guards it, its retention.

An area declares its collections in `schema.py` (`DECLARATIONS`, `MIGRATIONS`); `declare` finds them
all, applies them and runs the migrations that haven't run. Safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid

from huitou.runtime.areas import modules_named
from huitou.runtime.database import Database
from huitou.runtime.migrations import Migration, migrate
from huitou.runtime.triggers import DUE

WHOLE = {"bsonType": ["int", "long"]}
NOT_NEGATIVE = {"bsonType": ["int", "long"], "minimum": 0}


@dataclass(frozen=True)
class Declaration:
    """One collection; `retention` says in words when documents go."""

    name: str
    retention: str
    indexes: list[IndexModel] = field(default_factory=list)
    validator: dict[str, Any] | None = None


def index(*keys: str, **options: Any) -> IndexModel:
    """Index on fields in order; a leading minus means descending."""
    fields = [(key.lstrip("-"), DESCENDING if key[0] == "-" else ASCENDING) for key in keys]
    return IndexModel(fields, **options)


def marked_due(marker: str, *order: str) -> IndexModel:
    """Index on the documents whose marker is due; the cost doesn't grow with the others."""
    only = {marker: DUE}
    return index(marker, *order, "_id", partialFilterExpression=only, name=f"{marker}_due")


def day_due(name: str) -> IndexModel:
    """Index on the next day on which something falls due, where anything does."""
    only = {name: {"$exists": True}}
    return index(name, "_id", partialFilterExpression=only, name=f"{name}_due")


@cache
def declarations() -> tuple[Declaration, ...]:
    """Every collection of the product, by name."""
    found = (one for module in modules_named("schema") for one in module.DECLARATIONS)
    return tuple(sorted(found, key=lambda declaration: declaration.name))


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration of the product, in the order in which they run."""
    found = (one for module in modules_named("schema") for one in getattr(module, "MIGRATIONS", ()))
    return tuple(sorted(found, key=lambda migration: migration.number))


def declare(database: Database, steps: Iterable[Migration] | None = None) -> dict[str, Any]:
    """Make collections, validators and indexes as declared, then migrate forward.

    `steps` stand for the product's own migrations.
    """
    for declaration in declarations():
        schema = {"$jsonSchema": declaration.validator} if declaration.validator else {}
        try:
            database.mongo.create_collection(declaration.name, validator=schema)
        except CollectionInvalid:
            database.mongo.command("collMod", declaration.name, validator=schema)
        if declaration.indexes:
            database.collection(declaration.name).create_indexes(declaration.indexes)
    done = migrate(database, migrations() if steps is None else steps)
    return {"collections": len(declarations()), "migrated": done}
