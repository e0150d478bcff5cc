"""stores: list those the person may see, change their settings, pause their orders."""

from __future__ import annotations

from typing import Any

from desk.forms import form
from desk.route import Desk, Route
from huitou.catalog.stores.service import Stores
from huitou.catalog.stores.shown_models import (
    PauseRequest,
    StaffStore,
    StaffStoreRequest,
    StoreForm,
    StoresAnswer,
    StoreSettingsRequest,
)
from huitou.operations.staff.models import FormAnswer, NoRequest


def _stores(desk: Desk) -> Stores:
    return Stores(desk.database, desk.clock)


def _list(desk: Desk, _: NoRequest) -> object:
    stores = _stores(desk).list_stores(desk.brand_id)
    return {"stores": [store for store in stores if desk.may_see_store(store["store_id"])]}


def _pause(desk: Desk, request: PauseRequest) -> object:
    return _stores(desk).pause_store(desk.own(request.store_id), paused=request.paused)


def _set(desk: Desk, request: StoreSettingsRequest) -> object:
    desk.own(request.store_id)
    return _stores(desk).set_store_settings(request)


def _values_before(desk: Desk, request: StoreSettingsRequest) -> dict[str, Any]:
    return _settings(_stores(desk).show_staff_store(desk.own(request.store_id)))


def _settings(store: StaffStore) -> dict[str, Any]:
    return {"revision": store.revision, **store.settings.model_dump(mode="json")}


def _schema(desk: Desk, _: NoRequest) -> object:
    return {"form": form(desk, StoreForm)}


def _get(desk: Desk, request: StaffStoreRequest) -> object:
    return _stores(desk).show_staff_store(desk.own(request.store_id))


ROUTES = {
    "schema": Route(NoRequest, _schema, FormAnswer),
    "list": Route(NoRequest, _list, StoresAnswer),
    "get": Route(StaffStoreRequest, _get, StaffStore),
    "set": Route(
        StoreSettingsRequest,
        _set,
        StaffStore,
        target=lambda r: f"store {r.store_id}",
        before=_values_before,
        after=_settings,
    ),
    "pause": Route(
        PauseRequest,
        _pause,
        StaffStore,
        target=lambda r: f"store {r.store_id}",
        after=lambda made: {"paused": made.paused},
    ),
}
