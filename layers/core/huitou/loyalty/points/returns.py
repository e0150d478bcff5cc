"""Which of the points that an order used come back when a part of it is refunded."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.loyalty.points.models import LotMove


def returning(drawn: Sequence[LotMove], before: int, after: int) -> list[LotMove]:
    """Return which of the drawn points come back now, of `after` that have come back in all.

    `before` of them came back earlier. The lots that expire last come back first.
    """
    parts, seen = [], 0
    for part in sorted(drawn, key=lambda part: part.expires_on, reverse=True):
        start, end = max(before, seen), min(after, seen + part.points)
        if start < end:
            parts.append(LotMove(expires_on=part.expires_on, points=end - start))
        seen += part.points
    return parts
