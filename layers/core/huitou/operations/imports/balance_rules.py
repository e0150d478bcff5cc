"""Which balances of another system may go in, and as what."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from datetime import date

from huitou.loyalty.points.models import NEVER, LotMove
from huitou.operations.imports.balance_models import BalanceRow

LATEST_YEAR = 2100


def entry_cause(source: str, row: BalanceRow) -> str:
    """Name the fact: its entry is `migrate:<source>:<id>`."""
    return f"{source}:{row.id}"


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
