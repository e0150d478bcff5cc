"""JSON Schema as the console's forms want it, from the models that are stored.

Titles and help stand in the models, in Chinese. What differs from pydantic's own schema: choices
have names, a field that may be left empty is one type that may be null, and a union's mapping is
left out, which validators in browsers refuse.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


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


def form_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a form for a stored model, without what only readers of code need.

    `labels` of a field (its `json_schema_extra`) name its choices.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_FormSchema)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("description", None)  # A docstring: for programmers, in English.
        part.pop("title", None)
        for field in part.get("properties", {}).values():
            _named(field)
    return schema


def _named(field: dict[str, Any]) -> None:
    """Give a field's choices their names; one that may be left empty has a choice for that."""
    labels = field.pop("labels", {})
    choices = field.get("anyOf", [])
    words = [choice for choice in choices if "enum" in choice]
    if words and len(choices) == 2:
        del field["anyOf"]
        field["type"] = ["string", "null"]
        field["oneOf"] = [*_choices(words[0]["enum"], labels), {"const": None, "title": "不设置"}]
        return
    for choice in choices:
        choice["title"] = "不设置" if choice == {"type": "null"} else "设置"
    if "enum" in field:
        field["oneOf"] = _choices(field.pop("enum"), labels)


def _choices(words: list[str], labels: dict[str, str]) -> list[dict[str, str]]:
    return [{"const": word, "title": labels.get(word, word)} for word in words]
