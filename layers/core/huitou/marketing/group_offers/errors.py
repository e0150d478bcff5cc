"""Why a group's offer is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class GroupOfferErrors(ErrorCode):
    """Why a group's offer is refused."""

    OFFER_NOT_NOW = "不在领取时间内（{detail} 开始）", "Not at this time (from {detail} on)"
