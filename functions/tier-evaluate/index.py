"""tier-evaluate: brings members' tiers up to what their spend deserves.

Started by trigger-relay for accounts whose tier review is due, and by its own timer, which also
finds members whose spend has left the window. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Call, serve
from huitou.tiers.service import Tiers


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("tier-evaluate", event, context, changes=_evaluate_changed, timer=_evaluate_due)


def _evaluate_changed(call: Call) -> dict[str, Any]:
    return call.each(call.due_ids("accounts"), Tiers(call.database, call.clock).evaluate)


def _evaluate_due(call: Call) -> dict[str, Any]:
    tiers = Tiers(call.database, call.clock)
    return call.each(tiers.due(), tiers.evaluate)
