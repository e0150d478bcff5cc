"""The menu as guests and the till ask for it."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.menu.models import Dish, OfferedDish, StoreDish
from huitou.menu.repository import MenuRepository
from huitou.runtime.database import Database


class Menu:
    def __init__(self, database: Database) -> None:
        self._repository = MenuRepository(database)

    def at_store(self, store_id: str) -> list[OfferedDish]:
        """Return what a store lists, sold out or not."""
        return self._repository.offered_at(store_id)

    def offered_by(self, rows: Sequence[StoreDish]) -> dict[str, OfferedDish]:
        """Return by dish what a store's rows in hand offer; read just now, 估清 is seen at once."""
        return {dish.dish_id: dish for dish in self._repository.offered_by(rows)}

    def put(self, dishes: list[Dish], store_dishes: list[StoreDish]) -> None:
        for dish in dishes:
            self._repository.put_dish(dish)
        for row in store_dishes:
            self._repository.put_store_dish(row)
