"""The kinds of triggers, in one table with one entry for each kind.

A new kind is an entry here, a line of campaign-run's README, and its query: in `PAGES` of
`runs/day_service.py` where it is met by a day, in `EVENTS` of `runs/events.py` where by an event.
What may be over before it is told is asked again by `LASTING` of `runs/lasting_service.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal[
    "absent",  # `days` business days after the last order
    "overdue",  # 1.5 times the member's usual interval after the last order
    "birthday",  # `days` before the birthday; 0: on the birthday
    "tier_change",  # the tier rose or fell (`direction`)
    "registered",  # `after_minutes` after registering
    "first_order",  # `after_minutes` after the first paid order
    "order_completed",  # `after_minutes` after an order was completed
    "review",  # the member wrote a review
    "weather",  # `weather` today at the member's usual store
    "daily",  # every day, on `weekdays` or on `month_days`: supper, member day
    "group",  # members of a community group (`opengids`) take it themselves, so many a day
    "near_store",  # the member came near a store
    "coupon_expiring",  # a coupon ends in `days`
    "points_expiring",  # points are about to end
    "segment",  # once, on the first day of the campaign
    "by_hand",  # an operator names the members
]


Met = Literal[
    "day",  # a run of a day at `send_at` looks for members
    "event",  # follows what happened to them, `after_minutes` later
    "told",  # another function tells of it
    "by_hand",  # an operator names the members
    "taken",  # the members come for it: no message too many, so no limit of messages counts
]


@dataclass(frozen=True)
class TriggerKind:
    """One kind of trigger.

    label: what operators read.
    met: how its members are found.
    late: how long after its time an occasion is still worth a message.
    needs, may_have: the fields that a trigger of this kind must have, and those that it may have.
    least_days: the least value of the field `days`.
    of_a_day: after its day an occasion is worth no message, even if `late` isn't over.
    own_words: for how long after that it is worth a message in late words.
    ahead: its day comes `days` after its run.
    whole_chain: every member is found, so that only the audience says whom it is for.
    once: it has one day only, the campaign's first.
    forecast: its run waits for the day's weather forecast.
    undivided: its run is not divided among workers by members.
    personal: it depends on what the member does; not for members who switched that off.
    is_left: it ends when the member orders; its occasion is the day of their last order.
    of_first_order: it ends when the member's first order is refunded completely.
    """

    label: str
    met: Met
    late: timedelta
    needs: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()
    least_days: int = 0
    of_a_day: bool = False
    own_words: timedelta | None = None
    ahead: bool = False
    whole_chain: bool = False
    once: bool = False
    forecast: bool = False
    undivided: bool = False
    personal: bool = False
    is_left: bool = False
    of_first_order: bool = False


_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_AFTER = ("after_minutes",)
TRIGGERS: dict[Kind, TriggerKind] = {
    "absent": TriggerKind(
        "几天没来", "day", 2 * _DAY, needs=("days",), least_days=1, personal=True, is_left=True
    ),
    "overdue": TriggerKind("超过平时间隔", "day", 2 * _DAY, personal=True, is_left=True),
    "birthday": TriggerKind(
        "生日", "day", timedelta(0), needs=("days",), of_a_day=True, own_words=_WEEK, ahead=True
    ),
    "tier_change": TriggerKind("等级变化", "event", _WEEK, needs=("direction",)),
    "registered": TriggerKind("注册后", "event", 3 * _DAY, may_have=_AFTER),
    "first_order": TriggerKind(
        "首单后", "event", 3 * _DAY, may_have=_AFTER, of_first_order=True
    ),
    "order_completed": TriggerKind("订单完成后", "event", _DAY, may_have=_AFTER),
    "review": TriggerKind("评价后", "told", 3 * _DAY),
    "weather": TriggerKind(
        "天气", "day", timedelta(hours=6), needs=("weather",), may_have=("threshold",),
        of_a_day=True, forecast=True, personal=True,
    ),
    "daily": TriggerKind(
        "固定日子（夜宵、会员日）", "day", _DAY, may_have=("weekdays", "month_days"), of_a_day=True,
        whole_chain=True,
    ),
    "group": TriggerKind("社群领券", "taken", timedelta(0), needs=("opengids",)),
    "near_store": TriggerKind("到店附近", "event", timedelta(minutes=30), personal=True),
    "coupon_expiring": TriggerKind(
        "券快过期", "day", timedelta(hours=20), needs=("days",), undivided=True
    ),
    "points_expiring": TriggerKind("积分快过期", "event", _WEEK),
    "segment": TriggerKind("一次性人群", "day", _WEEK, whole_chain=True, once=True),
    "by_hand": TriggerKind("人工指定", "by_hand", _WEEK),
}  # fmt: skip
