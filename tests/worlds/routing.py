"""Say of a statement how a sharded cluster would route it, by the declared shard keys.

There is no cluster here, so this follows MongoDB's manual ("Operational Restrictions in Sharded
Clusters"), for version 6, which the local cloud runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from huitou.runtime.declarations import declarations

Route = Literal["one shard", "every shard", "refused"]
KEYS = {one.name: one.shard_key.field for one in declarations() if one.shard_key}
_JOINING = {"$unionWith": "coll", "$lookup": "from"}


@dataclass(frozen=True)
class Statement:
    """One statement of a command; `fields` are those that its filter or document names."""

    command: str
    collection: str
    fields: tuple[str, ...]
    route: Route


def statements(command: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield the statements of one command; commands on no collection have none."""
    name, collection = next(iter(command.items()))
    if name in ("find", "count", "distinct"):
        # `distinct` and `count` call their filter `query`.
        yield _read(name, collection, command.get("filter", command.get("query", {})))
    elif name == "aggregate":
        within = command.get("autocommit") is False
        yield from _pipeline(collection, command["pipeline"], within=within)
    elif name == "insert":
        for document in command["documents"]:
            yield Statement(name, collection, _fields(document, collection), "one shard")
    elif name == "update":
        yield from (_update(collection, one) for one in command["updates"])
    elif name == "delete":
        yield from (_delete(collection, one) for one in command["deletes"])
    elif name == "findAndModify":
        wanted = command["query"]
        route: Route = "one shard" if _names_key(collection, wanted) else "refused"
        yield Statement(name, collection, tuple(wanted), route)


def _read(command: str, collection: str, wanted: Mapping[str, Any]) -> Statement:
    route: Route = "one shard" if _names_key(collection, wanted) else "every shard"
    return Statement(command, collection, tuple(wanted), route)


def _pipeline(
    collection: str, pipeline: list[Mapping[str, Any]], *, within: bool
) -> Iterator[Statement]:
    first = pipeline[0] if pipeline else {}
    yield _read("aggregate", collection, first.get("$match", {}))
    for stage in pipeline:
        for joining, names in _JOINING.items():
            if joining not in stage:
                continue
            joined = stage[joining]
            found = list(_pipeline(joined[names], joined.get("pipeline", []), within=within))
            # A transaction may not join a sharded collection; from MongoDB 8 on it may.
            if within and joined[names] in KEYS:
                found[0] = Statement(joining, joined[names], found[0].fields, "refused")
            yield from found


def _update(collection: str, one: Mapping[str, Any]) -> Statement:
    wanted, change = one["q"], one["u"]
    stages = change if isinstance(change, list) else [change]
    changed = {field for stage in stages for field in stage.get("$set", {})}
    route = _write_route(collection, wanted, many=one.get("multi", False))
    key = KEYS.get(collection)
    moves = key in changed and one.get("multi", False)  # Only one document may change its shard.
    if moves or (one.get("upsert") and not _names_key(collection, wanted)):
        route = "refused"
    return Statement("update", collection, tuple(wanted), route)


def _delete(collection: str, one: Mapping[str, Any]) -> Statement:
    route = _write_route(collection, one["q"], many=one["limit"] == 0)
    return Statement("delete", collection, tuple(one["q"]), route)


def _write_route(collection: str, wanted: Mapping[str, Any], *, many: bool) -> Route:
    if _names_key(collection, wanted):
        return "one shard"
    return "every shard" if many or _is_named(wanted, "_id") else "refused"


def _names_key(collection: str, wanted: Mapping[str, Any]) -> bool:
    return collection not in KEYS or _is_named(wanted, KEYS[collection])


def _is_named(wanted: Mapping[str, Any], field: str) -> bool:
    """Whether a filter names the field's value, or a few values; a range doesn't."""
    if field in wanted:
        value = wanted[field]
        operators = isinstance(value, Mapping) and any(key.startswith("$") for key in value)
        return not operators or "$in" in value or "$eq" in value
    either = wanted.get("$or", [])
    both = wanted.get("$and", [])
    return (bool(either) and all(_is_named(branch, field) for branch in either)) or any(
        _is_named(part, field) for part in both
    )


def _fields(document: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    key = KEYS.get(collection)
    assert key is None or key in document, (collection, key)
    return (key or "_id",)
