"""Stores, for guests, for staff and for other areas."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from huitou.catalog.stores.errors import StoreErrors
from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE, Place, Store, StoreSettings
from huitou.catalog.stores.repository import StoreRepository
from huitou.catalog.stores.rules import (
    earliest_day,
    furthest_day_clock,
    latest_day,
    takes_orders,
)
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.catalog.stores.shown_models import StaffStore, StoreSettingsRequest


class Stores:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = StoreRepository(database)
        self._clock = clock

    def get_store(self, store_id: str) -> Store:
        """Return a store; Refusal STORE_NOT_FOUND naming `store_id` if there is none."""
        store = self._repository.find(store_id)
        if store is None:
            raise Refusal(StoreErrors.STORE_NOT_FOUND, field="store_id")
        return store

    def list_stores(self, brand_id: str) -> list[dict[str, Any]]:
        """List the chain's stores, each with whether it takes orders now."""
        now = self._clock.now()
        return [
            {"store_id": store.id, "open": takes_orders(store, now)}
            | store.model_dump(include={"name", "address", "hours", "zone"})
            for store in self._repository.all(brand_id)
        ]

    def stores_by_name(self, brand_id: str) -> dict[str, Store]:
        """Return the chain's stores by id and by name; a name of two stores is left out."""
        stores = self._repository.all(brand_id)
        names = Counter(store.name for store in stores)
        named = {store.name: store for store in stores if names[store.name] == 1}
        return named | {store.id: store for store in stores}

    def today(self) -> str:
        """Return the business day at the store where the day ends last.

        What is valid up to and including a day has ended everywhere once this is later.
        """
        clocks = set(self._repository.clocks().values())
        return earliest_day(self._clock.now(), clocks or {(BRAND_ZONE, BRAND_CUT)})

    def newest_day(self) -> str:
        """Return the business day at the store where it began first.

        What is given for a number of days counts from it, so no store's day is over already.
        """
        return latest_day(self._clock.now(), self.clocks())

    def newest_clock(self) -> datetime:
        """Return the latest moment that any store's day clock shows (see `by_day_clock`)."""
        return furthest_day_clock(self._clock.now(), self.clocks())

    def clocks(self) -> set[tuple[str, str]]:
        """Return the zones and cut times of the chain's stores, and the chain's own."""
        return {*self._repository.clocks().values(), (BRAND_ZONE, BRAND_CUT)}

    def zones(self) -> set[str]:
        """Return the time zones of the chain's stores, and the chain's own zone."""
        return {*self._repository.zones().values(), BRAND_ZONE}

    def places(self) -> list[tuple[str, Place]]:
        """Return id and place of each store that has a place on the map."""
        return self._repository.places()

    def stores_version(self) -> int:
        """Return a number that rises with every change of a store."""
        return self._repository.version()

    def list_stores_on_the_map(self, brand_id: str) -> list[Store]:
        """Return the chain's stores that have a place on the map."""
        return self._repository.on_the_map(brand_id)

    def store_names(self) -> dict[str, str]:
        """Return the name of each store, by id."""
        return self._repository.names()

    def zone_by_id(self) -> dict[str, str]:
        """Return the time zone of each store, by id."""
        return self._repository.zones()

    def list_store_ids(self, after: str | None, limit: int) -> list[str]:
        """Return up to `limit` store ids in order, those after `after`."""
        return self._repository.ids(after, limit)

    def show_staff_store(self, store_id: str) -> StaffStore:
        """Return a store as its staff see it, as it is at this moment.

        Raises Refusal STORE_NOT_FOUND naming `store_id`.
        """
        store = self._repository.fresh(store_id)
        if store is None:
            raise Refusal(StoreErrors.STORE_NOT_FOUND, field="store_id")
        return StaffStore(
            store_id=store.id,
            open=takes_orders(store, self._clock.now()),
            paused=store.paused,
            revision=store.revision,
            settings=StoreSettings.model_validate(store.model_dump()),
            **store.model_dump(include={"name", "address", "zone", "hours", "cut_time"}),
        )

    def set_store_settings(self, request: StoreSettingsRequest) -> StaffStore:
        """Change a store's settings; quotes use them within a second.

        Raises Refusal STORE_NOT_FOUND naming `store_id`, or RULES_CONFLICT naming `revision` if
        somebody else has changed them meanwhile.
        """
        self.show_staff_store(request.store_id)
        if not self._repository.set(request.store_id, request.revision, request.settings):
            raise Refusal(Code.RULES_CONFLICT, field="revision")
        return self.show_staff_store(request.store_id)

    def pause_store(self, store_id: str, *, paused: bool) -> StaffStore:
        """Stop taking orders at a store, or start again; quotes know it within a second."""
        self._repository.pause(store_id, paused=paused)
        return self.show_staff_store(store_id)

    def put_store(self, store: Store) -> None:
        self._repository.put(store)
