"""points-sync: settles orders: points, spend and coupon, once per order and state.

Started by trigger-relay for orders whose settlement is due, and by its own timer, which finds
what a lost event left behind, and lets points expire or become usable on their day. Not callable
by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.points.service import Points
from huitou.runtime.handler import LONGEST_S, Call, serve
from huitou.settlement.service import Settlement


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("points-sync", event, context, changes=_settle_changed, timer=_settle_due)


def _settle_changed(call: Call) -> dict[str, Any]:
    return call.each(call.due_ids("orders"), Settlement(call.database, call.clock).settle)


def _settle_due(call: Call) -> dict[str, Any]:
    settlement = Settlement(call.database, call.clock)
    points = Points(call.database, call.clock)

    def goes_on() -> bool:
        return call.seconds_left() > 2 * LONGEST_S

    return call.sweep(
        {
            "outcomes": (settlement.due(), settlement.settle),
            "calendar": (["many at once"], lambda _: f"{points.bring_all_up_to_date(goes_on)} due"),
            "one by one": (points.due(), points.bring_up_to_date),
        }
    )
