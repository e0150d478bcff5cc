"""Declare a collection: its indexes, the validator that guards it, how long documents stay.

An area declares its collections in `schema.py` (`DECLARATIONS`, `MIGRATIONS`). `declare` finds
them all, creates what is missing and runs the migrations that haven't run. It is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pymongo import ASCENDING, DESCENDING, HASHED, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from huitou.runtime.areas import modules_named
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.migrations import Migration, migrate
from huitou.runtime.triggers import DUE

WHOLE = {"bsonType": ["int", "long"]}
NOT_NEGATIVE = {"bsonType": ["int", "long"], "minimum": 0}
_UNAUTHORIZED, _INDEX_NOT_FOUND = 13, 27  # MongoDB's codes.


@dataclass(frozen=True)
class ShardKey:
    """The field whose hash would spread a collection's documents, should one machine not do.

    A query that names the field's value asks one shard, any other query asks all. `gives_up` says
    in words what the collection couldn't do as well any more. No shard has been tried yet.
    """

    field: str
    gives_up: str


@dataclass(frozen=True)
class Declaration:
    """One collection; `retention` says in words how long documents stay.

    `gone` names indexes of earlier versions that no query needs any more; they are dropped. The
    queries of the version before must still find an index: it may run again after a roll-back.
    Without a `shard_key` the collection is small enough to stay whole on one shard.
    """

    name: str
    retention: str
    indexes: list[IndexModel] = field(default_factory=list)
    validator: dict[str, Any] | None = None
    gone: tuple[str, ...] = ()
    shard_key: ShardKey | None = None


def index(*keys: str, **options: Any) -> IndexModel:
    """Make an index on these fields, in this order; a leading minus means descending."""
    fields = [(key.lstrip("-"), DESCENDING if key[0] == "-" else ASCENDING) for key in keys]
    return IndexModel(fields, **options)


def hashed(key: str, **options: Any) -> IndexModel:
    """Make an index that finds equal values only. Of long ids it needs a third of the space."""
    return IndexModel([(key, HASHED)], **options)


def marked_due(marker: str, *order: str) -> IndexModel:
    """Make an index that holds only the documents whose marker is due, so it stays small."""
    only = {marker: DUE}
    return index(marker, *order, "_id", partialFilterExpression=only, name=f"{marker}_due")


def day_due(name: str) -> IndexModel:
    """Make an index on a field that holds the next due day; only documents with the field."""
    only = {name: {"$exists": True}}
    return index(name, "_id", partialFilterExpression=only, name=f"{name}_due")


@cache
def declarations() -> tuple[Declaration, ...]:
    """Return every collection of the product, by name."""
    found = (one for module in modules_named("schema") for one in module.DECLARATIONS)
    return tuple(sorted(found, key=lambda declaration: declaration.name))


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration of the product, in the order in which they run."""
    found = (one for module in modules_named("schema") for one in getattr(module, "MIGRATIONS", ()))
    return tuple(sorted(found, key=lambda migration: migration.number))


def declare(database: Database, steps: Iterable[Migration] | None = None) -> dict[str, Any]:
    """Create collections, validators and indexes as declared, then run the missing migrations.

    `steps` are run instead of the product's own migrations. A collection that is as declared is
    left alone: only `collMod` needs more than the role `readWrite`. Raises Refusal
    DATABASE_RIGHT_MISSING naming the right.
    """
    with _right(database, "listCollections"):
        stored = {one["name"]: one.get("options", {}) for one in database.mongo.list_collections()}
    for declaration in declarations():
        name = declaration.name
        schema = {"$jsonSchema": declaration.validator} if declaration.validator else {}
        if name not in stored:
            # Another deployment may have created it a moment ago, as it is declared.
            with _right(database, "createCollection", name), suppress(CollectionInvalid):
                database.mongo.create_collection(name, validator=schema)
        elif stored[name].get("validator", {}) != schema:
            with _right(database, "collMod", name):
                database.mongo.command("collMod", name, validator=schema)
        if declaration.indexes:
            with _right(database, "createIndex", name):
                database.collection(name).create_indexes(declaration.indexes)
        for old in declaration.gone:
            with _right(database, "dropIndex", name):
                _drop_index(database, name, old)
    done = migrate(database, migrations() if steps is None else steps)
    return {"collections": len(declarations()), "migrated": done}


def _drop_index(database: Database, collection: str, name: str) -> None:
    try:
        database.collection(collection).drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:
            raise


@contextmanager
def _right(database: Database, action: str, collection: str = "") -> Iterator[None]:
    """Refuse by name what MongoDB doesn't allow its user: its own message holds the command."""
    try:
        yield
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        role = "dbAdmin" if action == "collMod" else "readWrite"
        place = ".".join(filter(None, (database.name, collection)))
        detail = f"{action} @ {place} (role {role} @ {database.name})"
        raise Refusal(Code.DATABASE_RIGHT_MISSING, field="MONGODB_URI", detail=detail) from None
