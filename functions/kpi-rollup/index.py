"""kpi-rollup: counts new and changed orders, members, log-ins and points into the KPIs of each day.

Started by its own timer; internal callers (the CLI, the console) have it count now and read the
figures of a day or a period. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports
from huitou.runtime.sweeps import LONGEST_S

with late_imports():
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


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "kpi-rollup",
        event,
        context,
        internal=INTERNAL,
        timer=_roll_up_due,
    )


def _kpis(call: Call) -> Kpis:
    return Kpis(call.database, call.clock)


def _roll_up_due(call: Call) -> dict[str, Any]:
    return _kpis(call).roll_up_figures(call.seconds_left() - LONGEST_S)


def _roll_up(call: Call, request: RollUpRequest) -> object:
    return _kpis(call).roll_up_figures(request.seconds)


def _report(call: Call, request: ReportRequest) -> object:
    return _kpis(call).report_figures(request)


def _stores(call: Call, request: StoreFiguresRequest) -> object:
    return _kpis(call).list_store_figures(request)


def _days(call: Call, request: DaysRequest) -> object:
    return _kpis(call).list_day_figures(request)


INTERNAL = {
    "roll_up": Action(RollUpRequest, _roll_up, RollUpAnswer),
    "report": Action(ReportRequest, _report, ReportAnswer),
    "stores": Action(StoreFiguresRequest, _stores, StoreFiguresAnswer),
    "days": Action(DaysRequest, _days, DaysAnswer),
}
