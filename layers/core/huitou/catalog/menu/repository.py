"""Every query on `dishes` and `store_dishes`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import UpdateOne

from huitou.catalog.menu.models import Dish, OfferedDish, StoreDish
from huitou.catalog.menu.rules import for_staff, offered
from huitou.runtime.database import Database, Document, insert_new
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.catalog.menu.shown_models import StaffDish

MOST_DISHES = 2_000
_LATELY_S = 60.0


class MenuRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._dishes = database.collection("dishes")
        self._store_dishes = database.collection("store_dishes")

    def offered_at(self, store_id: str) -> list[OfferedDish]:
        """Return all dishes that a store lists; always two queries, however many dishes."""
        return self._offered({"store_id": store_id, "listed": True})

    def lately_at(self, store_id: str) -> list[OfferedDish]:
        """Return the same from the cache; it is at most a minute old."""
        key = ("menu", store_id)
        return self._cache.get(key, lambda: self.offered_at(store_id), seconds=_LATELY_S)

    def _offered(self, where: Document) -> list[OfferedDish]:
        found = self._store_dishes.find(where).sort("_id", 1).limit(MOST_DISHES)
        return self.offered_by([StoreDish.model_validate(row) for row in found])

    def offered_by(self, rows: Sequence[StoreDish]) -> list[OfferedDish]:
        """Return the dishes for these rows, which the caller has read already."""
        by_id = self._brand_dishes([row.dish_id for row in rows])
        return [offered(by_id[row.dish_id], row) for row in rows if row.dish_id in by_id]

    def every_dish_at(self, store_id: str) -> list[StaffDish]:
        """Return a store's dishes, listed or not."""
        found = self._store_dishes.find({"store_id": store_id}).sort("_id", 1).limit(MOST_DISHES)
        rows = [StoreDish.model_validate(row) for row in found]
        by_id = self._brand_dishes([row.dish_id for row in rows])
        return [for_staff(by_id[row.dish_id], row) for row in rows if row.dish_id in by_id]

    def dish_at(self, store_id: str, dish_id: str) -> StaffDish | None:
        """Return one dish of a store, listed or not; None if the store doesn't have it."""
        found = self._store_dishes.find_one({"_id": f"{store_id}:{dish_id}"})
        dish = self._brand_dishes([dish_id]).get(dish_id) if found else None
        return for_staff(dish, StoreDish.model_validate(found)) if dish else None

    def change_at(self, store_id: str, dish_id: str, change: Document) -> bool:
        """Set these fields of a store's row of a dish; False if there is no row."""
        row = {"_id": f"{store_id}:{dish_id}"}
        return self._store_dishes.update_one(row, {"$set": change}).matched_count == 1

    def _brand_dishes(self, ids: list[str]) -> dict[str, Dish]:
        def read(keys: list[tuple[str, str]]) -> dict[tuple[str, str], Dish]:
            found = self._dishes.find({"_id": {"$in": [dish_id for _, dish_id in keys]}})
            return {("dish", dish["_id"]): Dish.model_validate(dish) for dish in found}

        kept = self._cache.get_many([("dish", dish_id) for dish_id in ids], read)
        return {dish_id: dish for (_, dish_id), dish in kept.items()}

    def dishes(self) -> list[Dish]:
        """Return the brand's dishes, by id."""
        found = self._dishes.find({"_id": {"$gt": ""}}).sort("_id", 1).limit(MOST_DISHES)
        return [Dish.model_validate(dish) for dish in found]

    def dish(self, dish_id: str) -> Dish | None:
        found = self._dishes.find_one({"_id": dish_id})
        return Dish.model_validate(found) if found else None

    def set_dish(self, dish: Dish, revision: int) -> bool:
        """Replace the dish of this revision (0: there is none yet); False if it has another one."""
        if revision == 0:
            return insert_new(self._dishes, dish.document())
        # Old dishes were stored without a revision; they count as revision 1.
        seen = {"$in": [1, None]} if revision == 1 else revision
        where = {"_id": dish.id, "revision": seen}
        return self._dishes.replace_one(where, dish.document()).matched_count == 1

    def add_to_stores(self, dish_id: str, store_ids: list[str]) -> None:
        """Add a dish to these stores, unlisted; stores that have it already keep theirs."""
        rows = [
            StoreDish(id=f"{store_id}:{dish_id}", store_id=store_id, dish_id=dish_id, listed=False)
            for store_id in store_ids
        ]
        if rows:
            self._store_dishes.bulk_write(
                [
                    UpdateOne({"_id": row.id}, {"$setOnInsert": row.document()}, upsert=True)
                    for row in rows
                ]
            )

    def sold_out(self, store_ids: Sequence[str], most: int) -> int:
        """Count the dishes that are sold out at these stores, up to `most`.

        If no store is named, all stores count.
        """
        where = {
            "sold_out": True,
            "store_id": {"$in": list(store_ids)} if store_ids else {"$gt": ""},
        }
        return len(list(self._store_dishes.find(where, {"_id": 1}).limit(most)))

    def put_dish(self, dish: Dish) -> None:
        self._dishes.replace_one({"_id": dish.id}, dish.document(), upsert=True)

    def put_store_dish(self, row: StoreDish) -> None:
        self._store_dishes.replace_one({"_id": row.id}, row.document(), upsert=True)
