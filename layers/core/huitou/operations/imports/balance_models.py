"""Balances: points and tiers that members had in another system, brought in once."""

from typing import Annotated

from pydantic import Field, model_validator

from huitou.operations.imports.undo_models import IMPORT_ID
from huitou.runtime.documents import Answer, Request, Unfit

MOST_ROWS = 500  # Of one call.
MOST_LOTS = 400  # Of one row.
MOST_POINTS = 1_000_000_000
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
SOURCE = r"^[0-9A-Za-z_\-]{1,32}$"


class BalanceLot(Request):
    """Points that expire together, at the end of `expires_on`; null: never."""

    points: int = Field(ge=1, le=MOST_POINTS)
    expires_on: str | None = Field(default=None, pattern=DAY)


class BalanceRow(Request):
    """One balance of the other system: `id` is its name there, `member` the number at the till.

    `line` is where it stands in a file, for rejects. A tier comes with the day on which it is to
    be reviewed; `tier_since` is when it began (left out: today). Without lots only the tier.

    `formerly` are the spellings of the number in the file that were members of their own before
    phones had one spelling, `is_mixed` says that the file has the number in several spellings.
    """

    line: int = Field(ge=1, le=10_000_000)
    id: str = Field(min_length=1, max_length=64)
    member: str = Field(min_length=1, max_length=64)
    lots: list[BalanceLot] = Field(default=[], max_length=MOST_LOTS)
    tier: str | None = Field(default=None, min_length=1, max_length=40)
    tier_review_on: str | None = Field(default=None, pattern=DAY)
    tier_since: str | None = Field(default=None, pattern=DAY)
    formerly: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[], max_length=20
    )
    is_mixed: bool = False

    @model_validator(mode="after")
    def _a_tier_has_a_review(self) -> "BalanceRow":
        if (self.tier is None) != (self.tier_review_on is None):
            raise Unfit("tier_review_on", "等级和保级日期须一起填", "goes together with tier")
        return self


class ImportBalancesRequest(Request):
    """A batch of balances from one source; what is there already changes nothing.

    `dry_run` writes nothing. `import_id` names the import that the batch belongs to, `file` its
    file: what it brings in can be taken back under that id.
    """

    source: str = Field(pattern=SOURCE)
    rows: list[BalanceRow] = Field(min_length=1, max_length=MOST_ROWS)
    dry_run: bool = False
    import_id: str | None = Field(default=None, pattern=IMPORT_ID)
    file: str = Field(default="", max_length=200)


class RejectedBalance(Answer):
    """A balance that did not go in: its line, the field at fault, and why."""

    line: int
    field: str
    reason: str


class BalancesReport(Answer):
    """What became of a batch: imported + unchanged + rejected = its rows.

    `points` is what went in, `members` are the new ones, `tiers` those brought in now.
    """

    imported: int
    unchanged: int
    rejected: int
    points: int
    members: int
    tiers: int
    rejects: list[RejectedBalance]
