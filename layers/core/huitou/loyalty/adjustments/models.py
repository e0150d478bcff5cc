"""Adjustments: points given or taken by hand; over a limit a second person decides."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.paging import PageRequest

AdjustmentStatus = Literal["awaiting_approval", "applied", "rejected"]
StaffRole = Literal["cashier", "manager", "finance"]
MOST_POINTS = 10_000_000


class AdjustPointsRequest(Request):
    """Give a member points (+) or take some (−).

    Only internal callers send it; they vouch for the actor and the role. A request with the same
    `adjustment_id` repeats the same adjustment.
    """

    adjustment_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    member_id: str = Field(min_length=1, max_length=64)
    points: int = Field(ge=-MOST_POINTS, le=MOST_POINTS)
    reason: str = Field(min_length=1, max_length=80)
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole

    @model_validator(mode="after")
    def _moves_something(self) -> AdjustPointsRequest:
        if self.points == 0:
            raise ValueError("points must not be 0")
        return self


class DecideAdjustmentRequest(Request):
    """Approve or reject a waiting adjustment; the person who asked for it can't decide it."""

    adjustment_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole
    reason: str | None = Field(default=None, min_length=1, max_length=80)


class AdjustmentsRequest(PageRequest):
    """List adjustments of one status, the newest first."""

    status: AdjustmentStatus = "awaiting_approval"


class Adjustment(Stored):
    """One adjustment; its entry in the ledger, once applied, is `adjust:<id>`.

    `day` is the business day on which it was asked for: the limit counts together what one actor
    does for one member on a day.
    """

    member_id: str
    points: int
    reason: str
    actor: str
    role: StaffRole
    day: str
    status: AdjustmentStatus
    created_at: datetime
    decided_by: str | None = None
    decided_role: StaffRole | None = None
    decided_reason: str | None = None
    decided_at: datetime | None = None

    def shown(self) -> AdjustmentAnswer:
        """Return the adjustment as staff see it."""
        names = AdjustmentAnswer.model_fields.keys() - {"adjustment_id"}
        return AdjustmentAnswer(
            adjustment_id=self.id, **{name: getattr(self, name) for name in names}
        )


class AdjustmentAnswer(Answer):
    """An adjustment: its points have moved once it is `applied`."""

    adjustment_id: str
    member_id: str
    points: int
    reason: str
    actor: str
    role: StaffRole
    status: AdjustmentStatus
    created_at: datetime
    decided_by: str | None = None
    decided_role: StaffRole | None = None
    decided_reason: str | None = None
    decided_at: datetime | None = None


class AdjustmentsAnswer(Answer):
    """A page of adjustments; `next` is the cursor of the following one."""

    adjustments: list[AdjustmentAnswer]
    next: str | None
