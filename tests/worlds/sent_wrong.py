"""Requests built from their models, and each of their fields with values that break programs."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

Fields = dict[str, Any]
Place = tuple[str | int, ...]


def nested(levels: int) -> Any:
    """Return lists that lie so deep in each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BREAKING: dict[str, Any] = {
    "beyond the database": 10**30,
    "thousands of digits": 10**5_000,
    "highest": 2**63 - 1,
    "lowest": -(2**63),
    "negative": -1,
    "decimal": 1.5,
    "large decimal": 1e308,
    "NaN": float("nan"),
    "deep": nested(1_000),
    "long": "长" * 5_000,
    "empty": "",
    "odd signs": "\u202e\u0000\u200b零",
    "half of a pair": "\ud800",
    "nothing": None,
    "yes": True,
    "list": ["x", 1, None],
    "operator": {"$ne": None},
    "no such day": "2026-02-30",
    "first day": "0001-01-01",
    "last day": "9999-12-31",
}
ZONES: dict[str, Any] = {
    "no such zone": "Mars/Olympus",
    "a folder of zones": "Asia",
    "outside of the zones": "../../etc/passwd",
}
# Fields that lie deep are many; these values have broken programs most often.
_WORST = (
    "thousands of digits", "highest", "large decimal", "NaN", "half of a pair", "nothing", "list",
)  # fmt: skip
_TEXTS = (
    "jingan", "2026-03-02", "2026-03-02T12:00:00+08:00", "10:00", "q" + "0" * 32, "13800000001",
    "i-00000000", "mall:fuzz-0001", "fuzz-0001", "1234", "ABCD1234", "https://example.com/a.png",
    "thing1", "gift", "123456", "0" * 64, "a@example.com", "000000000000000", "2026-03",
)  # fmt: skip

# What a model needs besides its required fields.
_NEEDED: dict[str, Fields] = {
    "Trigger": {"days": 3},
    "ImportedRow": {"paid_on": "2026-03-02", "amount_fen": 1},
    "FindOrdersRequest": {"order_id": "o1"},
    "FindMembersRequest": {"member_id": "m1"},
    "Terms": {"off_fen": 1},
    "TemplateForm": {"valid_days": 7},
}


def request_from(model: type[BaseModel]) -> Fields:
    """Return fields that the model accepts, with as many of the optional ones as go together."""
    schema = model.model_json_schema()
    fields: Fields = _sample(schema, schema)
    wrong = _first_wrong(model, fields)
    assert wrong is None, f"{model.__name__} has no sample: {wrong}"
    for name, part in schema.get("properties", {}).items():
        if name not in fields:
            more = {**fields, name: _sample(part, schema)}
            if _first_wrong(model, more) is None:
                fields = more
    return fields


def broken(model: type[BaseModel], fields: Fields) -> Iterator[tuple[Place, str, Fields]]:
    """Yield the fields with each breaking value at each place: the place, the value's name.

    The same fields are changed for the next one, so look at them before.
    """
    schema = model.model_json_schema()
    for place in list(_places(fields, schema, schema, ())):
        changed = copy.deepcopy(fields)
        outer: Any = changed
        for step in place[:-1]:
            outer = outer[step]
        values = BREAKING if len(place) < 3 else {name: BREAKING[name] for name in _WORST}
        for name, value in (values | ZONES if place[-1] == "zone" else values).items():
            outer[place[-1]] = value
            yield place, name, changed


def contradicts_itself(model: type[BaseModel], fields: Fields) -> bool:
    """Tell whether each field fits for itself: the model accepts all, or not all together."""
    try:
        model.model_validate_json(json.dumps(fields), strict=True, extra="forbid")
    except ValidationError as error:
        return {one["type"] for one in error.errors()} == {"value_error"}
    except (ValueError, RecursionError):
        return False
    return True


def _first_wrong(model: type[BaseModel], fields: Fields) -> str | None:
    try:
        model.model_validate_json(json.dumps(fields), strict=True, extra="forbid")
    except (ValidationError, ValueError, RecursionError) as error:
        return str(error)
    return None


def _resolved(schema: Fields, root: Fields) -> Fields:
    if "$ref" in schema:
        found: Fields = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _sample(schema: Fields, root: Fields) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema or "oneOf" in schema:
        return _sample((schema.get("anyOf") or schema["oneOf"])[0], root)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            sample = {name: _sample(properties[name], root) for name in schema.get("required", ())}
            return sample | _NEEDED.get(schema.get("title", ""), {})
        case "array":
            least = max(schema.get("minItems", 0), 1)
            return [_sample(schema["items"], root) for _ in range(least)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return _text(schema)
    return "x"


def _text(schema: Fields) -> str:
    by_format = {"date": "2026-03-02", "date-time": "2026-03-02T12:00:00+08:00"}
    if schema.get("format") in by_format:
        return by_format[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
    for text in (*_TEXTS, "x" * least):
        if least <= len(text) <= most and re.search(schema.get("pattern", ""), text):
            return text
    raise AssertionError(f"no sample text for {schema}")


def _places(value: Any, schema: Fields, root: Fields, place: Place) -> Iterator[Place]:
    """Yield the places below a value: every field that its schema knows, and each list's first."""
    schema = _resolved(schema, root)
    for choice in schema.get("anyOf", ()):
        yield from _places(value, choice, root, place)
    if isinstance(value, dict) and "properties" in schema:
        for name, part in schema["properties"].items():
            yield (*place, name)
            if name in value:
                yield from _places(value[name], part, root, (*place, name))
    elif isinstance(value, list) and value and "items" in schema:
        yield (*place, 0)
        yield from _places(value[0], schema["items"], root, (*place, 0))
