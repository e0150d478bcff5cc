"""JSON Schema of requests, as the handler reads them, and of answers, as it writes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from huitou.runtime.documents import Request

Schema = dict[str, Any]


class ModelsDiffer(Exception):  # noqa: N818
    """Two different models have the same name, and would become one interface."""


class _Requests(GenerateJsonSchema):
    """Schema of requests: a field with a default may be left out."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        found = super().model_schema(schema)
        # A stored model that callers send too: its defaults give it another shape than in answers.
        if not issubclass(schema["cls"], Request):
            found["title"] = f"{schema['cls'].__name__}Input"
        return found


class _Answers(GenerateJsonSchema):
    """Schema of answers: every field is there, but one whose default is None is left out if None.

    Such a field is never null.
    """

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
    """The schemas of models and their parts by interface name; each name has one schema."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def request(self, model: type[BaseModel]) -> str:
        """Add a request model; returns its interface name."""
        return self._add(model.model_json_schema(mode="validation", schema_generator=_Requests))

    def answer(self, model: type[BaseModel]) -> str:
        """Add an answer model; returns its interface name."""
        return self._add(model.model_json_schema(mode="serialization", schema_generator=_Answers))

    def _add(self, whole: Schema) -> str:
        parts = whole.pop("$defs", {})
        names = {f"#/$defs/{key}": part["title"] for key, part in parts.items()}
        for schema in (whole, *parts.values()):
            named = _with_interface_names(schema, names)
            if self.found.setdefault(schema["title"], named) != named:
                raise ModelsDiffer(f"two models are called {schema['title']}; rename one")
        return str(whole["title"])


def _with_interface_names(schema: Any, names: dict[str, str]) -> Any:
    """Return a copy of a schema in which references are interface names."""
    if isinstance(schema, list):
        return [_with_interface_names(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: names[value] if key == "$ref" else _with_interface_names(value, names)
        for key, value in schema.items()
    }
