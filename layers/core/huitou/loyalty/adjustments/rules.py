"""Which adjustments need a second pair of eyes, and whose."""

from __future__ import annotations

from collections.abc import Iterable

from huitou.loyalty.adjustments.errors import ADJUSTMENT_STATUS, AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
    StaffRole,
)
from huitou.runtime.errors import Refusal


def is_over_limit(limit_points: int, points: int, same_day: Iterable[Adjustment]) -> bool:
    """Whether an adjustment waits for a second person.

    What an actor has asked for one member on a business day counts together, given or taken: ten
    small ones are one large one.
    """
    asked = sum(abs(other.points) for other in same_day if other.status != "rejected")
    return asked + abs(points) > limit_points


def may_decide(role: StaffRole) -> bool:
    """Whether this role may be the second pair of eyes."""
    return role in ("manager", "finance")


def same(adjustment: Adjustment, request: AdjustPointsRequest) -> Adjustment:
    """An id names one adjustment for ever: the same inputs again, or ADJUSTMENT_ID_REUSED."""
    names = ("member_id", "points", "reason", "actor", "role")
    if any(getattr(adjustment, name) != getattr(request, name) for name in names):
        raise Refusal(AdjustmentErrors.ADJUSTMENT_ID_REUSED, field="adjustment_id")
    return adjustment


def decided(adjustment: Adjustment, request: DecideAdjustmentRequest) -> Adjustment:
    """Return a decided adjustment to who decided it so, and ADJUSTMENT_DECIDED to all others."""
    status = "applied" if request.approve else "rejected"
    if (adjustment.status, adjustment.decided_by) != (status, request.actor):
        raise Refusal(
            AdjustmentErrors.ADJUSTMENT_DECIDED,
            field="adjustment_id",
            detail=ADJUSTMENT_STATUS[adjustment.status],
        )
    return adjustment
