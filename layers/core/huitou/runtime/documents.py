"""The base classes of all pydantic models: requests, answers and stored documents.

Validators are built when they are first used (`defer_build`), so a cold start builds only those
that its call needs.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from huitou.runtime.limits import Id, SchemaVersion


class Unfit(ValueError):  # noqa: N818
    """A document contradicts itself; names the field and tells its author why, in two languages."""

    def __init__(self, field: str, chinese: str, english: str) -> None:
        super().__init__(f"{field}: {english}" if field else english)
        self.field, self.chinese, self.english = field, chinese, english


class Request(BaseModel):
    """What a caller sends. Types are strict, and unknown fields are refused, so typos show."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Answer(BaseModel):
    """What an action answers. Callers may rely on this shape; `typings` writes it out for them.

    Some services answer with plain dicts, which are not validated at run time, to save time; the
    tests compare real answers with this model. A field without a default is always present,
    possibly as null. A field whose default is None is left out if it has no value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Record(BaseModel):
    """A part of a stored document; unknown fields are from a newer version and are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, defer_build=True)


class Stored(Record):
    """A stored document: `id` is MongoDB's `_id`, `schema_` is the version of its shape.

    `LEFT_OUT` says what it means if a field isn't stored: collections of millions of documents
    don't store empty lists and zeros. These meanings are the fields' defaults, and they must never
    change: `tests/rules/test_left_out.py` holds them.
    """

    LEFT_OUT: ClassVar[dict[str, Any]] = {}

    id: Id = Field(alias="_id")
    schema_: SchemaVersion = Field(default=1, alias="schema")

    def document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it, without None and without `LEFT_OUT`."""
        stored = self.model_dump(by_alias=True, exclude_none=True)
        for name, meaning in self.LEFT_OUT.items():
            if stored[name] == meaning:
                del stored[name]
        return stored
