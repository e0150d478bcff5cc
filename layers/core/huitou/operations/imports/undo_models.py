"""Imports as they are kept, so that one can be taken back whole."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored

IMPORT_ID = r"^i[0-9a-z-]{8,40}$"


class Import(Stored):
    """One run of `import orders`, and what it brought in; `file` is the file's name."""

    file: str
    at: datetime
    imported: int = 0
    refunded: int = 0
    undone_at: datetime | None = None


class ImportBatch(Stored):
    """What one call of an import wrote: the orders it made, and those it booked refunds on."""

    import_id: str
    order_ids: list[str] = Field(default=[])
    refunded_ids: list[str] = Field(default=[])
    undone: bool = False


class ImportsRequest(Request):
    """List the latest imports of orders, newest first."""

    limit: int = Field(default=50, ge=1, le=200)


class ShownImport(Answer):
    """An import: when it began, what it brought in, and whether it was taken back."""

    import_id: str
    file: str
    at: datetime
    imported: int
    refunded: int
    status: Literal["in", "undone"]


class ImportsAnswer(Answer):
    """The latest imports."""

    imports: list[ShownImport]


class UndoRequest(Request):
    """Take back the next batch of an import's orders; call again until `rest` is 0."""

    import_id: str = Field(pattern=IMPORT_ID)


class UndoAnswer(Answer):
    """What one call took back, and what could not be.

    `orders` went back, with `amount_fen` of revenue and `points`. Of what they had earned,
    `owed` points were spent before and are owed by the members now, and `kept` could not be taken
    (spent or expired; the rules of claw-back decide). `rest` batches are still to be taken back;
    the last call counts the `refunded` orders of other imports whose refunds stay.
    """

    orders: int
    amount_fen: int
    points: int
    owed: int
    kept: int
    refunded: int
    rest: int
