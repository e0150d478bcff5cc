"""How limits are split into buckets, and which figures a use is counted in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from huitou.limits.models import UNLIMITED, Blocked, Left, MemberUses, Use
from huitou.offers.models import Limits

BUCKETS = 16
FEW_PIECES, LITTLE_FEN = 64, 1_000_000  # So few are fairer, and fast enough, from one bucket.


def shares(limits: Limits, there: int = 0) -> list[tuple[int, int]]:
    """Return the pieces and fen of each bucket; as many as are there, where there are any."""
    few = (limits.quota or UNLIMITED) <= FEW_PIECES or (
        (limits.budget_fen or UNLIMITED) <= LITTLE_FEN
    )
    number = there or (1 if few else BUCKETS)
    return [
        (_part(limits.quota, n, number), _part(limits.budget_fen, n, number))
        for n in range(number)
    ]  # fmt: skip


def _part(whole: int | None, place: int, number: int) -> int:
    if whole is None:
        return UNLIMITED
    return whole // number + (1 if place < whole % number else 0)


def first_bucket(token: str, number: int) -> int:
    """Return where a taker begins to look: spread evenly, the same each time."""
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=4).digest()) % number


def uses_id(subject: str, member_id: str) -> str:
    return f"{subject}|{member_id}"


def fields_of(day: str) -> list[str]:
    """Return the figures that a use on this day is counted in."""
    return ["total", f"days.{day}", f"months.{day[:7]}"]


def below(limits: Limits, day: str) -> dict[str, int]:
    """Return the figures that must be below a limit before one more use."""
    wanted = zip(
        fields_of(day),
        (limits.per_member, limits.per_member_day, limits.per_member_month),
        strict=True,
    )
    return {name: limit for name, limit in wanted if limit is not None}


def why_blocked(use: Use, day: str, uses: MemberUses | None, left: Left | None) -> Blocked | None:
    """Return why a subject can't be used once more, None if it can."""
    if left is not None and (left.pieces < 1 or left.fen < 1):
        return "used_up"
    if uses is not None:
        had: Mapping[str, int] = {
            "total": uses.total, f"days.{day}": uses.days.get(day, 0),
            f"months.{day[:7]}": uses.months.get(day[:7], 0),
        }  # fmt: skip
        if any(had[name] >= limit for name, limit in below(use.limits, day).items()):
            return "limit_reached"
    return None
