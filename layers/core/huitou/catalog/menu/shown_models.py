"""The menu as a store's and the brand's staff ask for it, change it and see it."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from huitou.catalog.menu.models import (
    MAX_PRICE_FEN,
    MOST_PARTS,
    PART_ID,
    Addon,
    DishContent,
    OfferedDish,
    Sku,
)
from huitou.runtime.documents import Answer, Request, Unfit
from huitou.runtime.limits import MOST_REVISION, Id


class DishForm(DishContent):
    """A dish as the brand's staff enter it; ids of sizes and addons are unique within the dish."""

    name: str = Field(min_length=1, max_length=40, title="菜名")
    category: str = Field(min_length=1, max_length=40, title="分类")
    skus: list[Sku] = Field(min_length=1, max_length=MOST_PARTS, title="规格")
    methods: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        default=[],
        max_length=MOST_PARTS,
        title="做法",
        description="例如 少辣、不要香菜；不收费",
    )
    addons: list[Addon] = Field(default=[], max_length=MOST_PARTS, title="加料")

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        parts = {
            "skus": [sku.sku_id for sku in self.skus],
            "addons": [addon.addon_id for addon in self.addons],
        }
        for name, ids in parts.items():
            if len(set(ids)) != len(ids):
                raise Unfit(name, "代号不能重复", "each has an id of its own")
            if not all(re.match(PART_ID, one) for one in ids):
                raise Unfit(name, "代号只能用字母、数字和短横线", f"ids fit {PART_ID}")
        return self


class MenuAnswer(Answer):
    """The dishes that one store lists, also those that are sold out."""

    store_id: str
    dishes: list[OfferedDish]


class StoreMenuRequest(Request):
    """Ask for a store's whole menu, as its staff."""

    store_id: str = Field(min_length=1, max_length=64)


class _AtStoreRequest(StoreMenuRequest):
    dish_id: str = Field(min_length=1, max_length=64)


class SoldOutRequest(_AtStoreRequest):
    """Mark a dish as sold out (估清), or as available again."""

    sold_out: bool


class ListedRequest(_AtStoreRequest):
    """Take a dish off a store's menu (下架), or put it on (上架)."""

    listed: bool


class PricesRequest(_AtStoreRequest):
    """Set a store's own prices by sku; a sku that is left out gets the brand's price again."""

    prices_fen: dict[Id, Annotated[int, Field(ge=0, le=MAX_PRICE_FEN)]] = Field(max_length=50)


class BrandDish(Answer):
    """A dish of the brand, before any store changes it."""

    dish_id: str
    revision: int
    content: DishContent


class BrandDishesAnswer(Answer):
    """The brand's dishes, by id."""

    dishes: list[BrandDish]


class PutDishRequest(Request):
    """Change a dish in every store that has it, or make a new one.

    `revision` is the one that the caller has seen. It is 0 for a new dish: then every store gets
    the dish, and lists it when it wants to.
    """

    dish_id: str = Field(pattern=PART_ID)
    revision: int = Field(ge=0, le=MOST_REVISION)
    content: DishForm


class StaffSku(Answer):
    """One size of a dish: the brand's price, and the store's own; null if it has none."""

    sku_id: str
    name: str
    brand_fen: int
    own_fen: int | None


class StaffDish(Answer):
    """A dish as a store's staff see it, listed or not."""

    dish_id: str
    name: str
    category: str
    listed: bool
    sold_out: bool
    skus: list[StaffSku]


class StaffMenuAnswer(Answer):
    """A store's whole menu."""

    store_id: str
    dishes: list[StaffDish]
