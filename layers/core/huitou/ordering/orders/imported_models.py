"""Orders of other systems, as an import looks for those that are there already."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Record


class ImportedOrder(Record):
    """What an imported order says of itself, whatever its id is made of."""

    id: str = Field(alias="_id")
    member_id: str
    created_at: datetime
    payable_fen: int
    store_id: str | None = None
    source_id: str | None = None
