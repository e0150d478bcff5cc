"""Every value that a caller sends has a limit: of a number its value, of others the length.

The requests are found through the tables of all functions and the console's routes, so a new
action is held to this without being named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from handlers import TABLES
from huitou.loyalty.points.models import PointsRules
from huitou.runtime.documents import Request
from huitou.runtime.limits import MOST_BUDGET_FEN, MOST_REVISION
from typings.tables import load_index

EXACT_IN_A_BROWSER = 2**53
LONGEST_PATTERN = 1_000
_AT_MOST, _AT_LEAST = ("maximum", "exclusiveMaximum"), ("minimum", "exclusiveMinimum")


def requests() -> dict[str, type[BaseModel]]:
    """Return the request of every action and of every console route, by its name."""
    console = load_index("console")
    found: dict[str, type[BaseModel]] = {"console/session/sign_in": console.SignInRequest}
    for area in console.AREAS:
        for name, route in console.routes(area).items():
            found[f"console/{area}/{name}"] = route.request
    for table in TABLES.values():
        for name, action in {**table.member, **table.internal}.items():
            found[f"{table.function}/{name}"] = action.request
    return found


REQUESTS = requests()


def unlimited(schema: dict[str, Any]) -> list[str]:
    """Return where a JSON schema lets a value grow without a limit."""
    parts = {"": schema, **schema.get("$defs", {})}
    return [
        f"{part or schema.get('title')}.{where}: {what}"
        for part, fields in parts.items()
        for where, what in _without_limit(fields, [])
    ]


def _without_limit(schema: Any, path: list[str]) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from _without_limit(part, [*path, str(number)])
    if not isinstance(schema, dict) or "const" in schema or "enum" in schema:
        return
    kind = schema.get("type")
    if kind in ("integer", "number"):
        if not any(name in schema for name in _AT_MOST):
            yield ".".join(path), "a number without a most"
        if not any(name in schema for name in _AT_LEAST):
            yield ".".join(path), "a number without a least"
        if max(abs(schema.get(name, 0)) for name in _AT_MOST + _AT_LEAST) >= EXACT_IN_A_BROWSER:
            yield ".".join(path), "a number that a browser rounds"
    if kind == "string" and not _is_short(schema):
        yield ".".join(path), "a text without a length"
    if kind == "array" and "maxItems" not in schema:
        yield ".".join(path), "a list without a length"
    if kind == "object" and schema.get("additionalProperties") and "maxProperties" not in schema:
        yield ".".join(path), "a table without a length"
    if kind == "object" and schema.get("additionalProperties"):
        names = schema.get("propertyNames", {})
        if "enum" not in names and "maxLength" not in names:
            yield ".".join(path), "names of a table without a length"
    for name, part in schema.items():
        if name not in ("$defs", "default"):
            yield from _without_limit(part, [*path, name])


def _is_short(schema: dict[str, Any]) -> bool:
    if "maxLength" in schema or "format" in schema:
        return True
    pattern = schema.get("pattern")
    # A pattern such as ^[0-9]{4}$ limits the length by itself; ^[0-9]+$ doesn't.
    return bool(pattern and pattern[0] == "^" and pattern[-1] == "$") and (
        re._parser.parse(pattern).getwidth()[1] <= LONGEST_PATTERN  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_every_value_of_a_request_has_a_limit(name: str) -> None:
    assert unlimited(REQUESTS[name].model_json_schema()) == []


def test_the_walk_finds_what_has_no_limit() -> None:
    class Inner(Request):
        words: list[str]
        table: dict[str, int]

    class Outer(Request):
        number: int | None
        inner: Inner

    found = unlimited(Outer.model_json_schema())
    assert len(found) == 8, found


def test_every_action_is_walked() -> None:
    actions = {f"{t.function}/{name}" for t in TABLES.values() for name in (*t.member, *t.internal)}
    assert actions <= set(REQUESTS)
    assert len(REQUESTS) > len(actions) + 50


def test_a_limit_counts_for_what_is_sent_and_not_for_what_is_stored() -> None:
    higher = MOST_REVISION + 1
    assert PointsRules.model_validate({"revision": higher}).revision == higher
    with pytest.raises(ValueError, match="less than or equal"):
        PointsRules.model_validate_json(f'{{"revision": {higher}}}')
    assert MOST_BUDGET_FEN < EXACT_IN_A_BROWSER


SAID = ("reason", "note", "table", "nickname", "address")  # Words for people, in any request.


def test_words_that_somebody_types_show_something_in_every_request() -> None:
    """A reason of blanks, or of signs that nobody sees, is no reason."""
    fields = [
        (f"{where}.{name}", field)
        for where, request in REQUESTS.items()
        for name, field in request.model_fields.items()
        if name in SAID
    ]
    assert len(fields) > 20
    assert [where for where, field in fields if "BeforeValidator" not in repr(field)] == []
