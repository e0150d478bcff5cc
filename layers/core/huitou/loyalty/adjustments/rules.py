"""Which adjustments a second person must decide, and who may."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from huitou.coupons.issuing.models import IssueCouponRequest
from huitou.coupons.issuing.roles import GiverRole
from huitou.coupons.issuing.rules import coupon_id
from huitou.loyalty.adjustments.errors import ADJUSTMENT_STATUS, AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
    StaffRole,
)
from huitou.loyalty.points.models import GiftLimits
from huitou.runtime.errors import Refusal


def is_over_limit(limit_points: int, points: int, same_day: Iterable[Adjustment]) -> bool:
    """Tell whether an adjustment waits for a second person.

    All that one actor asks for one member on a business day counts together, given or taken, so
    that nobody gets past the limit with many small ones.
    """
    asked = sum(abs(other.points) for other in same_day if other.status != "rejected")
    return asked + abs(points) > limit_points


def gift_id(request: IssueCouponRequest) -> str:
    """Return the id of a coupon given by hand; an adjustment of points never has a colon."""
    return f"coupon:{coupon_id(request.whole_cause)}"


def codes_id(batch: str) -> str:
    """Return the id under which a batch of codes is allowed."""
    return f"codes:{batch}"


def gift_limit_fen(limits: GiftLimits, role: GiverRole | None) -> int:
    """Return what a role may give alone on a business day; the lowest if nobody vouches for one."""
    match role:
        case "manager":
            return limits.manager_fen
        case "marketing":
            return limits.marketing_fen
        case "finance":
            return limits.finance_fen
        case "cashier" | None:
            return limits.cashier_fen
        case _:
            assert_never(role)


def may_decide(role: StaffRole) -> bool:
    """Tell whether this role may decide adjustments."""
    return role in ("manager", "finance")


def check_repeat(adjustment: Adjustment, request: AdjustPointsRequest) -> Adjustment:
    """Return the adjustment if the request repeats it, else raise Refusal ADJUSTMENT_ID_REUSED."""
    names = ("member_id", "points", "reason", "actor", "role")
    if any(getattr(adjustment, name) != getattr(request, name) for name in names):
        raise Refusal(AdjustmentErrors.ADJUSTMENT_ID_REUSED, field="adjustment_id")
    return adjustment


def check_allowed(adjustment: Adjustment, field: str, awaits: AdjustmentErrors) -> None:
    """Return if what was asked for is allowed.

    Raises Refusal `awaits` or ADJUSTMENT_DECIDED naming `field`.
    """
    match adjustment.status:
        case "applied":
            return
        case "awaiting_approval":
            raise Refusal(awaits, field=field)
        case "rejected":
            detail = ADJUSTMENT_STATUS["rejected"]
            raise Refusal(AdjustmentErrors.ADJUSTMENT_DECIDED, field=field, detail=detail)
        case _:
            assert_never(adjustment.status)


def check_decision(adjustment: Adjustment, request: DecideAdjustmentRequest) -> Adjustment:
    """Return the adjustment if this actor decided it so, else raise Refusal ADJUSTMENT_DECIDED."""
    status = "applied" if request.approve else "rejected"
    if (adjustment.status, adjustment.decided_by) != (status, request.actor):
        raise Refusal(
            AdjustmentErrors.ADJUSTMENT_DECIDED,
            field="adjustment_id",
            detail=ADJUSTMENT_STATUS[adjustment.status],
        )
    return adjustment
