"""menu: the brand's dishes, and each store's 上下架, 估清 and own prices."""

from __future__ import annotations

from typing import Any

from desk.forms import form
from desk.route import Desk, Route
from huitou.catalog.menu.service import Menu
from huitou.catalog.menu.shown_models import (
    BrandDish,
    BrandDishesAnswer,
    DishForm,
    ListedRequest,
    PricesRequest,
    PutDishRequest,
    SoldOutRequest,
    StaffDish,
    StaffMenuAnswer,
    StoreMenuRequest,
)
from huitou.catalog.stores.service import Stores
from huitou.operations.staff.models import FormAnswer, NoRequest


def _change(desk: Desk, request: Any) -> object:
    desk.own(request.store_id)
    if isinstance(request, PricesRequest):
        desk.rule_approvals.allow_prices(request)
    return Menu(desk.database).change_store_dish(request)


def _values_before(desk: Desk, request: Any) -> dict[str, Any]:
    dish = Menu(desk.database).find_staff_dish(desk.own(request.store_id), request.dish_id)
    return dish.model_dump(mode="json")


def _change_route(request: type) -> Route:
    return Route(
        request,
        _change,
        StaffDish,
        target=lambda r: f"dish {r.store_id}:{r.dish_id}",
        before=_values_before,
        after=lambda made: made.model_dump(mode="json"),
    )


def _dish_before(desk: Desk, request: PutDishRequest) -> dict[str, Any]:
    dish = Menu(desk.database).find_brand_dish(request.dish_id)
    return dish.document() if dish else {}


def _set_dish(desk: Desk, request: PutDishRequest) -> object:
    desk.rule_approvals.allow_dish(request)
    stores = Stores(desk.database, desk.clock).store_names()
    return Menu(desk.database).set_dish(request, desk.brand_id, list(stores))


def _schema(desk: Desk, _: NoRequest) -> object:
    return {"form": form(desk, DishForm)}


def _dishes(desk: Desk, _: NoRequest) -> object:
    return Menu(desk.database).list_brand_dishes()


def _list(desk: Desk, request: StoreMenuRequest) -> object:
    return Menu(desk.database).show_staff_menu(desk.own(request.store_id))


ROUTES = {
    "schema": Route(NoRequest, _schema, FormAnswer),
    "dishes": Route(NoRequest, _dishes, BrandDishesAnswer),
    "set_dish": Route(
        PutDishRequest,
        _set_dish,
        BrandDish,
        target=lambda r: f"dish {r.dish_id}",
        before=_dish_before,
        after=lambda made: made.model_dump(mode="json"),
    ),
    "list": Route(StoreMenuRequest, _list, StaffMenuAnswer),
    "sold_out": _change_route(SoldOutRequest),
    "listed": _change_route(ListedRequest),
    "prices": _change_route(PricesRequest),
}
