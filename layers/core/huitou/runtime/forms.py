"""JSON Schema for the console's forms, made from the models of stored documents.

Titles and help texts are in the models, in Chinese. The schema differs from pydantic's own:
choices have names; a field that may be left empty has one type that may be null; a union has no
mapping, because validators in browsers refuse it. A field may have `when`, which tells for which
documents the form shows it: `{"kind": ["absent"]}` means only if `kind` is "absent".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

SET, NOT_SET = "设置", "不设置"


class _FormSchema(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str) and "enum" not in inner:
            return {**inner, "type": [inner["type"], "null"]}
        return super().nullable_schema(schema)

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        found = super().tagged_union_schema(schema)
        found.get("discriminator", {}).pop("mapping", None)
        return found


def only_for(
    *tables: Mapping[Any, tuple[str, ...]], by: str = "kind"
) -> Callable[[dict[str, Any]], None]:
    """Mark in a model's schema which fields belong to which kinds; `tables` list them by kind."""

    def mark(schema: dict[str, Any]) -> None:
        for name, field in schema["properties"].items():
            kinds = [kind for table in tables for kind, names in table.items() if name in names]
            if kinds:
                field["when"] = {by: sorted(set(kinds))}

    return mark


def form_schema(
    model: type[BaseModel], say: Callable[[str], str] = lambda words: words
) -> dict[str, Any]:
    """Return the schema of a form for a stored model.

    A field's `labels` (in its `json_schema_extra`) are the names of its choices. `say` translates
    titles, help texts and these names.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_FormSchema)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("description", None)  # It is the class's docstring, which is for programmers.
        part.pop("title", None)
        for field in part.get("properties", {}).values():
            _named(field, say)
    return schema


def _named(field: dict[str, Any], say: Callable[[str], str]) -> None:
    """Name a field's choices; a field that may be left empty gets a choice for that, too."""
    for words in ("title", "description"):
        if words in field:
            field[words] = say(field[words])
    labels = field.pop("labels", {})
    choices = field.get("anyOf", [])
    words_of = [choice for choice in choices if "enum" in choice]
    items = field.get("items", {})
    if "enum" in items:
        items["oneOf"] = _choices(items.pop("enum"), labels, say)
        field["uniqueItems"] = True
    if words_of and len(choices) == 2:
        del field["anyOf"]
        field["type"] = ["string", "null"]
        field["oneOf"] = [
            *_choices(words_of[0]["enum"], labels, say),
            {"const": None, "title": say(NOT_SET)},
        ]
        return
    for choice in choices:
        choice["title"] = say(NOT_SET if choice == {"type": "null"} else SET)
    if "enum" in field:
        field["oneOf"] = _choices(field.pop("enum"), labels, say)


def _choices(
    words: list[str], labels: Mapping[str, str], say: Callable[[str], str]
) -> list[dict[str, str]]:
    return [
        {"const": word, "title": say(labels[word]) if word in labels else word} for word in words
    ]
