"""Holds: points set aside for something that isn't an order, until they are used or given back."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.loyalty.points.models import LotMove
from huitou.runtime.documents import Answer, Request, Stored

Purpose = Literal["mall", "game"]
HoldStatus = Literal["held", "used", "released"]
HOLD_ID = r"^(mall|game):[A-Za-z0-9_:.@-]{1,120}$"


class Hold(Stored):
    """Points of one member that were set aside; `drawn` names the lots they came from.

    `id` comes from the caller's business fact and begins with its purpose, so that it never equals
    an order's id. A hold ends when it is used (entry `use:<id>`) or released; a timer releases
    holds past `expires_at`. That is real time, not business time: it limits how long a caller may
    take.
    """

    member_id: str
    points: int
    drawn: list[LotMove]
    purpose: Purpose
    status: HoldStatus = "held"
    created_at: datetime
    expires_at: datetime
    version: int = 0


class HoldPointsRequest(Request):
    """Set a member's points aside; a repeated call returns the same hold."""

    member_id: str = Field(min_length=1, max_length=64)
    hold_id: str = Field(pattern=HOLD_ID)
    points: int = Field(ge=1, le=10_000_000)
    purpose: Purpose


class HeldPointsRequest(Request):
    """Use, or give back, points that were set aside."""

    hold_id: str = Field(pattern=HOLD_ID)


class HoldAnswer(Answer):
    """What became of points that were set aside: held until `expires_at`, used or given back."""

    hold_id: str
    member_id: str
    points: int
    purpose: Purpose
    status: HoldStatus
    expires_at: datetime
