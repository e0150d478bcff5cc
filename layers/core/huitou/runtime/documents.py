"""The bases every pydantic model stands on: what callers send, are answered, and what is stored.

Validators are built on first use (`defer_build`): a cold start pays only for what its call needs.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Unfit(ValueError):  # noqa: N818
    """What of a document doesn't hold together, for who wrote it: in which field of it, and why."""

    def __init__(self, field: str, chinese: str, english: str) -> None:
        super().__init__(f"{field}: {english}" if field else english)
        self.field, self.chinese, self.english = field, chinese, english


class Request(BaseModel):
    """What a caller sends: strict types, unknown fields refused so that a typo is not silence."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Answer(BaseModel):
    """What an action answers: the shape its callers may rely on, told to them by `typings`.

    Where services build plain dicts nothing is checked while members wait; the tests hold real
    answers against it. A field without a default is always there, if only as null; one whose
    default is None is left out where there is nothing to tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Record(BaseModel):
    """A part of a stored document; unknown fields are a newer version's and are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, defer_build=True)


class Stored(Record):
    """A stored document: `id` is MongoDB's `_id`, `schema_` the shape's version."""

    id: str = Field(alias="_id")
    schema_: int = Field(default=1, alias="schema")

    def document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it, absent optional fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True)
