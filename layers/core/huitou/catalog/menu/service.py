"""The menu, for guests, for the till, for a store's staff and for the brand's staff."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.catalog.menu.errors import MenuErrors
from huitou.catalog.menu.models import Dish, OfferedDish, StoreDish
from huitou.catalog.menu.repository import MenuRepository
from huitou.catalog.menu.rules import brand_dish
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.catalog.menu.shown_models import (
        BrandDish,
        BrandDishesAnswer,
        ListedRequest,
        PricesRequest,
        PutDishRequest,
        SoldOutRequest,
        StaffDish,
        StaffMenuAnswer,
    )


class Menu:
    def __init__(self, database: Database) -> None:
        self._repository = MenuRepository(database)

    def list_offered_dishes(self, store_id: str) -> list[OfferedDish]:
        """Return the dishes that a store lists, also those that are sold out."""
        return self._repository.offered_at(store_id)

    def list_recently_offered_dishes(self, store_id: str) -> list[OfferedDish]:
        """Return the same, up to a minute old: good enough for suggestions, not for selling."""
        return self._repository.lately_at(store_id)

    def offered_dishes_of_rows(self, rows: Sequence[StoreDish]) -> dict[str, OfferedDish]:
        """Return the dishes for these rows of one store, by dish id.

        The caller has read the rows a moment ago, so a dish that was just sold out (估清) shows so.
        """
        return {dish.dish_id: dish for dish in self._repository.offered_by(rows)}

    def show_staff_menu(self, store_id: str) -> StaffMenuAnswer:
        """Return a store's whole menu, listed or not."""
        return StaffMenuAnswer(store_id=store_id, dishes=self._repository.every_dish_at(store_id))

    def find_staff_dish(self, store_id: str, dish_id: str) -> StaffDish:
        """Return one dish of a store, listed or not; Refusal DISH_NOT_FOUND naming `dish_id`."""
        dish = self._repository.dish_at(store_id, dish_id)
        if dish is None:
            raise Refusal(MenuErrors.DISH_NOT_FOUND, field="dish_id", detail=dish_id)
        return dish

    def change_store_dish(
        self, request: SoldOutRequest | ListedRequest | PricesRequest
    ) -> StaffDish:
        """Change one setting of a dish at one store; the next quote uses it.

        Raises Refusal DISH_NOT_FOUND naming `dish_id`, or `prices_fen` if the dish has no such sku.
        """
        from huitou.catalog.menu.shown_models import PricesRequest  # A quote doesn't need it.

        dish = self.find_staff_dish(request.store_id, request.dish_id)
        if isinstance(request, PricesRequest):
            unknown = set(request.prices_fen) - {sku.sku_id for sku in dish.skus}
            if unknown:
                raise Refusal(
                    MenuErrors.DISH_NOT_FOUND, field="prices_fen", detail=", ".join(sorted(unknown))
                )
        change = request.model_dump(exclude={"store_id", "dish_id"})
        self._repository.change_at(request.store_id, request.dish_id, change)
        return self.find_staff_dish(request.store_id, request.dish_id)

    def list_brand_dishes(self) -> BrandDishesAnswer:
        """Return the brand's dishes."""
        return BrandDishesAnswer(dishes=[brand_dish(dish) for dish in self._repository.dishes()])

    def find_brand_dish(self, dish_id: str) -> Dish | None:
        """Return a dish of the brand as it is at this moment; None if there is none."""
        return self._repository.dish(dish_id)

    def set_dish(self, request: PutDishRequest, brand_id: str, store_ids: list[str]) -> BrandDish:
        """Change a dish of the brand, or make a new one; quotes use it within a second.

        Each of these stores gets a new dish, unlisted. Raises Refusal RULES_CONFLICT naming
        `revision` if somebody else has changed or made the dish meanwhile.
        """
        made = Dish(
            id=request.dish_id,
            brand_id=brand_id,
            revision=request.revision + 1,
            **request.content.model_dump(),
        )
        conflict = Refusal(Code.RULES_CONFLICT, field="revision")
        if request.revision == 0:
            if self._repository.dish(made.id) is not None:
                raise conflict
            # The stores' rows come first: without the dish nobody sees them, so a crash between
            # the two writes does no harm.
            self._repository.add_to_stores(made.id, store_ids)
        if not self._repository.set_dish(made, request.revision):
            raise conflict
        return brand_dish(made)

    def count_sold_out_dishes(self, store_ids: Sequence[str], most: int) -> int:
        """Count the dishes sold out at these stores, up to `most`; no store named means all."""
        return self._repository.sold_out(store_ids, most)

    def put_dishes(self, dishes: list[Dish], store_dishes: list[StoreDish]) -> None:
        for dish in dishes:
            self._repository.put_dish(dish)
        for row in store_dishes:
            self._repository.put_store_dish(row)
