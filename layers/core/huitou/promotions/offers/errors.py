"""Reasons for refusing to store an offer."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class OfferErrors(ErrorCode):
    """Reasons for refusing to store an offer."""

    TOO_MANY_OFFERS = (
        "进行中和待开始的活动最多 {detail} 个（含暂停的）：先给不用的活动设结束日期",
        "At most {detail} offers may be in force or to come, paused ones included: "
        "first end those that are over",
    )
