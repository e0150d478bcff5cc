"""Combine the brand's dish with a store's settings."""

from __future__ import annotations

from huitou.catalog.menu.models import Dish, DishContent, OfferedDish, StoreDish
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.catalog.menu.shown_models import BrandDish, StaffDish, StaffSku


def offered(dish: Dish, at_store: StoreDish) -> OfferedDish:
    """Return the brand's dish with the store's prices and 估清."""
    return OfferedDish(
        dish_id=dish.id,
        name=dish.name,
        category=dish.category,
        skus=[
            sku.model_copy(update={"price_fen": at_store.prices_fen.get(sku.sku_id, sku.price_fen)})
            for sku in dish.skus
        ],
        methods=dish.methods,
        addons=dish.addons,
        sold_out=at_store.sold_out,
    )


def brand_dish(dish: Dish) -> BrandDish:
    """Return a dish as the brand's staff see it, who make the menu."""
    content = DishContent.model_validate(dish.model_dump())
    return BrandDish(dish_id=dish.id, revision=dish.revision, content=content)


def for_staff(dish: Dish, at_store: StoreDish) -> StaffDish:
    """Return a dish with the settings that a store's staff may change."""
    return StaffDish(
        dish_id=dish.id,
        name=dish.name,
        category=dish.category,
        listed=at_store.listed,
        sold_out=at_store.sold_out,
        skus=[
            StaffSku(
                sku_id=sku.sku_id,
                name=sku.name,
                brand_fen=sku.price_fen,
                own_fen=at_store.prices_fen.get(sku.sku_id),
            )
            for sku in dish.skus
        ],
    )
