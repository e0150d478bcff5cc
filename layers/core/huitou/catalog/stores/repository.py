"""Every query on `stores`."""

from __future__ import annotations

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE, Place, Store, StoreSettings
from huitou.runtime.database import Database

MOST_STORES = 5_000
MOST_ON_THE_MAP = 50_000
_VERSION = "stores"


class StoreRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._stores = database.collection("stores")
        self._meta = database.collection("meta")

    def find(self, store_id: str) -> Store | None:
        def read() -> Store | None:
            found = self._stores.find_one({"_id": store_id})
            return Store.model_validate(found) if found else None

        return self._cache.get(("store", store_id), read)

    def all(self, brand_id: str) -> list[Store]:
        found = self._stores.find({"brand_id": brand_id}).sort("_id", 1).limit(MOST_STORES)
        return [Store.model_validate(document) for document in found]

    def ids(self, after: str | None, limit: int) -> list[str]:
        found = self._stores.find({"_id": {"$gt": after or ""}}, {"_id": 1}).sort("_id", 1)
        return [store["_id"] for store in found.limit(limit)]

    def zones(self) -> dict[str, str]:
        """Return the zone of each store, by id; up to a minute old."""
        return {store_id: zone for store_id, (zone, _) in self.clocks().items()}

    def clocks(self) -> dict[str, tuple[str, str]]:
        """Return the zone and the cut time of each store, by id; up to a minute old."""

        def read() -> dict[str, tuple[str, str]]:
            shown = {"zone": 1, "cut_time": 1}
            found = self._stores.find({"_id": {"$gt": ""}}, shown).limit(MOST_STORES)
            return {
                store["_id"]: (store.get("zone", BRAND_ZONE), store.get("cut_time", BRAND_CUT))
                for store in found
            }

        return self._cache.get("clocks", read, seconds=60)

    def names(self) -> dict[str, str]:
        """Return the name of each store, by id; up to a minute old."""

        def read() -> dict[str, str]:
            found = self._stores.find({"_id": {"$gt": ""}}, {"name": 1}).limit(MOST_STORES)
            return {store["_id"]: store["name"] for store in found}

        return self._cache.get("store names", read, seconds=60)

    def places(self) -> list[tuple[str, Place]]:
        """Return id and place of the stores that have a place; up to a minute old."""

        def read() -> list[tuple[str, Place]]:
            found = self._stores.find({"_id": {"$gt": ""}}, {"place": 1}).limit(MOST_STORES)
            return [
                (row["_id"], Place.model_validate(row["place"]))
                for row in found
                if row.get("place")
            ]

        return self._cache.get("places", read, seconds=60)

    def put(self, store: Store) -> None:
        self._stores.replace_one({"_id": store.id}, store.document(), upsert=True)
        self._changed()

    def pause(self, store_id: str, *, paused: bool) -> bool:
        """Stop taking orders, or start again; False if there is no such store."""
        change = {"$set": {"paused": paused}}
        found = self._stores.update_one({"_id": store_id}, change).matched_count == 1
        self._changed()
        return found

    def set(self, store_id: str, revision: int, settings: StoreSettings) -> bool:
        """Change the settings if they still have this revision; False if they have another one."""
        # Old stores were stored without a revision; they count as revision 1.
        seen = {"$in": [revision, None]} if revision == 1 else revision
        change = {"$set": settings.model_dump() | {"revision": revision + 1}}
        done = self._stores.update_one({"_id": store_id, "revision": seen}, change)
        self._changed()
        return done.matched_count == 1

    def fresh(self, store_id: str) -> Store | None:
        """Return a store as it is at this moment, not from the cache."""
        found = self._stores.find_one({"_id": store_id})
        return Store.model_validate(found) if found else None

    def _changed(self) -> None:
        # This comes after the write. An instance that read the old version in between reads the
        # version again a second later.
        self._meta.update_one(
            {"_id": _VERSION}, {"$inc": {"version": 1}, "$setOnInsert": {"schema": 1}}, upsert=True
        )

    def version(self) -> int:
        """Return a number that rises with every change of a store; up to a second old."""

        def read() -> int:
            found = self._meta.find_one({"_id": _VERSION})
            return int(found["version"]) if found else 0

        return self._cache.get("stores version", read)

    def on_the_map(self, brand_id: str) -> list[Store]:
        """Return all stores that have a place."""
        found = self._stores.find({"brand_id": brand_id}).sort("_id", 1).limit(MOST_ON_THE_MAP)
        return [store for store in map(Store.model_validate, found) if store.place is not None]
