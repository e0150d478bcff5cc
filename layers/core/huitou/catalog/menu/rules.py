"""How a brand's dish and a store's settings make what a guest is offered."""

from __future__ import annotations

from huitou.catalog.menu.models import (
    BrandDish,
    Dish,
    DishContent,
    OfferedDish,
    StaffDish,
    StaffSku,
    StoreDish,
)


def offered(dish: Dish, at_store: StoreDish) -> OfferedDish:
    """Put the store's prices and 估清 over the brand's dish."""
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
    """A dish as those who make the menu see it."""
    content = DishContent.model_validate(dish.model_dump())
    return BrandDish(dish_id=dish.id, revision=dish.revision, content=content)


def for_staff(dish: Dish, at_store: StoreDish) -> StaffDish:
    """A dish with what a store's staff may change of it."""
    return StaffDish(
        dish_id=dish.id, name=dish.name, category=dish.category, listed=at_store.listed,
        sold_out=at_store.sold_out,
        skus=[
            StaffSku(
                sku_id=sku.sku_id, name=sku.name, brand_fen=sku.price_fen,
                own_fen=at_store.prices_fen.get(sku.sku_id),
            )
            for sku in dish.skus
        ],
    )  # fmt: skip
