"""What guests and other areas ask about stores."""

from __future__ import annotations

from collections import Counter
from typing import Any

from huitou.catalog.stores.errors import StoreErrors
from huitou.catalog.stores.models import (
    BRAND_ZONE,
    Place,
    StaffStore,
    Store,
    StoreSettings,
    StoreSettingsRequest,
)
from huitou.catalog.stores.repository import StoreRepository
from huitou.catalog.stores.rules import earliest_day, takes_orders
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Stores:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = StoreRepository(database)
        self._clock = clock

    def get(self, store_id: str) -> Store:
        """Return a store; Refusal STORE_NOT_FOUND naming `store_id` otherwise."""
        store = self._repository.find(store_id)
        if store is None:
            raise Refusal(StoreErrors.STORE_NOT_FOUND, field="store_id")
        return store

    def listing(self, brand_id: str) -> list[dict[str, Any]]:
        """List the chain's stores with whether each takes orders now."""
        now = self._clock.now()
        return [
            {"store_id": store.id, "open": takes_orders(store, now)}
            | store.model_dump(include={"name", "address", "hours", "zone"})
            for store in self._repository.all(brand_id)
        ]

    def by_name(self, brand_id: str) -> dict[str, Store]:
        """Return the chain's stores by id and by name; a name that two stores bear is left out."""
        stores = self._repository.all(brand_id)
        names = Counter(store.name for store in stores)
        named = {store.name: store for store in stores if names[store.name] == 1}
        return named | {store.id: store for store in stores}

    def today(self) -> str:
        """Return the day it is at the chain's westernmost store.

        What holds until a day, that day included, holds there as long as anywhere.
        """
        return earliest_day(
            self._clock.now(), set(self._repository.zones().values()) or {BRAND_ZONE}
        )

    def zones(self) -> set[str]:
        """Return the zones in which the chain has stores, and its own."""
        return {*self._repository.zones().values(), BRAND_ZONE}

    def places(self) -> list[tuple[str, Place]]:
        """Return the stores that have a place on the map."""
        return self._repository.places()

    def version(self) -> int:
        """Which number rises with every change of a store."""
        return self._repository.version()

    def on_the_map(self, brand_id: str) -> list[Store]:
        """Return the stores that have a place."""
        return self._repository.on_the_map(brand_id)

    def names(self) -> dict[str, str]:
        """Return the name of each of the chain's stores."""
        return self._repository.names()

    def zone_by_id(self) -> dict[str, str]:
        """Return the zone of each of the chain's stores."""
        return self._repository.zones()

    def ids(self, after: str | None, limit: int) -> list[str]:
        """Return a page of store ids, those after `after`."""
        return self._repository.ids(after, limit)

    def for_staff(self, store_id: str) -> StaffStore:
        """Return a store as its staff see it, at this moment; Refusal STORE_NOT_FOUND."""
        store = self._repository.fresh(store_id)
        if store is None:
            raise Refusal(StoreErrors.STORE_NOT_FOUND, field="store_id")
        return StaffStore(
            store_id=store.id, open=takes_orders(store, self._clock.now()), paused=store.paused,
            revision=store.revision, settings=StoreSettings.model_validate(store.model_dump()),
            **store.model_dump(include={"name", "address", "zone", "hours", "cut_time"}),
        )  # fmt: skip

    def set(self, request: StoreSettingsRequest) -> StaffStore:
        """Change a store's settings; quotes know of it within a second.

        Raises Refusal RULES_CONFLICT naming `revision` where somebody else changed them meanwhile.
        """
        self.for_staff(request.store_id)
        if not self._repository.set(request.store_id, request.revision, request.settings):
            raise Refusal(Code.RULES_CONFLICT, field="revision")
        return self.for_staff(request.store_id)

    def pause(self, store_id: str, *, paused: bool) -> StaffStore:
        """Stop a store's orders, or take them again; quotes know of it within a second."""
        self._repository.pause(store_id, paused=paused)
        return self.for_staff(store_id)

    def put(self, store: Store) -> None:
        self._repository.put(store)
