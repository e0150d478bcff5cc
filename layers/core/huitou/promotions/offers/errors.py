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
    TOO_MANY_AT_ONCE = (
        "同一门店同一天最多 {detail} 个活动（含暂停的）：先给不用的活动设结束日期或适用门店",
        "At most {detail} offers may be in force at one store on one day, paused ones included: "
        "first end some of them, or name the stores where they apply",
    )
