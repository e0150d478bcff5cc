"""store-menu: the chain's stores, open or not, and a store's menu with options, prices and 估清.

Callable by members; internal callers may list the stores too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.catalog.menu.service import Menu
    from huitou.catalog.menu.shown_models import MenuAnswer
    from huitou.catalog.stores.service import Stores
    from huitou.catalog.stores.shown_models import MenuRequest, StoresAnswer, StoresRequest


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("store-menu", event, context, member=MEMBER, internal=INTERNAL)


def _stores(call: Call, _: StoresRequest) -> object:
    return {"stores": Stores(call.database, call.clock).list_stores(call.settings.brand_id)}


def _menu(call: Call, request: MenuRequest) -> object:
    store = Stores(call.database, call.clock).get_store(request.store_id)
    return {"store_id": store.id, "dishes": Menu(call.database).list_offered_dishes(store.id)}


MEMBER = {
    "stores": Action(StoresRequest, _stores, StoresAnswer),
    "menu": Action(MenuRequest, _menu, MenuAnswer),
}
INTERNAL = {"stores": Action(StoresRequest, _stores, StoresAnswer)}
