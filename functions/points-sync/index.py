"""points-sync: settles orders: points, spend and coupon, once per order and state.

Started by trigger-relay for orders whose settlement is due, and by its own timer, which finds
what a lost event left behind. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Call, serve
from huitou.settlement.service import Settlement


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("points-sync", event, context, changes=_settle_changed, timer=_settle_due)


def _settle_changed(call: Call) -> dict[str, Any]:
    return call.each(call.due_ids("orders"), Settlement(call.database, call.clock).settle)


def _settle_due(call: Call) -> dict[str, Any]:
    settlement = Settlement(call.database, call.clock)
    return call.each(settlement.due(), settlement.settle)
