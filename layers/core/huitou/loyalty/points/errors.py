"""Why a change of points is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

ACCOUNT: Words = "会员账户", "account"


class PointsErrors(ErrorCode):
    """Why a change of points is refused."""

    POINTS_NOT_ENOUGH = "积分不足", "Not enough points"
