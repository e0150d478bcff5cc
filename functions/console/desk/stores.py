"""stores: those that one may see, and whether they take orders."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.staff.models import NoRequest
from huitou.stores.models import PauseRequest, StaffStore, StaffStoreRequest, StoresAnswer
from huitou.stores.service import Stores


def _stores(desk: Desk) -> Stores:
    return Stores(desk.database, desk.clock)


def _list(desk: Desk, _: NoRequest) -> object:
    stores = _stores(desk).listing(desk.brand_id)
    return {"stores": [store for store in stores if desk.sees(store["store_id"])]}


def _pause(desk: Desk, request: PauseRequest) -> object:
    return _stores(desk).pause(desk.own(request.store_id), paused=request.paused)


ROUTES = {
    "list": Route(NoRequest, _list, StoresAnswer),
    "get": Route(
        StaffStoreRequest, lambda desk, r: _stores(desk).for_staff(desk.own(r.store_id)), StaffStore
    ),
    "pause": Route(
        PauseRequest, _pause, StaffStore,
        target=lambda r: f"store {r.store_id}", after=lambda made: {"paused": made.paused},
    ),
}  # fmt: skip
