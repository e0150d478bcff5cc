"""home: today compared with a week ago, the three KPIs over time and by store, and alarms."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.operations.console.home_models import AlarmsAnswer, FiguresRequest, HomeAnswer
from huitou.operations.console.home_service import Home
from huitou.operations.staff.models import OF_STORES, NoRequest


def _figures(desk: Desk, request: FiguresRequest) -> object:
    if request.store_id is None and desk.staff.role in OF_STORES:
        request = request.model_copy(update={"store_id": desk.staff.store_ids[0]})
    if request.store_id is not None:
        desk.own(request.store_id)
    return Home(desk.database, desk.clock).show_figures(request, desk.staff.store_ids)


def _alarms(desk: Desk, _: NoRequest) -> object:
    return Home(desk.database, desk.clock).count_alarms(
        desk.may_see_store, desk.staff.store_ids, desk.colleagues.near
    )


ROUTES = {
    "figures": Route(FiguresRequest, _figures, HomeAnswer),
    "alarms": Route(NoRequest, _alarms, AlarmsAnswer),
}
