"""JSON Schema of requests and answers, as the handler reads and writes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from huitou.runtime.documents import Request

Schema = dict[str, Any]


class ModelsDiffer(Exception):  # noqa: N818
    """Two models of one name would become one interface."""


class _Requests(GenerateJsonSchema):
    """What callers may send; what has a default may be left out."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        found = super().model_schema(schema)
        # A stored part that callers send: defaults make it another shape than in answers.
        if not issubclass(schema["cls"], Request):
            found["title"] = f"{schema['cls'].__name__}Input"
        return found


class _Answers(GenerateJsonSchema):
    """What callers get: every field, except that None by default means left out, never null."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: ARG002
    ) -> bool:
        inner = field["schema"]
        return not (inner["type"] == "default" and inner.get("default", ...) is None)

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        found = super().model_schema(schema)
        for name, field in found.get("properties", {}).items():
            if name not in found.get("required", ()) and "anyOf" in field:
                field["anyOf"] = [kind for kind in field["anyOf"] if kind != {"type": "null"}]
            field.pop("default", None)
        return found


class Schemas:
    """The schemas of models and all their parts by interface name; a name has one meaning."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def request(self, model: type[BaseModel]) -> str:
        """Add what callers send; returns its name."""
        return self._add(model.model_json_schema(mode="validation", schema_generator=_Requests))

    def answer(self, model: type[BaseModel]) -> str:
        """Add what callers get; returns its name."""
        return self._add(model.model_json_schema(mode="serialization", schema_generator=_Answers))

    def _add(self, whole: Schema) -> str:
        parts = whole.pop("$defs", {})
        names = {f"#/$defs/{key}": part["title"] for key, part in parts.items()}
        for schema in (whole, *parts.values()):
            named = _named(schema, names)
            if self.found.setdefault(schema["title"], named) != named:
                raise ModelsDiffer(f"two models are called {schema['title']}; rename one")
        return str(whole["title"])


def _named(schema: Any, names: dict[str, str]) -> Any:
    """Return a copy in which references are the names of interfaces."""
    if isinstance(schema, list):
        return [_named(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: names[value] if key == "$ref" else _named(value, names)
        for key, value in schema.items()
    }
