"""kpi-rollup: counts new and changed orders, members, log-ins and points into the KPIs of each day.

Started by its own timer; internal callers (the CLI, the console) have it count now and read the
figures of a day or a period. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.insight.kpis.models import (
    DaysAnswer,
    DaysRequest,
    ReportAnswer,
    ReportRequest,
    RollUpAnswer,
    RollUpRequest,
    StoreFiguresAnswer,
    StoreFiguresRequest,
)
from huitou.insight.kpis.service import Kpis
from huitou.runtime.handler import LONGEST_S, Action, Call, serve


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "kpi-rollup",
        event,
        context,
        internal=INTERNAL,
        timer=lambda call: _kpis(call).roll_up(call.seconds_left() - LONGEST_S),
    )


def _kpis(call: Call) -> Kpis:
    return Kpis(call.database, call.clock)


INTERNAL = {
    "roll_up": Action(RollUpRequest, lambda call, r: _kpis(call).roll_up(r.seconds), RollUpAnswer),
    "report": Action(ReportRequest, lambda call, r: _kpis(call).report(r), ReportAnswer),
    "stores": Action(
        StoreFiguresRequest, lambda call, r: _kpis(call).stores(r), StoreFiguresAnswer
    ),
    "days": Action(DaysRequest, lambda call, r: _kpis(call).days(r), DaysAnswer),
}
