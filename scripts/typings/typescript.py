"""Converts JSON Schema to TypeScript: an interface per model, with a comment on each field."""

from __future__ import annotations

import json
from typing import Any

from typings.schemas import Schema

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean",
          "null": "null"}  # fmt: skip
# Words in a field's name that say the unit of its value.
_UNITS = {
    "fen": "fen, 0.01 yuan",
    "bp": "basis points, 10,000 = 100 %",
    "s": "seconds",
    "min": "minutes",
    "rate": "0.4 = 40 %",
    "day": "business day, YYYY-MM-DD",
    "30d": "of 30 days",
    "90d": "of 90 days",
}
_FORMATS = {"date-time": "moment, ISO 8601", "date": "YYYY-MM-DD"}
_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)


class NoTypeScript(ValueError):  # noqa: N818
    """The converter doesn't know this kind of schema."""


def interface(name: str, schema: Schema) -> str:
    """Return the TypeScript interface of a model's schema."""
    required = schema.get("required", ())
    fields = schema.get("properties", {})
    lines = comment(schema.get("description", ""))
    if not fields:
        return "\n".join([*lines, f"interface {name} {{}}"])
    lines.append(f"interface {name} {{")
    for field, kind in fields.items():
        lines += [f"  {line}" for line in comment(_field_comment(field, kind))]
        lines.append(f"  {_key(field)}{'' if field in required else '?'}: {type_of(kind)};")
    return "\n".join([*lines, "}"])


def type_of(schema: Schema) -> str:
    """Return the TypeScript type of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"])
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(kind) for kind in schema["anyOf"]))
    kind = schema.get("type")
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "array" and "items" in schema:
        items = type_of(schema["items"])
        return f"({items})[]" if " | " in items else f"{items}[]"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        values = type_of(schema["additionalProperties"])
        if "enum" in schema.get("propertyNames", {}):
            return f"Partial<Record<{type_of(schema['propertyNames'])}, {values}>>"
        return f"Record<string, {values}>"
    if not schema.keys() - {"title", "description", "default"}:
        return "unknown"
    raise NoTypeScript(f"no TypeScript for {json.dumps(schema)}")


def comment(text: str) -> list[str]:
    """Return the lines of a doc comment; no lines for an empty text."""
    lines = text.replace("*/", "*\\/").splitlines()
    if len(lines) < 2:
        return [f"/** {line} */" for line in lines]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


def _key(field: str) -> str:
    return field if field.isidentifier() else json.dumps(field)


def _field_comment(field: str, schema: Schema) -> str:
    """Describe a field: its unit, its limits, and its default."""
    kinds: list[Schema] = [schema, *schema.get("anyOf", ())]
    words = field.split("_")
    units = [_UNITS[word] for word in words if word in _UNITS]
    description = schema.get("description", "")
    parts: list[Any] = [description, *(unit for unit in units if unit not in description)]
    for kind in kinds:
        parts += [
            _FORMATS.get(kind.get("format", "")),
            *(_limits_comment(kind, *b) for b in _BOUNDS),
        ]
        if "pattern" in kind:
            parts.append(f"/{kind['pattern']}/")
    if schema.get("default") is not None:
        parts.append(f"left out: {json.dumps(schema['default'], ensure_ascii=False)}")
    return "; ".join(part for part in parts if part)


def _limits_comment(schema: Schema, least: str, most: str, of: str) -> str | None:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return None
    if high is None:
        return f"at least {low:,}{of}"
    return f"at most {high:,}{of}" if low is None else f"{low:,} to {high:,}{of}"
