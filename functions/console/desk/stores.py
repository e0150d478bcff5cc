"""stores: those that one may see."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.staff.models import NoRequest
from huitou.stores.models import StoresAnswer
from huitou.stores.service import Stores


def _list(desk: Desk, _: NoRequest) -> object:
    stores = Stores(desk.database, desk.clock).listing(desk.brand_id)
    return {"stores": [store for store in stores if desk.sees(store["store_id"])]}


ROUTES = {"list": Route(NoRequest, _list, StoresAnswer)}
