"""Which balances of another system may go in, and as what."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from huitou.loyalty.points.models import NEVER, LotMove
from huitou.operations.imports.balance_models import BalanceRow

LATEST_YEAR = 2100


def source_again(source: str, again: int) -> str:
    """Name the source of a balance that was taken back so often and comes in once more.

    No source has a ~ in its name, so that no balance of another source has this name.
    """
    return source + (f"~{again}" if again else "")


def entry_id(source: str, row_id: str, again: int = 0) -> str:
    """Name the entry of a balance: `migrate:<source>:<id>`."""
    return f"migrate:{source_again(source, again)}:{row_id}"


def undo_cause(cause: str) -> str:
    """Name the fact that the balance of this cause was taken back; it can be only once."""
    return f"~undo:{cause}"


def undo_id(entry: str) -> str:
    """Name the entry that takes the entry of a balance back."""
    return f"migrate:{undo_cause(entry.removeprefix('migrate:'))}"


def taken_back(there: Mapping[str, int], lots: Sequence[LotMove]) -> tuple[list[LotMove], int]:
    """Return what can be taken back of these lots, and how many points can't.

    `there` are the account's points by their last day. Only the balance's own lots give back: what
    was spent, has expired, or is set aside for an order under way stays as it is.
    """
    moves, kept = [], 0
    for lot in lots:
        points = min(lot.points, there.get(lot.expires_on, 0))
        kept += lot.points - points
        if points:
            moves.append(LotMove(expires_on=lot.expires_on, points=-points))
    return moves, kept


def under(row: BalanceRow, spelling: str) -> BalanceRow:
    """Return the row as it was read before phones had one spelling."""
    return row.model_copy(update={"id": spelling, "member": spelling})


def digest(row: BalanceRow) -> str:
    """Hash what a row says; the same id with another digest is refused."""
    said = row.model_dump(exclude={"line", "id", "lots", "formerly", "is_mixed"})
    said["lots"] = sorted((lot.expires_on, lot.points) for lot in lots(row))
    plain = json.dumps(said, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def lots(row: BalanceRow) -> list[LotMove]:
    """Return the row's lots, those of one day together."""
    points: Counter[str] = Counter()
    for lot in row.lots:
        points[lot.expires_on or NEVER] += lot.points
    return [LotMove(expires_on=day, points=count) for day, count in sorted(points.items())]


def why_not(row: BalanceRow, levels: Collection[str], today: str) -> tuple[str, str] | None:
    """Return the field at fault and why a new row can't go in, or None if it can.

    What has expired by today is refused, not imported: it was never owed here.
    """
    for lot in row.lots:
        if lot.expires_on is None:
            continue
        if not _is_day(lot.expires_on):
            return "expires_on", f"no such day: {lot.expires_on}"
        if lot.expires_on < today:
            return "expires_on", f"expired on {lot.expires_on}"
    for name in ("tier_review_on", "tier_since"):
        day = getattr(row, name)
        if day is not None and not _is_day(day):
            return name, f"no such day: {day}"
    if row.tier is not None and row.tier not in levels:
        return "tier", f"no such level; there are: {', '.join(levels)}"
    if row.tier_review_on is not None and row.tier_review_on <= today:
        return "tier_review_on", "not after today"
    if row.tier_since is not None and row.tier_since > today:
        return "tier_since", "after today"
    return None


def _is_day(day: str) -> bool:
    try:
        return date.fromisoformat(day).year <= LATEST_YEAR
    except ValueError:
        return False
