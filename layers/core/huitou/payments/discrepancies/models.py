"""Discrepancies: differences about money between WeChat Pay and us, open until a person explains.

They are found by notices, daily bills, shares, refunds and shipping, and never deleted.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Record, Request, Stored
from huitou.runtime.limits import DayText
from huitou.runtime.paging import PageRequest
from huitou.runtime.typed import Name

Source = Literal["notice", "bill", "share", "refund", "shipping"]
DiscrepancyStatus = Literal["open", "resolved"]
Value = str | int | bool | None
SYSTEM = "system"  # The actor of automatic resolutions; a person can't use this name.


class Difference(Record):
    """Two values about `reference` that should be equal and aren't.

    `reference` is an out_trade_no, an out_refund_no or an order's id; `day` is the calendar day in
    Shanghai, if it is known. Values are plain and never an OpenID: "other payer" is enough.
    """

    kind: str
    reference: str
    expected: Value = None
    found: Value = None
    day: str | None = None
    store_id: str | None = None

    @property
    def discrepancy_id(self) -> str:
        """The business fact: noting the same difference again finds the same document."""
        return f"{self.kind}|{self.reference}"


class Resolution(Record):
    """Who resolved a discrepancy, and why."""

    actor: str
    note: str
    at: datetime


class PastResolution(Record):
    """The values and the resolution that a discrepancy had before it was opened again."""

    expected: Value = None
    found: Value = None
    resolution: Resolution


class Discrepancy(Stored):
    """One difference; `id` is "<kind>|<reference>"."""

    source: Source
    kind: str
    reference: str
    day: str | None = None
    store_id: str | None = None
    expected: Value = None
    found: Value = None
    status: DiscrepancyStatus = "open"
    first_at: datetime
    last_at: datetime
    seen: int = Field(default=1, ge=1)
    resolution: Resolution | None = None
    history: list[PastResolution] = Field(default=[], max_length=20)


class ShownDiscrepancy(Record):
    """A discrepancy as operators see it."""

    discrepancy_id: str
    source: Source
    kind: str
    reference: str
    day: str | None = None
    store_id: str | None = None
    expected: Value = None
    found: Value = None
    status: DiscrepancyStatus
    first_at: datetime
    last_at: datetime
    seen: int
    resolution: Resolution | None = None
    reopened: int = 0

    @classmethod
    def of(cls, discrepancy: Discrepancy) -> "ShownDiscrepancy":
        """Show a stored one, with the number of its past resolutions."""
        fields = discrepancy.model_dump(exclude={"id", "schema_", "history"})
        return cls(discrepancy_id=discrepancy.id, reopened=len(discrepancy.history), **fields)


class DiscrepanciesPage(Record):
    """A page of discrepancies, newest first; `next` is the cursor of the following page."""

    discrepancies: list[ShownDiscrepancy]
    next: str | None = None


class DiscrepanciesRequest(PageRequest):
    """List discrepancies, newest first: open ones only, or `all`; of one `day`, if it is named."""

    after: str | None = Field(default=None, max_length=300)
    all: bool = False
    day: DayText | None = None


class ResolveRequest(Request):
    """Resolve a discrepancy, and say why."""

    discrepancy_id: str = Field(min_length=3, max_length=200)
    actor: str = Field(min_length=1, max_length=64)
    note: Name = Field(min_length=1, max_length=500)
