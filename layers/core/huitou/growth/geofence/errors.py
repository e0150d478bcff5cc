"""Error codes of positions: why one isn't accepted."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class GeofenceErrors(ErrorCode):
    """Why a position isn't accepted."""

    LOCATION_CONSENT_REQUIRED = (
        "请先同意使用您的位置",
        "Agree to the use of your position first",
    )
    POSITION_TOO_OLD = "定位已过期，请重新定位", "This position is too old: take a new one"
    POSITION_REPLAYED = "请重新定位", "This position was used before: take a new one"
    POSITION_IMPOSSIBLE = "定位异常，请稍后再试", "This position can't be right; try again later"
