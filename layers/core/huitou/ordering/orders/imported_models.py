"""Orders of other systems, as an import reads them to find those that it has already."""

from datetime import datetime

from pydantic import Field

from huitou.runtime.documents import Record


class ImportedOrder(Record):
    """The fields by which an import recognizes an order, even if its id was built differently."""

    id: str = Field(alias="_id")
    member_id: str
    created_at: datetime
    request_digest: str
    payable_fen: int
    status: str = "paid"
    store_id: str | None = None
    source_id: str | None = None
    undone_by: str | None = None
