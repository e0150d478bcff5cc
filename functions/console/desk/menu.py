"""menu: what a store has today: 上下架, 估清 and its own prices."""

from __future__ import annotations

from typing import Any

from desk.route import Desk, Route
from huitou.menu.models import (
    ListedRequest,
    PricesRequest,
    SoldOutRequest,
    StaffDish,
    StaffMenuAnswer,
    StoreMenuRequest,
)
from huitou.menu.service import Menu


def _change(desk: Desk, request: Any) -> object:
    desk.own(request.store_id)
    return Menu(desk.database).change(request)


def _as_it_is(desk: Desk, request: Any) -> dict[str, Any]:
    dish = Menu(desk.database).dish_for_staff(desk.own(request.store_id), request.dish_id)
    return dish.model_dump(mode="json")


def _changing(request: type) -> Route:
    return Route(
        request, _change, StaffDish, target=lambda r: f"dish {r.store_id}:{r.dish_id}",
        before=_as_it_is, after=lambda made: made.model_dump(mode="json"),
    )  # fmt: skip


ROUTES = {
    "list": Route(
        StoreMenuRequest,
        lambda desk, r: Menu(desk.database).for_staff(desk.own(r.store_id)),
        StaffMenuAnswer,
    ),
    "sold_out": _changing(SoldOutRequest),
    "listed": _changing(ListedRequest),
    "prices": _changing(PricesRequest),
}
