"""The ledger summed up by what became of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from huitou.loyalty.points.models import EntryKind

_SUMS: dict[EntryKind, str] = {
    "use": "used", "return": "used", "expire": "expired", "claw-back": "clawed_back",
}  # fmt: skip


def points_sums(entries: Iterable[tuple[EntryKind, int]]) -> Counter[str]:
    """Sum the ledger up by what became of points, from each entry's kind and points.

    issued = used + expired + clawed_back + taken + outstanding, whatever is summed: transfers
    count as issued where they arrive and the other way round where they leave.
    """
    sums: Counter[str] = Counter()
    for kind, points in entries:
        name = _SUMS.get(kind, "issued")
        if kind == "adjust" and points < 0:
            name = "taken"
        sums[name] += points if name == "issued" else -points
        sums["outstanding"] += points
    return sums
