"""What distinguishes the kinds of triggers: one entry each, in one table.

A new kind is an entry here, its query in `runs/repository.py`, and a line of campaign-run's README.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal[
    "absent",  # `days` business days after the last order
    "overdue",  # half as much again as the member's own usual interval is over
    "birthday",  # `days` before the birthday, 0 on it
    "tier_change",  # the tier rose or fell (`direction`)
    "registered",  # `after_minutes` after registering
    "first_order",  # `after_minutes` after the first paid order
    "order_completed",  # `after_minutes` after an order was completed
    "review",  # a review was given
    "weather",  # `weather` today at the member's usual store
    "daily",  # every day, on `weekdays` or on days of the month: supper, member day
    "group",  # taken by members of a community group (`opengids`), limited per day
    "near_store",  # the member came near a store
    "coupon_expiring",  # a coupon ends in `days`
    "points_expiring",  # points are about to end
    "segment",  # once, on the first day of the campaign
    "by_hand",  # members that an operator names
]


@dataclass(frozen=True)
class TriggerKind:
    """One kind of trigger.

    `needs` and `may_have` are the fields beside the kind. `late` is how long after its time an
    occasion is still worth a message; one that is `of_a_day` is worth none after its day, however
    early it was. `own_words` is how long after that it is worth one in words of its own. A kind
    that is `by_day` meets members by itself at `send_at`, the others follow an event; for one of
    the `whole_chain` nothing but the audience says who is meant. A `personal` one reads what the
    member does: it isn't for who switched personalisation off. One that `is_left` ends when the
    member orders: its occasion is the day of their last order.
    """

    label: str
    late: timedelta
    needs: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()
    of_a_day: bool = False
    own_words: timedelta | None = None
    by_day: bool = False
    whole_chain: bool = False
    personal: bool = False
    is_left: bool = False


_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
TRIGGERS: dict[Kind, TriggerKind] = {
    "absent": TriggerKind(
        "几天没来", 2 * _DAY, needs=("days",), by_day=True, personal=True, is_left=True
    ),
    "overdue": TriggerKind("超过平时间隔", 2 * _DAY, by_day=True, personal=True, is_left=True),
    "birthday": TriggerKind(
        "生日", timedelta(0), needs=("days",), of_a_day=True, own_words=_WEEK, by_day=True
    ),
    "tier_change": TriggerKind("等级变化", _WEEK, needs=("direction",)),
    "registered": TriggerKind("注册后", 3 * _DAY, may_have=("after_minutes",)),
    "first_order": TriggerKind("首单后", 3 * _DAY, may_have=("after_minutes",)),
    "order_completed": TriggerKind("订单完成后", _DAY, may_have=("after_minutes",)),
    "review": TriggerKind("评价后", 3 * _DAY),
    "weather": TriggerKind(
        "天气", timedelta(hours=6), needs=("weather",), may_have=("threshold",), of_a_day=True,
        by_day=True, personal=True,
    ),
    "daily": TriggerKind(
        "固定日子（夜宵、会员日）", _DAY, may_have=("weekdays", "month_days"), of_a_day=True,
        by_day=True, whole_chain=True,
    ),
    "group": TriggerKind("社群领券", timedelta(0), needs=("opengids",)),
    "near_store": TriggerKind("到店附近", timedelta(minutes=30), personal=True),
    "coupon_expiring": TriggerKind(
        "券快过期", timedelta(hours=20), needs=("days",), by_day=True
    ),
    "points_expiring": TriggerKind("积分快过期", _WEEK),
    "segment": TriggerKind("一次性人群", _WEEK, by_day=True, whole_chain=True),
    "by_hand": TriggerKind("人工指定", _WEEK),
}  # fmt: skip
