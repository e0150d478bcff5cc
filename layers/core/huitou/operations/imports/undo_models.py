"""Imports as they are kept, so that one can be taken back whole."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Request, Stored

IMPORT_ID = r"^i[0-9a-z-]{8,40}$"


Kind = Literal["orders", "balances"]


class Import(Stored):
    """One run of an import, and what it brought in; `file` is the file's name.

    `imported` counts orders or balances, `points` those of balances.
    """

    kind: Kind = "orders"
    file: str
    at: datetime
    imported: int = 0
    refunded: int = 0
    points: int = 0
    undone_at: datetime | None = None


class EntryPlace(Record):
    """An entry of the ledger by its member and number: an entry's id would name the till number."""

    member_id: str
    number: int


class ImportBatch(Stored):
    """What one call of an import wrote.

    `order_ids` are the orders that it made, `refunded_ids` those on which it booked refunds,
    `entries` the balances that it brought in, `tier_member_ids` the members whose tiers it brings.
    `members_checked` tells, once the batch is taken back, that those of its members who have
    nothing else are gone.
    """

    import_id: str
    order_ids: list[str] = Field(default=[])
    refunded_ids: list[str] = Field(default=[])
    entries: list[EntryPlace] = Field(default=[])
    points: int = 0
    tier_member_ids: list[str] = Field(default=[])
    undone: bool = False
    members_checked: bool = False

    @property
    def kind(self) -> Kind:
        """What the import brings in."""
        return "balances" if self.entries or self.tier_member_ids else "orders"


class ImportsRequest(Request):
    """List the latest imports of orders and balances, newest first."""

    limit: int = Field(default=50, ge=1, le=200)


class ShownImport(Answer):
    """An import: when it began, what it brought in, and whether it was taken back.

    `imported` counts orders or balances, by `kind`; `points` are those of the balances.
    """

    import_id: str
    kind: Kind
    file: str
    at: datetime
    imported: int
    refunded: int
    points: int
    status: Literal["in", "undone"]


class ImportsAnswer(Answer):
    """The latest imports."""

    imports: list[ShownImport]


class UndoRequest(Request):
    """Take back the next batch of an import; call again until `rest` is 0."""

    import_id: str = Field(pattern=IMPORT_ID)


class UndoAnswer(Answer):
    """What one call took back, and what could not be.

    `orders` went back, with `amount_fen` of revenue and `points`. Of what they had earned,
    `owed` points were spent before and are owed by the members now, and `kept` could not be taken
    (spent or expired; the rules of claw-back decide). Of `balances`, `points` went back, and
    `kept` are those that were spent, have expired or are set aside; nothing is owed. `tiers` were
    taken back, too. `members` whom the import had registered are gone, because they had nothing
    else; `members_stay` have something. `rest` steps are still to be done; the last call but
    those for members counts the `refunded` orders of other imports whose refunds stay.
    """

    orders: int = 0
    balances: int = 0
    amount_fen: int = 0
    points: int = 0
    owed: int = 0
    kept: int = 0
    tiers: int = 0
    refunded: int = 0
    members: int = 0
    members_stay: int = 0
    rest: int = 0
