"""Sums over the ledger: points issued, used, expired, clawed back, taken, outstanding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huitou.loyalty.points.models import EntryKind

_SUMS: dict[EntryKind, str] = {
    "use": "used", "return": "used", "expire": "expired", "claw-back": "clawed_back",
}  # fmt: skip


def points_sums(entries: Iterable[tuple[EntryKind, int]]) -> Counter[str]:
    """Sum up entries, given as kind and points, by what became of the points.

    issued = used + expired + clawed_back + taken + outstanding, for any set of entries. A
    transfer counts as issued in the account it reaches, and as issued negatively in the other.
    """
    sums: Counter[str] = Counter()
    for kind, points in entries:
        name = _SUMS.get(kind, "issued")
        if kind == "adjust" and points < 0:
            name = "taken"
        sums[name] += points if name == "issued" else -points
        sums["outstanding"] += points
    return sums
