"""Why a group's offer isn't given."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class GroupOfferErrors(ErrorCode):
    """Why a group's offer isn't given."""

    OFFER_NOT_NOW = "不在领取时间内（{detail} 开始）", "Not at this time (from {detail} on)"
