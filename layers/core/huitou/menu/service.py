"""The menu as guests and the till ask for it."""

from __future__ import annotations

from huitou.menu.models import Dish, OfferedDish, StoreDish
from huitou.menu.repository import MenuRepository
from huitou.runtime.database import Database


class Menu:
    def __init__(self, database: Database) -> None:
        self._repository = MenuRepository(database)

    def at_store(self, store_id: str) -> list[OfferedDish]:
        """Return what a store lists, sold out or not."""
        return self._repository.offered_at(store_id)

    def among(self, store_id: str, dish_ids: set[str]) -> dict[str, OfferedDish]:
        """Return those of the dishes that the store lists, read now: 估清 is seen at once."""
        return self._repository.offered_among(store_id, dish_ids)

    def put(self, dishes: list[Dish], store_dishes: list[StoreDish]) -> None:
        for dish in dishes:
            self._repository.put_dish(dish)
        for row in store_dishes:
            self._repository.put_store_dish(row)
