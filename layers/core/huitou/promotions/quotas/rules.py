"""Which figures count a use, and why a subject can't be used once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from huitou.promotions.quotas.errors import QuotaErrors
from huitou.runtime.errors import Refusal

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Limits
    from huitou.promotions.quotas.models import Blocked, Left, MemberUses, Use

# So many unpaid orders of one person may use offers with a quota or budget. An unpaid order keeps
# its units from other guests until it is cancelled.
MOST_UNPAID = 3


def too_many_unpaid() -> Refusal:
    return Refusal(QuotaErrors.TOO_MANY_UNPAID, field="items", detail=str(MOST_UNPAID))


def uses_id(subject: str, member_id: str) -> str:
    return f"{subject}|{member_id}"


def fields_of(day: str) -> list[str]:
    """Return the names of the figures that count a use on this day."""
    return ["total", f"days.{day}", f"months.{day[:7]}"]


def below(limits: Limits, day: str) -> dict[str, int]:
    """Return the limit that each figure must be below before one more use."""
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
            "total": uses.total,
            f"days.{day}": uses.days.get(day, 0),
            f"months.{day[:7]}": uses.months.get(day[:7], 0),
        }
        if any(had[name] >= limit for name, limit in below(use.limits, day).items()):
            return "limit_reached"
    return None
